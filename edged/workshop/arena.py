"""How much memory a model needs while it runs: where each of its tensors lies, and from when until when.

Two tensors that are never alive at once may share their place. Who lives when follows from the order in which the
operators run: a tensor is there from the operator that writes it to the last one that reads it, an input of the model
from the beginning, an output until the end. The places are given as TensorFlow Lite Micro gives them
(tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc, and micro_allocation_info.cc for the lives): the largest
first, each into the lowest gap between those that live at the same time. That is not optimal, which would be a search
without end, but is within a few percent of it on networks like these.

What a model remembers between two calls (the variables of a streaming model) has a place of its own, for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edged.classify.flatbuffer import Damaged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.workshop.graph import Graph

ALIGNMENT_BYTES: Final = 16
"""TensorFlow Lite Micro's `MicroArenaBufferAlignment`: what SIMD loads want."""
MAX_DEPTH: Final = 32
MAX_MOMENTS: Final = 100_000
"""A file of a few kB, in which each graph runs the next one twice, would keep this busy for years."""


@dataclass(frozen=True, slots=True)
class Life:
    """So many bytes from one moment to another, both included."""

    size_bytes: int
    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Whether there is a moment at which both live."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Arena:
    """The memory that a model needs, beside its constants."""

    activations_bytes: int
    """For what is worked out and forgotten within one call, as planned."""
    live_bytes: int
    """The most of it that is alive at once: no plan can do with less."""
    state_bytes: int
    """For what is remembered from call to call."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.activations_bytes + self.state_bytes


def arena(graphs: Sequence[Graph]) -> Arena:
    """Plan the memory of a model, its graphs as `read_graphs` gives them; raises as `lifetimes`."""
    lives = lifetimes(graphs)
    return Arena(activations_bytes=peak(lives, plan(lives)), live_bytes=live(lives), state_bytes=state(graphs))


def lifetimes(graphs: Sequence[Graph]) -> list[Life]:
    """The life of each tensor that is worked out, over the first graph and all that it runs, in the file's order.

    Raises:
        Damaged: Its graphs run one another more deeply, or more often, than those of any model.
    """
    lives: dict[tuple[int, int], Life] = {}
    _live_through([0], 0, graphs, lives)
    return [lives[key] for key in sorted(lives)]


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


def state(graphs: Sequence[Graph]) -> int:
    """Bytes of all variables: those with handles, once each by name, and tensors that are variables themselves."""
    named: dict[str, int] = {}
    bare = 0
    for graph in graphs:
        handles = {op.outputs[0]: op.variable for op in graph.operators if op.name == "VAR_HANDLE" and op.outputs}
        for op in graph.operators:
            ends = {"READ_VARIABLE": op.outputs[:1], "ASSIGN_VARIABLE": op.inputs[1:2]}.get(op.name, ())
            for index in ends:
                if op.inputs[:1] and op.inputs[0] in handles and index >= 0:
                    name = handles[op.inputs[0]]
                    named[name] = max(named.get(name, 0), graph.tensors[index].size_bytes)
        bare += sum(aligned(tensor.size_bytes) for tensor in graph.tensors if tensor.variable)
    return bare + sum(map(aligned, named.values()))


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


def _live_through(calls: list[int], now: int, graphs: Sequence[Graph], lives: dict[tuple[int, int], Life]) -> int:
    """Go through a graph from the moment `now` on, note who lives when, and give the moment at which it ends.

    `calls` are the graphs that run, each called by the one before it; the last is gone through.
    """
    number = calls[-1]
    graph = graphs[number]
    if len(calls) > MAX_DEPTH or now > MAX_MOMENTS:
        raise Damaged("damaged: its graphs run one another without end")

    def mark(index: int) -> None:
        if index < 0 or graph.tensors[index].constant or graph.tensors[index].variable:
            return
        first = lives[number, index].first if (number, index) in lives else now
        lives[number, index] = Life(aligned(graph.tensors[index].size_bytes), first, now)

    for index in graph.inputs:
        mark(index)
    for operator in graph.operators:
        now += 1
        for index in operator.outputs:
            mark(index)
        for called in operator.calls:
            now = _live_through([*calls, called], now + 1, graphs, lives)
        for index in (*operator.inputs, *operator.outputs):
            mark(index)
    for index in graph.outputs:
        mark(index)
    return now
