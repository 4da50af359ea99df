"""A plan in words and pictures: what each record does, and who holds which bytes of the arena when.

All of it is told from the plan itself, so that a file that came from elsewhere can be looked at too. Only which
operators of the `.tflite` a record came of is not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.compiler.reach import constants_of, read_by, shapes_of, written_by
from edged.compiler.records import IN_CONSTANTS, Add, Mul, macs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.compiler.blob import Network
    from edged.compiler.records import Record

COLUMNS: Final = 80
"""Of the picture, at most."""
GRAIN: Final = 16
"""A column stands for a multiple of so many bytes: what the arena is planned in."""
FREE, KEPT, READ, WRITTEN = "·░▒█"
LEGEND: Final = f"{WRITTEN} written  {READ} read  {KEPT} kept for later  {FREE} free"


def rows_of(network: Network, *, operators: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Tell each record of a run, for machines; `operators` say what each came of, where that is known."""
    return [
        {
            "record": at,
            "kind": type(record).__name__.lower(),
            "operator": operators[at] if operators else None,
            "input": shapes_of(record)[0],
            "output": shapes_of(record)[1],
            "macs": macs(record),
            "constants_bytes": constants_of(record),
            "from": [place_of(place) for place in sources(record)],
            "to": place_of(record.out),
        }
        for at, record in enumerate(network.run)
    ]


def sources(record: Record) -> tuple[int, ...]:
    """Where it reads."""
    return (record.a, record.b) if isinstance(record, Add | Mul) else (record.src,)


def place_of(place: int) -> str:
    """A place, for people: an offset in the arena, or, with a c, in the constants."""
    return f"c{place & ~IN_CONSTANTS}" if place & IN_CONSTANTS else str(place)


def work_of(network: Network) -> int:
    """Multiply-accumulates of one run."""
    return sum(map(macs, network.run))


def picture(network: Network, *, labels: Sequence[str]) -> list[str]:
    """The arena, a line a record and a column for so many bytes."""
    bytes_each = -(-network.arena_bytes // COLUMNS // GRAIN) * GRAIN or GRAIN
    columns = -(-network.arena_bytes // bytes_each)
    width = max(map(len, labels), default=0)
    kept = lived(network)
    lines = [f"{'':{width}}  a column is {bytes_each:,} bytes of {network.arena_bytes:,}; {LEGEND}"]
    if network.state_bytes:
        state = -(-network.state_bytes // bytes_each)
        lines.append(f"{'':{width}}  {' state '.center(state, '─')[:state]}")
    for label, record, alive in zip(labels, network.run, kept, strict=True):
        cells = np.zeros(columns, dtype=np.int64)
        np.maximum.at(cells, np.flatnonzero(alive) // bytes_each, 1)
        np.maximum.at(cells, read_by(record) // bytes_each, 2)
        np.maximum.at(cells, written_by(record) // bytes_each, 3)
        lines.append(f"{label:{width}}  {''.join((FREE, KEPT, READ, WRITTEN)[cell] for cell in cells)}")
    return lines


def lived(network: Network) -> list[NDArray[np.bool_]]:
    """For each record, which bytes of the arena hold, before it runs, what it or a later one will read.

    From the last record backwards: what a record writes was worth nothing before it, what it reads was.
    """
    alive = np.zeros(network.arena_bytes, dtype=np.bool_)
    alive[network.output.at : network.output.at + network.output.bytes] = True
    for record in network.init:  # the next run begins with these
        alive[written_by(record)] = True
    found = []
    for record in reversed(network.run):
        alive = alive.copy()
        alive[written_by(record)] = False
        alive[read_by(record)] = True
        found.append(alive)
    return found[::-1]
