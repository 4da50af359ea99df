"""Who lies where: streams that keep past and new together, and variables for which that would be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from plan_machine import PlanMachine
from sketch import Sketch

from edged.compiler.compiled import Compiled, Source, compile_model
from edged.compiler.golden import Reference
from edged.compiler.records import Copy
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SCALE, ZERO = 0.05, -3


class Streaming(Sketch):
    """A model with variables of eight bytes, each of which begins with bytes of its own."""

    def __init__(self, *names: str, shape: tuple[int, ...] = (1, 2, 1, 4)) -> None:
        super().__init__()
        self.shape, self.names = shape, names
        self.operator("CALL_ONCE", (), (), "CallOnce", initSubgraphIndex=1)
        self.handles = {name: self.handle(name) for name in names}

    def handle(self, name: str) -> int:
        handle = self.tensor((), dtype="resource")
        self.operator("VAR_HANDLE", (), (handle,), "VarHandle", sharedName=name, container="")
        return handle

    def values(self, *shape: int, data: NDArray[np.int8] | None = None) -> int:
        return self.tensor(shape or self.shape, scale=SCALE, zero=ZERO, data=data)

    def read(self, name: str) -> int:
        made = self.values()
        self.operator("READ_VARIABLE", (self.handles[name],), (made,), "ReadVariable")
        return made

    def assign(self, name: str, value: int) -> None:
        self.operator("ASSIGN_VARIABLE", (self.handles[name], value), (), "AssignVariable")

    def add(self, a: int, b: int, *shape: int) -> int:
        made = self.values(*shape)
        self.operator("ADD", (a, b), (made,), "Add")
        return made

    def joined(self, *parts: int, rows: int) -> int:
        made = self.values(1, rows, 1, 4)
        self.operator("CONCATENATION", parts, (made,), "Concatenation", axis=1)
        return made

    def last(self, value: int, *, begin: int, end: int) -> int:
        made = self.values()
        told = [self.numbers(*each) for each in ((0, begin, 0, 0), (1, end, 1, 4), (1, 1, 1, 1))]
        self.operator("STRIDED_SLICE", (value, *told), (made,), "StridedSlice")
        return made

    def done(self, source: int, out: int) -> bytes:
        self.graph()
        for at, name in enumerate(self.names):
            first = np.arange(8, dtype=np.int8).reshape(self.shape) + 10 * at
            self.operator("ASSIGN_VARIABLE", (self.handle(name), self.values(data=first)), (), "AssignVariable")
        return self.model(inputs=(source,), outputs=(out,))


def queue() -> bytes:
    told = Streaming("past")
    past, new = told.read("past"), told.values(1, 1, 1, 4)
    fresh = told.add(new, new, 1, 1, 1, 4)
    everything = told.joined(past, fresh, rows=3)
    told.assign("past", told.last(everything, begin=1, end=3))
    return told.done(new, told.add(everything, everything, 1, 3, 1, 4))


def swap() -> bytes:
    told = Streaming("one", "other")
    one, other, source = told.read("one"), told.read("other"), told.values()
    told.assign("one", other)
    told.assign("other", one)
    return told.done(source, told.add(source, told.add(one, told.add(other, other))))


def read_after_assign() -> bytes:
    told = Streaming("past")
    before, source = told.read("past"), told.values()
    told.assign("past", told.add(before, source))
    return told.done(source, told.add(before, told.read("past")))


def assigned_twice() -> bytes:
    told = Streaming("past")
    before, source = told.read("past"), told.values()
    told.assign("past", source)
    told.assign("past", told.add(before, source))
    return told.done(source, told.add(before, source))


def the_past_is_the_output() -> bytes:
    told = Streaming("past")
    before, source = told.read("past"), told.values()
    told.assign("past", told.add(before, source))
    return told.done(source, before)


def the_whole_queue_is_the_output() -> bytes:
    told = Streaming("past")
    past, new = told.read("past"), told.values(1, 1, 1, 4)
    everything = told.joined(past, told.add(new, new, 1, 1, 1, 4), rows=3)
    told.assign("past", told.last(everything, begin=1, end=3))
    return told.done(new, everything)


def new_before_past() -> bytes:
    told = Streaming("past")
    past, new = told.read("past"), told.values(1, 1, 1, 4)
    everything = told.joined(told.add(new, new, 1, 1, 1, 4), past, rows=3)
    told.assign("past", told.last(everything, begin=0, end=2))
    return told.done(new, told.add(everything, everything, 1, 3, 1, 4))


def one_part_in_two_queues() -> bytes:
    told = Streaming("one", "other")
    one, other, new = told.read("one"), told.read("other"), told.values(1, 1, 1, 4)
    fresh = told.add(new, new, 1, 1, 1, 4)
    first, second = told.joined(one, fresh, rows=3), told.joined(other, fresh, fresh, rows=4)
    told.assign("one", told.last(first, begin=1, end=3))
    told.assign("other", told.last(second, begin=2, end=4))
    both = told.joined(first, second, rows=7)
    return told.done(new, told.add(both, both, 1, 7, 1, 4))


def the_input_is_kept() -> bytes:
    told = Streaming("past")
    before, source = told.read("past"), told.values()
    told.assign("past", source)
    return told.done(source, told.add(before, source))


def kept_and_never_read() -> bytes:
    told = Streaming("past")
    source = told.values()
    told.assign("past", source)
    return told.done(source, told.add(source, source))


MODELS: dict[str, Callable[[], bytes]] = {
    each.__name__: each
    for each in (
        *(queue, swap, read_after_assign, assigned_twice, the_past_is_the_output, the_whole_queue_is_the_output),
        *(new_before_past, one_part_in_two_queues, the_input_is_kept),
        kept_and_never_read,
    )
}


def compiled(model: bytes) -> Compiled:
    return compile_model(Source(Path("x.tflite"), model), library="litert")


@pytest.mark.parametrize("name", MODELS)
def test_a_streaming_model_answers_as_the_reference_kernels(name: str) -> None:
    made = compiled(MODELS[name]())
    machine, chance = PlanMachine(made.data), np.random.default_rng(2)
    for _ in range(2):
        reference = Reference(made.source.model, library="litert", file=Path("x.tflite"))
        for window in range(12):
            given = chance.integers(-60, 60, size=made.plan.network.input.bytes).astype(np.int8).tobytes()
            assert machine.run(given) == reference.answer(given), window
        machine.reset()


def test_past_and_new_share_one_place_and_keeping_is_one_move() -> None:
    network = compiled(queue()).plan.network
    assert network.state_bytes == 16  # twelve bytes: two rows of past, one of new
    (move,) = (record for record in network.run if isinstance(record, Copy))
    assert network.run[-1] is move  # when the last reader is done
    assert (move.src, move.out, move.shape) == (4, 0, (1, 1, 1, 8))


def test_what_cannot_be_read_where_it_lies_is_copied() -> None:
    moves = [record for record in compiled(swap()).plan.network.run if isinstance(record, Copy)]
    assert len(moves) >= 3


def test_a_variable_that_nobody_began_is_refused() -> None:
    told = Streaming()
    told.names = ("other",)
    told.handles = {"past": told.handle("past")}
    before, source = told.read("past"), told.values()
    told.assign("past", source)
    with pytest.raises(ModelError, match=r"x\.tflite: operator 2 \(READ_VARIABLE\): variable '/past' is read before"):
        compiled(told.done(source, told.add(before, source)))


def test_an_output_that_is_a_constant_is_refused() -> None:
    told = Sketch()
    source = told.tensor((1, 4), scale=SCALE, zero=ZERO)
    other = told.tensor((1, 4), scale=SCALE, zero=ZERO, data=np.zeros(4, np.int8))
    out = told.tensor((4,), scale=SCALE, zero=ZERO)
    told.operator("RESHAPE", (other,), (out,), "Reshape", newShape=[4])
    with pytest.raises(ModelError, match="its output is a constant"):
        compiled(told.model(inputs=(source,), outputs=(out,)))
