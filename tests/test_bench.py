"""`make bench` prints what it says: a row for every program, a verdict for every target. The numbers are no test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = ("bare loop", "pymicro-wakeword", "edged replay", "bare loop, paced", "bare capture", "edged, live")
COLUMNS = 4
TARGETS = 8


@pytest.mark.slow
def test_a_quick_round_fills_the_table() -> None:
    command = [sys.executable, "packaging/bench_road.py", "--quick"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=240).stdout
    for row in ROWS:
        numbers = re.search(rf"^{row} +([\d. ]+)$", printed, re.MULTILINE)
        assert numbers is not None, printed
        assert len(numbers[1].split()) >= COLUMNS
        assert all(float(number) > 0 for number in numbers[1].split()), row
    assert len(re.findall(r"→.* p50 +\d+ ms, p95 +\d+ ms, of [1-9]", printed)) == len(("model", "ours", "whole"))
    verdicts = re.findall(r"^(met|MISSED) .* \d+\.\d, target +\d+\.\d$", printed, re.MULTILINE)
    assert len(verdicts) == TARGETS, printed
