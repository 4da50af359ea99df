"""Where in the arena each thing lies, given from when until when it is wanted.

Two things that are never alive at once may share their place. They are placed as TensorFlow Lite Micro places them
(tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc): the largest first, each into the lowest gap between
those that live at the same time. That is not optimal, which would be a search without end, but is within a few
percent of it on networks like these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIGNMENT_BYTES: Final = 16
"""TensorFlow Lite Micro's `MicroArenaBufferAlignment`, and the engine's `NN_ALIGNMENT`: what SIMD loads want."""


@dataclass(frozen=True, slots=True)
class Life:
    """So many bytes from one moment to another, both included."""

    size_bytes: int
    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Whether there is a moment at which both live."""
        return self.first <= other.last and other.first <= self.last


def plan(lives: Sequence[Life]) -> list[int]:
    """Give each its offset in bytes: none overlaps another that lives at the same time."""
    offsets = [0] * len(lives)
    placed: list[int] = []  # by offset
    # Of equals, the last one first: TensorFlow Lite Micro fills the list that it then sorts from its end.
    for index in sorted(range(len(lives)), key=lambda index: (lives[index].size_bytes, index), reverse=True):
        offsets[index] = _lowest_gap(lives[index], [(offsets[i], lives[i]) for i in placed])
        placed.append(index)
        placed.sort(key=offsets.__getitem__)
    return offsets


def peak(lives: Sequence[Life], offsets: Sequence[int]) -> int:
    """Bytes that a plan needs."""
    return max((offset + life.size_bytes for life, offset in zip(lives, offsets, strict=True)), default=0)


def live(lives: Sequence[Life]) -> int:
    """The largest sum of those that live at one moment."""
    changes: dict[int, int] = {}
    for life in lives:
        changes[life.first] = changes.get(life.first, 0) + life.size_bytes
        changes[life.last + 1] = changes.get(life.last + 1, 0) - life.size_bytes
    most = now = 0
    for moment in sorted(changes):
        now += changes[moment]
        most = max(most, now)
    return most


def aligned(size_bytes: int) -> int:
    """A size as it counts in the arena."""
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _lowest_gap(life: Life, placed: Sequence[tuple[int, Life]]) -> int:
    """The lowest offset at which it fits between those placed that live at the same time; they come by offset."""
    candidate = 0
    for offset, other in placed:
        if life.meets(other):
            if offset - candidate >= life.size_bytes:
                break
            candidate = max(candidate, offset + other.size_bytes)
    return candidate
