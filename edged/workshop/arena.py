"""How much memory a model needs while it runs, as an interpreter would run it.

Who lives when follows from the order in which the operators run: a tensor is there from the operator that writes it
to the last one that reads it, an input of the model from the beginning, an output until the end
(tensorflow/lite/micro/micro_allocation_info.cc). `edged.compiler.memory` gives them their places.

What a model remembers between two calls (the variables of a streaming model) has a place of its own, for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edged.classify.flatbuffer import Damaged
from edged.compiler.memory import Life, aligned, live, peak, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.workshop.graph import Graph

MAX_DEPTH: Final = 32
MAX_MOMENTS: Final = 100_000
"""A file of a few kB, in which each graph runs the next one twice, would keep this busy for years."""


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
