"""What the machine says of itself, on trees such as Linux and a Raspberry Pi's firmware show."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edged import vitals

if TYPE_CHECKING:
    from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty machine: no sensor, no firmware, no process."""
    for name in ("THERMAL", "THROTTLED", "PROC"):
        monkeypatch.setattr(vitals, name, tmp_path / name)
    (tmp_path / "PROC").mkdir()
    return tmp_path


def test_a_machine_that_says_nothing(machine: Path) -> None:
    assert list(machine.iterdir()) == [machine / "PROC"]
    assert vitals.temperature_c() is None
    assert vitals.throttled() is None
    assert vitals.rss_bytes() == 0


@pytest.mark.parametrize("text", ["", "\n", "unknown", "0xzz"])
def test_nonsense_is_nothing(machine: Path, text: str) -> None:
    """A driver may answer with an empty file while it wakes up."""
    (machine / "THERMAL").write_text(text)
    (machine / "THROTTLED").write_text(text)
    assert vitals.temperature_c() is None
    assert vitals.throttled() is None


@pytest.mark.parametrize(("text", "degrees"), [("48312\n", 48.3), ("-1500", -1.5), ("0", 0.0)])
def test_temperature(machine: Path, text: str, degrees: float) -> None:
    (machine / "THERMAL").write_text(text)
    assert vitals.temperature_c() == degrees


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0\n", ()),
        ("0x1", ("under-voltage",)),
        ("50005\n", ("under-voltage", "throttled", "under-voltage since boot", "throttled since boot")),
        ("80000", ("soft temperature limit since boot",)),
    ],
)
def test_what_the_firmware_complains_of(machine: Path, text: str, words: tuple[str, ...]) -> None:
    (machine / "THROTTLED").write_text(text)
    assert vitals.throttled() == words


def process(machine: Path, pid: int, *, parent: int, pages: int, name: str = "edged") -> None:
    """Write one as proc(5) has it: the 4th field is the parent, the 24th the resident pages."""
    folder = machine / "PROC" / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} {'0 ' * 19}{pages} 0 0\n")


def test_memory_counts_all_that_descend_from_us(machine: Path) -> None:
    us = os.getpid()
    process(machine, us, parent=1, pages=1000)
    process(machine, us + 1, parent=us, pages=200, name="a worker) of (ours")
    process(machine, us + 2, parent=us + 1, pages=30)
    process(machine, us + 3, parent=1, pages=7_000_000)
    (machine / "PROC" / "self").mkdir()
    (machine / "PROC" / str(us + 4)).mkdir()  # it has just gone
    assert vitals.rss_bytes() == 1230 * PAGE_BYTES


def test_memory_here() -> None:
    alone = vitals.rss_bytes()
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert vitals.rss_bytes() > alone + 4_000_000
    finally:
        child.communicate(b"\n")
    assert vitals.load() >= 0
