"""What ends a run of the STM32F405 and how the next one begins, in QEMU: faults of all kinds, and a reset."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from boards import SECONDS
from firmware import FIRMWARE
from qemu import QemuBoard, qemu_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
POWER, SOFTWARE, FAULT = 1, 3, 5
"""As in hal.h."""
HARD_FAULT = 3


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board with boards/stm32f405/tests/faults.c instead of the application."""
    made = tmp_path_factory.mktemp("faults") / "image"
    board, objects = FIRMWARE / "boards/stm32f405", qemu_image().parent / "boards/stm32f405"
    parts = [each for each in objects.rglob("*.o") if each.name != "main.o"]
    subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "-std=c11", "-O2", "-Wall", "-Werror",
         "-Wno-infinite-recursion", "-nostartfiles", "-nodefaultlibs", "-T", board / "stm32f405.ld",
         "-L", board / "qemu", board / "tests/faults.c", *parts, "-lc", "-lgcc", "-o", made],
        check=True,
    )  # fmt: skip
    return made


def said(line: int, letter: bytes) -> str:
    """Ask for a fault until it begins anew: the line in which it says why. While it starts it hears nothing."""
    heard, deadline = b"", time.monotonic() + SECONDS
    while not heard.endswith(b"\n"):
        assert time.monotonic() < deadline, heard
        if not heard:
            os.write(line, letter)
        if select.select([line], [], [], 2.0)[0]:
            heard += os.read(line, 256)
    return heard.decode()


def test_every_fault_ends_in_a_reset_that_knows_it(faulty: Path) -> None:
    with QemuBoard(firmware=faulty) as board, board.raw() as link:
        if (first := said(link.fd, b"r")) == f"reset {POWER} exception 0 nowhere\n":  # its very beginning, if seen
            first = said(link.fd, b"r")
        assert first == f"reset {SOFTWARE} exception 0 nowhere\n"
        for letter, where in ((b"u", "in flash"), (b"l", "in flash"), (b"j", "nowhere"), (b"s", "nowhere")):
            assert said(link.fd, letter) == f"reset {FAULT} exception {HARD_FAULT} {where}\n", letter
        assert said(link.fd, b"r").startswith(f"reset {SOFTWARE} ")
