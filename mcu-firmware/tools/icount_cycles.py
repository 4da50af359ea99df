"""What QEMU's counts say: instructions, modelled Cortex-M4 cycles, and hot functions.

The cycles are a model: the table of the Cortex-M4's technical reference manual (Arm 100166, section 3.3.1) over what
ran, with memory that never waits. A load after a load or store is pipelined (1), a division takes 7 of its 2 to 12, a
jump refills the pipeline in 2 of its 1 to 3. Real flash waits, and the truth is above it; two programs compare by it.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

JUMP_CYCLES: Final = 2
LISTED: Final = re.compile(r"\s*([0-9a-f]+):\t(\S+)\s*(.*)")
"""A line of `objdump -d --no-show-raw-insn`: address, mnemonic, operands."""
NAMED: Final = re.compile(r"([0-9a-f]+) [tTwW] (\S+)")
"""A line of `nm`: address and function."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of instructions, and how often it was executed."""

    address: int
    instructions: int
    times: int
    jumps: int
    """How often what ran next stood elsewhere."""


@dataclass(frozen=True, slots=True)
class Code:
    """An image's instructions and functions."""

    cycles: Mapping[int, tuple[int, int]]
    """By address: cycles of the instruction there, and the address of the next."""
    functions: Sequence[tuple[int, str]]
    """In order: where each begins, and its name."""

    def cycles_of(self, block: Block) -> int:
        """Modelled cycles that the block took, all its executions together."""
        once, address = 0, block.address
        for _ in range(block.instructions):
            cycles, address = self.cycles[address]
            once += cycles
        return once * block.times + JUMP_CYCLES * block.jumps

    def function_at(self, address: int) -> str:
        """Whose code that is."""
        return self.functions[bisect.bisect_right(self.functions, (address, "\x7f")) - 1][1]


def read_code(listing: str, names: str) -> Code:
    """Read what `objdump -d --no-show-raw-insn` and `nm -n` print of an image."""
    found = [(int(m[1], 16), m[2], m[3]) for line in listing.splitlines() if (m := LISTED.match(line))]
    cycles: dict[int, tuple[int, int]] = {}
    loading = False
    for (address, mnemonic, operands), (following, *_) in zip(found, [*found[1:], (0, "", "")], strict=True):
        cycles[address] = (cycles_of(mnemonic, operands, after_load=loading), following)
        loading = is_single(mnemonic)
    functions = [(int(m[1], 16), m[2]) for line in names.splitlines() if (m := NAMED.match(line)) and m[2][0] != "$"]
    return Code(cycles, functions)


def is_single(mnemonic: str) -> bool:
    """Whether it loads or stores one register."""
    return mnemonic.startswith(("ldr", "str")) and not mnemonic.startswith(("ldrd", "strd"))


def cycles_of(mnemonic: str, operands: str, *, after_load: bool) -> int:
    """Cycles of one instruction that is not a jump taken."""
    if mnemonic.startswith(("ldm", "stm", "push", "pop")):
        return 1 + registers(operands)
    if mnemonic.startswith(("ldrd", "strd")):
        return 3
    if is_single(mnemonic):
        return 1 if after_load else 2
    return 7 if mnemonic.startswith(("sdiv", "udiv")) else 1


def registers(operands: str) -> int:
    """How many registers the list in braces names; objdump spells each out."""
    inside = operands.partition("{")[2].partition("}")[0]
    return inside.count(",") + 1


def read_runs(text: str) -> list[list[Block]]:
    """Read what the plugin wrote: the blocks of each run."""
    runs: list[list[Block]] = []
    for line in text.splitlines():
        if line == "run":
            runs.append([])
        else:
            address, *counts = line.split()
            runs[-1].append(Block(int(address, 16), *map(int, counts)))
    return runs


def instructions_of(run: Iterable[Block]) -> int:
    """How many instructions a run took."""
    return sum(block.instructions * block.times for block in run)


def hot(runs: Iterable[Iterable[Block]], code: Code) -> Counter[str]:
    """Instructions by function, of all runs together."""
    found: Counter[str] = Counter()
    for run in runs:
        for block in run:
            found[code.function_at(block.address)] += block.instructions * block.times
    return found
