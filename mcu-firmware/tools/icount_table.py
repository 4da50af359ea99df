"""Prints what was counted: for people as a table, for machines as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from icount_board import TICK_INSTRUCTIONS
from icount_peers import FRONT_END

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from icount_board import Counted
    from icount_model import Row

CLOCK_HZ: Final = 168_000_000
"""Of an STM32F405."""


def table(rows: Sequence[Row], front_end: Counted) -> str:
    """For people."""
    heads = [
        "model", "first", "mean", "cycles*", "MACs", "insn/MAC", "arena", "stack", "flash", "plan",
        "TFLM ref", "ours", "CMSIS-NN", "ours", "arena", "flash", "",
    ]  # fmt: skip
    lines = [heads, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    text = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*text, "", *loads(rows, front_end), "", *verdict(rows)])


def cells(row: Row) -> list[str]:
    """A model's line."""
    ours = [row.model, *(f"{n:,}" for n in (row.first, row.mean, row.cycles, row.macs))]
    ours += [f"{row.mean / row.macs:.2f}", *(f"{n:,}" for n in (row.arena, row.stack, row.flash, row.plan))]
    if (peer := row.peer) is None:
        return [*ours, *["-"] * 6, "" if row.golden else "WRONG"]
    theirs = [
        f"{peer.reference:,}",
        f"{row.mean / peer.reference:.2f}",
        f"{peer.cmsis:,}",
        f"{row.mean / peer.cmsis:.2f}",
    ]
    told = "WRONG" if not row.golden else "missed" if row.missed() else "met"
    return [*ours, *theirs, f"{peer.arena:,}", f"{peer.flash:,}", told]


def loads(rows: Iterable[Row], front_end: Counted) -> list[str]:
    """What hearing costs."""
    low, high = FRONT_END
    takes = f"{front_end.said['ram']:,} B RAM, {front_end.said['stack']} B stack, {front_end.flash:,} B flash"
    lines = [
        f"front end: {front_end.mean:,} instructions for 10 ms, {front_end.mean_cycles:,} cycles*; {takes}",
        f"  the C of pymicro-features: {low:,} to {high:,} instructions",
        f"hearing, front end and network, for a second of sound, and as a share of {CLOCK_HZ // 1_000_000} MHz:",
    ]
    for row in rows:
        if (load := row.load(front_end)) is not None:
            instructions, cycles = load
            lines.append(
                f"  {row.model}: {instructions:,.0f} instructions, {100 * instructions / CLOCK_HZ:.1f} %; "
                f"{cycles:,.0f} cycles*, {100 * cycles / CLOCK_HZ:.1f} %"
            )
    return [*lines, "* modelled by the Cortex-M4's instruction table, with memory that never waits (icount_cycles.py)"]


def verdict(rows: Iterable[Row]) -> list[str]:
    """Which promises are kept."""
    judged = [row for row in rows if row.peer]
    lines = [f"{row.model}: missed: {', '.join(row.missed())}" for row in judged if row.missed()]
    lines += [f"{row.model}: its golden windows do not come out" for row in rows if not row.golden]
    kept = sum(not row.missed() for row in judged)
    return [
        *lines,
        f"{kept} of {len(judged)} keep all: half of TFLM's reference instructions, arena and flash below CMSIS-NN's",
    ]


def hottest(name: str, counted: Counted, *, functions: int) -> str:
    """Where the instructions go."""
    total, runs = sum(counted.hot.values()), len(counted.instructions)
    lines = [f"{n / runs:14,.0f} {100 * n / total:5.1f} %  {what}" for what, n in counted.hot.most_common(functions)]
    return "\n".join([name, *lines])


def as_json(rows: Iterable[Row], front_end: Counted) -> str:
    """For machines."""
    said: dict[str, Any] = {
        "front_end": {
            "instructions": front_end.mean, "cycles": front_end.mean_cycles, "ram": front_end.said["ram"],
            "stack": front_end.said["stack"], "flash": front_end.flash, "ticks": front_end.ticks[0] * TICK_INSTRUCTIONS,
            "first": front_end.first,
        },
        "models": [
            asdict(row)
            | {"missed": row.missed(), "peer": asdict(row.peer) if row.peer else None, "load": row.load(front_end)}
            for row in rows
        ],
    }  # fmt: skip
    return json.dumps(said, indent=2)
