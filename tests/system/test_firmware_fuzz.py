"""libFuzzer under sanitizers, every target there is: a minute each of those that read what comes from outside.

`make -C mcu-firmware fuzz` runs each for ten, and goes on from what it found before. Here each begins with its seeds
alone, two at a time.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from firmware import FIRMWARE, make

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FUZZ = FIRMWARE / "build" / "fuzz"
PAIRS = {
    ("fuzz_framing", "fuzz_smp"): 60,
    ("fuzz_nn_open", "fuzz_nn_run"): 60,
    ("fuzz_decide", "fuzz_frontend"): 20,
}


def started(target: str, seconds: int, folder: Path) -> subprocess.Popen[str]:
    corpus, seeds = folder / target, FUZZ / "seeds" / target
    corpus.mkdir()
    options = (f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix={folder}/")
    command: list[str | Path] = [FUZZ / target, *options, corpus, *([seeds] if seeds.is_dir() else [])]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_any_bytes_find_nothing(pair: tuple[str, str], tmp_path: Path) -> None:
    make("build/fuzz/seeds", *(f"build/fuzz/{target}" for target in pair))
    for run in [started(target, PAIRS[pair], tmp_path) for target in pair]:
        _, told = run.communicate(timeout=4 * PAIRS[pair])
        assert run.returncode == 0, told[-4000:]
        executions = re.search(r"number_of_executed_units: (\d+)", told)
        assert executions is not None
        assert int(executions[1]) > 5000


def test_there_is_no_other_target() -> None:
    assert {target for pair in PAIRS for target in pair} == {
        path.stem for path in (FIRMWARE / "tests").glob("fuzz_*.c")
    }


def test_one_command_names_the_executions() -> None:
    printed = make("fuzz", FUZZED="fuzz_decide", FUZZ_SECONDS="2")
    assert re.search(r"^fuzz_decide: [1-9]\d* executions in 2 s, no finding$", printed, re.MULTILINE)
