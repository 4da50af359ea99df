"""What the firmware's tests build with: its own Makefile, one build at a time."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import subprocess
from pathlib import Path

FIRMWARE = Path(__file__).parent.parent / "mcu-firmware"


def make(*targets: str, seconds: float = 600, **variables: str) -> str:
    """Type `make -C mcu-firmware …`; what it printed. It must succeed."""
    (FIRMWARE / "build").mkdir(exist_ok=True)
    with (FIRMWARE / "build" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = [f"{name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            ["make", "--no-print-directory", "-C", FIRMWARE, *told, *targets],
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return done.stdout


def library() -> ctypes.CDLL:
    """The firmware's parts as a library of this machine: engine, front end, protocol, application, without a board.

    Each call gives an object of its own: whoever says what a function takes says it to nobody else.
    """
    return ctypes.CDLL(str(_library()))


@functools.cache
def _library() -> Path:
    make("lib")
    return FIRMWARE / "build" / "host" / "libedged.so"


@functools.cache
def image(board: str) -> Path:
    """A board's firmware, built."""
    make(BOARD=board)
    return FIRMWARE / "build" / board / "edged-firmware"
