"""The engine as a program of its own, `mcu-firmware/tests/nn_runner.c`, built by any compiler with any flags."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from firmware import FIRMWARE

if TYPE_CHECKING:
    from pathlib import Path

SANITIZED: Final = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def built(folder: Path, compiler: str, *flags: str) -> Path:
    """Build it into a folder."""
    program = folder / "nn_runner"
    sources = [FIRMWARE / "tests" / "nn_runner.c", *sorted((FIRMWARE / "nn").glob("*.c"))]
    done = subprocess.run(
        [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, *sources, "-o", program],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


def told(program: Path, *words: str | Path, seconds: float = 250) -> str:
    """What it printed; it must end well, which under a sanitizer says that it touched nothing it should not."""
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    return done.stdout
