"""The firmware for every machine and by every compiler, warnings being errors; and what is in the STM32F405's image."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from firmware import FIRMWARE, image, make

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HEAP_OR_PRINT = re.compile(r"^_?(malloc|free|calloc|realloc|sbrk|v?s?n?i?printf|puts|write|exit|abort)(_r)?$")
DOUBLES = re.compile(r"^__aeabi_(d|f2d|i2d|ui2d|l2d|ul2d|cd)|^__(add|sub|mul|div)df3$")
FLOATS = re.compile(r"^__aeabi_(f|i2f|ui2f|l2f|ul2f|cf)|^__(add|sub|mul|div)sf3$")


def binutil(name: str, *words: str | Path) -> str:
    done = subprocess.run([f"arm-none-eabi-{name}", *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def firmware() -> Path:
    return image("stm32f405")


def symbols(firmware: Path) -> set[str]:
    return {line.split()[-1] for line in binutil("nm", firmware).splitlines()}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("way", ["M32=", "M32=1", "SANITIZE=1"], ids=["64", "32", "sanitized"])
def test_the_host_board_is_built(compiler: str, way: str) -> None:
    assert "warning" not in make("-j2", "all", "lib", way, CC=compiler)


@pytest.mark.parametrize("variant", ["", "-qemu"])
def test_the_stm32f405_is_built(variant: str) -> None:
    assert "warning" not in make("-j2", "all", BOARD="stm32f405", VARIANT=variant)


def test_it_is_within_its_budget() -> None:
    said = make("size", BOARD="stm32f405")
    print(said)  # noqa: T201 - the figures are what one wants to see
    assert "flash, with the settings" in said
    assert "too many" not in said


def test_the_sizes_are_those_of_the_image(firmware: Path) -> None:
    """What size.py reads in the map adds up to what binutils' size finds in the sections."""
    told = make("size", BOARD="stm32f405").splitlines()
    found = re.findall(r"^(\.\S+) +(\d+)", binutil("size", "-A", firmware), re.MULTILINE)
    there = {name: int(size) for name, size in found}
    together = next(line for line in told if line.startswith("together")).split()
    text, rodata, data, bss, noinit, stack = (0 if word == "-" else int(word) for word in together[1:7])
    assert text + rodata == sum(there.get(name, 0) for name in (".vectors", ".text_0", ".text", ".ARM.exidx"))
    assert (data, bss, noinit, stack) == tuple(there[name] for name in (".data", ".bss", ".noinit", ".stack"))


def test_nothing_allocates_prints_or_reckons_in_floats(firmware: Path) -> None:
    found = symbols(firmware)
    assert "app_run" in found
    assert [name for name in found if HEAP_OR_PRINT.match(name)] == []
    assert [name for name in found if DOUBLES.match(name)] == []
    assert [name for name in found if FLOATS.match(name)] == []


def test_nothing_of_the_image_lies_among_settings_or_models(firmware: Path) -> None:
    """Else flashing a new firmware would erase them: the sectors 1, 2 and 5 to 11 are theirs."""
    found = re.findall(r"LOAD\s+\S+\s+\S+\s+(0x08\w+)\s+(0x\w+)", binutil("readelf", "-lW", firmware))
    spans = [(int(at, 16), int(at, 16) + int(size, 16)) for at, size in found if int(size, 16)]
    assert spans
    for begin, end in spans:
        assert 0x0800_0000 <= begin < end <= 0x0800_4000 or 0x0800_C000 <= begin < end <= 0x0802_0000


def test_flashing_says_what_is_missing(firmware: Path, tmp_path: Path) -> None:
    for tool in ("sh", "make", "mkdir", "echo"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        [FIRMWARE / "boards/stm32f405/flash.sh", firmware],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "apt-get install openocd" in done.stderr


def test_a_board_that_cannot_be_flashed_says_so() -> None:
    done = subprocess.run(["make", "-C", FIRMWARE, "flash"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "BOARD=host has nothing to flash" in done.stderr
