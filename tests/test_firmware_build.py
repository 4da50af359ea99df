"""The firmware's build: its Makefile and what tells sizes, as far as gcc alone can show."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING

from firmware import FIRMWARE, make

if TYPE_CHECKING:
    from pathlib import Path

BOARD = FIRMWARE / "boards" / "stm32f405"
MAP = """\
Archive member included to satisfy reference by file (symbol)

Discarded input sections

 .text.nobody   0x00000000     0x1000 build/stm32f405/nn/nn_run.o

Memory Configuration

Name             Origin             Length             Attributes
SECTOR_0         0x08000000         0x00004000         xr
SRAM             0x20000000         0x00020000         rw
*default*        0x00000000         0xffffffff

Linker script and memory map

LOAD build/stm32f405/nn/nn_run.o
.vectors        0x08000000      0x188
 .vectors       0x08000000      0x188 build/stm32f405/boards/stm32f405/start.o
.text           0x08000188      0x300
 .text.nn_run   0x08000188      0x100 build/stm32f405/nn/nn_run.o
                0x08000188                nn_run
 .text.a_name_that_is_far_too_long_for_its_column
                0x08000288       0x80 build/stm32f405/app/app.o
 .rodata.str1.4
                0x08000308       0x20 build/stm32f405/proto/smp.o
                                 0x41 (size before relaxing)
 *fill*         0x08000328        0x8
 .text          0x08000330       0x10 /usr/lib/arm-none-eabi/lib/libc.a(memcpy.o)
.stack          0x20000000     0x1800
 *fill*         0x20000000     0x1800
.noinit         0x20001800      0xc00
 .noinit        0x20001800      0xc00 build/stm32f405/boards/stm32f405/board.o
.bss            0x20002400     {bss:#x}
 .bss.app       0x20002400     {bss:#x} build/stm32f405/boards/stm32f405/main.o
.debug_info     0x00000000     0x9999
 .debug_info    0x00000000     0x9999 build/stm32f405/nn/nn_run.o
"""


def told(tmp_path: Path, *, bss: int) -> subprocess.CompletedProcess[str]:
    """What size.py says of a map."""
    (tmp_path / "image.map").write_text(MAP.format(bss=bss))
    return subprocess.run(
        [sys.executable, FIRMWARE / "tools/size.py", "--board", "stm32f405", tmp_path / "image"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def row(said: str, part: str) -> list[str]:
    (line,) = (line for line in said.splitlines() if line.startswith(part))
    return line.split()[1:]


def test_sizes_are_told_part_by_part(tmp_path: Path) -> None:
    done = told(tmp_path, bss=0x4000)
    assert done.returncode == 0, done.stdout + done.stderr
    #                                         text    rodata data bss      noinit  stack   flash   RAM
    assert row(done.stdout, "nn") == ["256", "-", "-", "-", "-", "-", "256", "-"]
    assert row(done.stdout, "app") == ["128", "-", "-", "16384", "-", "-", "128", "16384"]
    assert row(done.stdout, "proto") == ["-", "32", "-", "-", "-", "-", "32", "-"]
    assert row(done.stdout, "libc") == ["16", "-", "-", "-", "-", "-", "16", "-"]
    assert row(done.stdout, "board") == ["-", "392", "-", "-", "3072", "6144", "392", "9216"]
    assert row(done.stdout, "gaps") == ["-", "8", "-", "-", "-", "-", "8", "-"]
    assert row(done.stdout, "together") == ["400", "432", "-", "16384", "3072", "6144", "832", "25600"]
    assert "flash SECTOR_0: 1,160 of 16,384 bytes" in done.stdout
    assert f"flash, with the settings: {832 + 32768:,} of 262,144 bytes" in done.stdout


def test_a_byte_over_the_budget_fails(tmp_path: Path) -> None:
    room = 49152 - 6144 - 3072
    assert told(tmp_path, bss=room).returncode == 0
    done = told(tmp_path, bss=room + 1)
    assert done.returncode == 1
    assert "SRAM, but for the arena: 49,153 of 49,152 bytes, 1 too many" in done.stdout


def test_without_an_image_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, FIRMWARE / "tools/size.py", "--board", "stm32f405", tmp_path / "image"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "make BOARD=stm32f405" in done.stderr


def test_a_header_that_changes_is_built_anew() -> None:
    make("all", "lib")
    before = make("-n", "all")
    after = make("-n", "-W", "nn/nn_kernels.h", "all")
    assert "nn_conv.o" not in before
    assert "-c nn/nn_conv.c -o build/host/nn/nn_conv.o" in after
    assert "-c nn/plan.c" not in after
    assert "-o build/host/edged-firmware" in after


def test_help_names_every_target() -> None:
    targets = re.findall(r"^([a-z-]+):", (FIRMWARE / "Makefile").read_text(), re.MULTILINE)
    said = make("help")
    assert {"all", "lib", "test", "fuzz", "size", "flash", "clean"} <= set(targets)
    for target in set(targets) - {"run-tests"}:
        assert f"make {target} " in said


def test_flash_is_parted_as_the_file_of_boards_says() -> None:
    """Settings, slots and the linker's regions lie in whole sectors, apart from one another, and fill what they say."""
    board = tomllib.loads((FIRMWARE / "boards.toml").read_text())["boards"]["stm32f405"]
    ends = [0x0800_0000]
    for size in (*(16,) * 4, 64, *(128,) * 7):
        ends.append(ends[-1] + size * 1024)
    driver = (BOARD / "chip/flash.c").read_text()
    areas = re.findall(r"\[HAL_AREA_(\w+)\] = \{(0x\w+), (0x\w+), (\d+), (0x\w+)\}", driver)
    spans = []
    for name, begin, size, first, sector in areas:
        assert ends[int(first)] == int(begin, 16), "it begins where its first sector does"
        assert ends[int(first) + 1] - ends[int(first)] == int(sector, 16)
        if name.startswith("SLOT"):
            assert int(size, 16) == board["slot_bytes"]
        spans.append((int(begin, 16), int(begin, 16) + int(size, 16)))
    script = (BOARD / "chip/memory.ld").read_text()
    for begin, size in re.findall(r"\(rx\) : ORIGIN = (0x\w+), LENGTH = (\d+)K", script):
        spans.append((int(begin, 16), int(begin, 16) + int(size) * 1024))
    assert len(spans) == 6
    assert all(edge in ends for span in spans for edge in span)
    spans.sort()
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert spans[-1][1] <= 0x0800_0000 + board["flash_bytes"]
