"""The board's protocol under sanitizers: a minute of libFuzzer a target, and damaged requests however it is built."""

from __future__ import annotations

import re
import subprocess

import firmware
import pytest

pytestmark = pytest.mark.slow
SECONDS = 60
WAYS = {"": ("CC=gcc",), "-clang": ("CC=clang",), "-m32": ("M32=1",)}


@pytest.mark.timeout(4 * SECONDS + 600)
@pytest.mark.parametrize("target", ["fuzz_framing", "fuzz_smp"])
def test_a_minute_of_any_bytes_finds_nothing(target: str) -> None:
    firmware.make(f"build/fuzz/{target}")
    corpus = firmware.FIRMWARE / "build" / "fuzz" / f"corpus-{target}"
    corpus.mkdir(exist_ok=True)
    done = subprocess.run(
        [firmware.FIRMWARE / "build" / "fuzz" / target, f"-max_total_time={SECONDS}", "-print_final_stats=1", corpus],
        capture_output=True, text=True, timeout=4 * SECONDS, check=False, cwd=corpus.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 20_000


@pytest.mark.parametrize("way", WAYS)
def test_damaged_requests_are_survived_however_it_is_built(way: str) -> None:
    program = f"build/host{way}-asan/tests/test_proto"
    firmware.make(program, "SANITIZE=1", *WAYS[way])
    done = subprocess.run([firmware.FIRMWARE / program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "56200 messages, 45763 answers, 3565 frames lost\n"
