"""Power cut in every write of a model upload, and of the settings' log, under sanitizers, by gcc and by clang.

mcu-firmware/tests/test_power_cut.c says what is cut, and what must be so afterwards.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from firmware import FIRMWARE, make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LINE = re.compile(r"(\w+) +program (\d), units of +(\d+): +(\d+) cuts, +(\d+) old, +(\d+) new")
LEAST = {"settings": 2_500, "slots": 12_000, "soak": 5_000}
"""Cuts on each kind of flash."""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_old_model_runs_or_the_new_one(compiler: str) -> None:
    way = "-clang-asan" if compiler == "clang" else "-asan"
    make(f"build/host{way}/tests/test_power_cut", CC=compiler, SANITIZE="1")
    done = subprocess.run(
        [FIRMWARE / f"build/host{way}/tests/test_power_cut", *(["full"] if compiler == "gcc" else [])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert len(told) == 21
    for line in told:
        assert line is not None, done.stdout
        what, _, _, cuts, old, new = line.groups()
        assert int(cuts) == int(old) + int(new)
        if compiler == "gcc":
            assert int(cuts) > LEAST[what]
        if what != "soak":
            assert int(new) > 0
