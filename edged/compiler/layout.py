"""The arena of a flow: state first, then what is worked out and forgotten, each thing where it is in nobody's way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.compiler.flow import Move, View
from edged.compiler.memory import Life, aligned, live, peak, plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edged.compiler.flow import Flow, Root, Step


@dataclass(frozen=True, slots=True)
class Block:
    """One root's place."""

    root: Root
    at: int
    life: Life
    """From and to which record, both included; of a variable, always."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Who lies where."""

    blocks: tuple[Block, ...]
    """The variables first, then by root."""
    state_bytes: int
    activations_bytes: int
    live_bytes: int
    """The most of the activations that is alive at once: no plan can do with less."""

    @property
    def arena_bytes(self) -> int:
        """All of it."""
        return self.state_bytes + self.activations_bytes

    @property
    def roots(self) -> Mapping[Root, int]:
        """Offsets in the arena."""
        return {block.root: block.at for block in self.blocks}


def lay_out(flow: Flow) -> Layout:
    """Plan the arena of a flow."""
    moments = len(flow.steps)
    blocks, at = [], 0
    for name, size in flow.state.items():
        blocks.append(Block(name, at, Life(aligned(size), 0, moments)))
        at += aligned(size)
    lives = {root: life for root, life in _lives(flow).items() if isinstance(root, int)}
    offsets = plan(list(lives.values()))
    blocks += [Block(root, at + offset, life) for (root, life), offset in zip(lives.items(), offsets, strict=True)]
    told = list(lives.values())
    return Layout(tuple(blocks), state_bytes=at, activations_bytes=peak(told, offsets), live_bytes=live(told))


def _lives(flow: Flow) -> dict[Root, Life]:
    moments: dict[Root, list[int]] = {}
    for index in flow.graph.inputs:
        moments.setdefault(flow.views[index].root, []).append(0)
    for now, step in enumerate(flow.steps):
        for view in _touched(flow, step):
            moments.setdefault(view.root, []).append(now)
    for index in flow.graph.outputs:
        moments.setdefault(flow.views[index].root, []).append(len(flow.steps))
    return {
        root: Life(aligned(flow.graph.tensors[root].elements if isinstance(root, int) else 0), min(at), max(at))
        for root, at in sorted(moments.items(), key=lambda each: (isinstance(each[0], int), each[0]))
        if not isinstance(root, int) or flow.graph.tensors[root].data is None
    }


def _touched(flow: Flow, step: Step) -> Iterator[View]:
    if isinstance(step, Move):
        yield from (step.src, step.out)
    else:
        for index in (*step.operator.inputs, *step.operator.outputs):
            if index in flow.views:
                yield flow.views[index]
