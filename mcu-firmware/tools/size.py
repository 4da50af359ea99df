"""What a firmware takes of flash and RAM, part by part, and whether that is within its board's budget.

    size.py --board stm32f405 build/stm32f405/edged-firmware

Read from the linker's map, IMAGE.map. The budgets are boards.toml's: what of the flash is the firmware's own (here with
the settings, whose areas the linker does not see), and of the RAM. A board that is not in boards.toml has none. Exits
with 1 when over a budget, with 2 when there is nothing to read.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BOARDS = Path(__file__).parents[1] / "boards.toml"
SETTINGS_BYTES = {"stm32f405": 2 * 16384}
"""Of the flash; tests compare them with the board's driver."""
PARTS = ("nn", "frontend", "proto", "app", "board", "zcbor", "libc", "gaps")
IN_FLASH = ("text", "rodata", "data")
IN_RAM = ("data", "bss", "noinit", "stack")
KINDS = ("text", "rodata", "data", "bss", "noinit", "stack")
BEGINS = "Linker script and memory map"
OUTPUT = re.compile(r"^(\.[\w.]+)")
INPUT = re.compile(r"^ (\.\S+|COMMON|\*fill\*)(?:\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+(\S.*))?)?\s*$")
REST = re.compile(r"^ {2,}0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
REGION = re.compile(r"^(\w+) +0x([0-9a-f]+) +0x([0-9a-f]+) +[rwx]+$")

Sizes = Counter[tuple[str, str]]
"""Bytes by part and kind."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Something that has an end."""

    name: str
    used: int
    bytes: int

    def __str__(self) -> str:
        """One line about it."""
        over = f", {self.used - self.bytes:,} too many" if self.used > self.bytes else ""
        return f"{self.name}: {self.used:,} of {self.bytes:,} bytes{over}"


def part_of(output: str, section: str, file: str) -> str:
    """Whose a piece is: of build/BOARD/nn/nn_run.o, of a member of an archive, or of nobody."""
    if output == ".stack":
        return "board"
    if section == "*fill*":
        return "gaps"
    if section == ".bss.app":  # in the board's main, which lends it
        return "app"
    found = re.search(r"build/[^/]+/(\w+)/", file)
    if found is None:
        return "libc"
    return "board" if found[1] == "boards" else found[1]


def kind_of(output: str, section: str) -> str | None:
    """What a piece of that output section counts as; None: it is not in memory, or is QEMU's flash."""
    if output in (".bss", ".noinit", ".stack"):
        return output[1:]
    if output.startswith((".data", ".init_array", ".fini_array", ".tm_clone")):
        return "data"
    if output.startswith((".vectors", ".text", ".rodata", ".ARM.exidx")):
        return "text" if section.startswith(".text") else "rodata"
    return None


def pieces(linked: list[str]) -> Iterator[tuple[str, str, int, int, str]]:
    """The map's input sections: output section, name, address, bytes, file.

    A long name stands on a line of its own, and its figures on the next.
    """
    output = section = ""
    for line in linked[linked.index(BEGINS) :]:
        if (match := OUTPUT.match(line)) is not None:
            output, section = match[1], ""
            continue
        if (match := INPUT.match(line)) is not None:
            section, figures = match[1], match.groups()[1:]
        elif section and (match := REST.match(line)) is not None:
            figures = match.groups()
        else:
            continue
        if figures[0] is not None:
            yield output, section, int(figures[0], 16), int(figures[1], 16), figures[2] or ""
            section = ""


def sizes(linked: list[str]) -> Sizes:
    """Bytes by part and kind.

    Of strings that were merged with others' the map tells the size all the same: the address of what comes next says
    how much of it is there.
    """
    found: Sizes = Counter()
    last, end = ("", "", ""), 0
    for output, section, at, size, file in pieces(linked):
        if (kind := kind_of(output, section)) is None or size == 0:
            continue
        if output == last[0] and at < end:
            found[last[1:]] -= end - at
        last, end = (output, part_of(output, section, file), kind), at + size
        found[last[1:]] += size
    return found


def regions(linked: list[str]) -> list[Budget]:
    """How full the linker's pieces of flash are, which is up to the end of the last section in each."""
    budgets = []
    for line in linked[: linked.index(BEGINS)]:
        if (match := REGION.match(line)) is None or "w" in line.split()[-1]:
            continue
        begin, size = int(match[2], 16), int(match[3], 16)
        ends = [
            int(end[1], 16) + int(end[2], 16)
            for line in linked
            if (end := re.match(r"^\.(?:vectors|text\w*|ARM\.\w+) +0x([0-9a-f]+) +0x([0-9a-f]+)", line)) is not None
            and begin <= int(end[1], 16) < begin + size
        ]
        budgets.append(Budget(f"flash {match[1]}", max(ends, default=begin) - begin, size))
    return budgets


def budgets_of(board: str, found: Sizes) -> list[Budget]:
    """What boards.toml grants a board; the RAM is its first piece."""
    known = tomllib.loads(BOARDS.read_text(encoding="utf-8"))["boards"].get(board)
    if known is None:
        return []
    flash = sum(found[part, kind] for part in PARTS for kind in IN_FLASH) + SETTINGS_BYTES.get(board, 0)
    ram = sum(found[part, kind] for part in PARTS for kind in IN_RAM)
    return [
        Budget("flash, with the settings", flash, known["firmware_bytes"]),
        Budget(f"{known['ram'][0]['name']}, but for the arena", ram, known["ram"][0]["firmware_bytes"]),
    ]


def table(found: Sizes) -> list[str]:
    """One line a part, and their sum."""
    rows = [(part, [found[part, kind] for kind in KINDS]) for part in PARTS]
    rows.append(("together", [sum(row[at] for _, row in rows) for at in range(len(KINDS))]))
    lines = ["".join([f"{'':10}", *(f"{kind:>9}" for kind in KINDS), f"{'flash':>9}", f"{'RAM':>9}"])]
    for part, row in rows:
        of = dict(zip(KINDS, row, strict=True))
        flash, ram = sum(of[kind] for kind in IN_FLASH), sum(of[kind] for kind in IN_RAM)
        lines.append("".join([f"{part:10}", *(f"{size or '-':>9}" for size in (*row, flash, ram))]))
    return lines


def main() -> int:
    """See the top."""
    parser = argparse.ArgumentParser(description="what a firmware takes, part by part")
    parser.add_argument("--board", required=True)
    parser.add_argument("image", type=Path)
    told = parser.parse_args()
    file = told.image.with_name(told.image.name + ".map")
    try:
        linked = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        sys.stderr.write(f"size.py: {file}: {error.strerror}. Build the image first: make BOARD={told.board}\n")
        return 2
    found = sizes(linked)
    budgets = [*regions(linked), *budgets_of(told.board, found)]
    sys.stdout.write("\n".join([*table(found), "", *map(str, budgets), ""]))
    return int(any(budget.used > budget.bytes for budget in budgets))


if __name__ == "__main__":
    sys.exit(main())
