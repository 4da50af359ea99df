"""Models of one operator that moves bytes, made by chance; and of state: what is kept from one run to the next.

The companion of `single_op`, whose `KINDS` has these too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Sequence

Chance = np.random.Generator
Array = np.ndarray[Any, Any]

SCALE, ZERO = 0.05, -3
"""Of all these: what only moves has one scale."""


def _shape(chance: Chance, *, least: int = 1) -> tuple[int, ...]:
    return tuple(int(each) for each in chance.integers(1, 7, size=int(chance.integers(least, 5))))


def _tensor(sketch: Sketch, shape: Sequence[int], data: Array | None = None) -> int:
    return sketch.tensor(shape, scale=SCALE, zero=ZERO, data=data)


def _bytes(chance: Chance, shape: Sequence[int]) -> Array:
    return chance.integers(-128, 128, size=shape, dtype=np.int8)


def reshape(chance: Chance) -> bytes:
    """RESHAPE, one length left to be worked out now and then."""
    sketch, shape = Sketch(), _shape(chance)
    flat = math.prod(shape)
    rows = int(chance.choice([each for each in range(1, flat + 1) if flat % each == 0]))
    source, out = _tensor(sketch, shape), _tensor(sketch, (rows, flat // rows))
    wanted = sketch.numbers(rows, -1 if chance.random() < 0.3 else flat // rows)
    sketch.operator("RESHAPE", (source, wanted), (out,), "Reshape", newShape=[rows, flat // rows])
    return sketch.model(inputs=(source,), outputs=(out,))


def concatenation(chance: Chance) -> bytes:
    """CONCATENATION of the input, of constants, and of the input again."""
    sketch, shape = Sketch(), _shape(chance)
    axis, source = int(chance.integers(0, len(shape))), _tensor(sketch, shape)
    parts, length = [source], shape[axis]
    for _ in range(int(chance.integers(1, 4))):
        if chance.random() < 0.3:
            parts.append(source)
            length += shape[axis]
            continue
        size = int(chance.integers(1, 5))
        other = (*shape[:axis], size, *shape[axis + 1 :])
        parts.append(_tensor(sketch, other, _bytes(chance, other)))
        length += size
    chance.shuffle(parts)
    out = _tensor(sketch, (*shape[:axis], length, *shape[axis + 1 :]))
    told = axis if chance.random() < 0.5 else axis - len(shape)
    sketch.operator("CONCATENATION", parts, (out,), "Concatenation", axis=told)
    return sketch.model(inputs=(source,), outputs=(out,))


def _slice(chance: Chance, size: int) -> tuple[int, int, int]:
    """Begin, end and step, of at least one element; negative ones too."""
    while True:
        step = int(chance.choice([1, 1, 2, 3, -1, -2]))
        begin, end = (int(each) for each in chance.integers(-size, size + 1, size=2))
        if len(range(size)[begin:end:step]) > 0:
            return begin, end, step


def strided_slice(chance: Chance) -> bytes:
    """STRIDED_SLICE, with masks; a dimension of one element may go."""
    sketch, shape = Sketch(), _shape(chance)
    cuts = [_slice(chance, size) for size in shape]
    masks, lengths = {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}, []
    for d, (size, (begin, end, step)) in enumerate(zip(shape, cuts, strict=True)):
        if step > 0 and chance.random() < 0.3:
            end_too = bool(chance.random() < 0.5)
            masks["beginMask"] |= 1 << d
            masks["endMask"] |= end_too << d
            lengths.append(len(range(size)[: None if end_too else end : step]) or size)
            cuts[d] = (begin, end if end_too or range(size)[:end:step] else size, step)
        elif step == 1 and d > 0 and begin < size and chance.random() < 0.15:
            masks["shrinkAxisMask"] |= 1 << d
            cuts[d] = (begin, begin + 1, 1)
        else:
            lengths.append(len(range(size)[begin:end:step]))
    source, out = _tensor(sketch, shape), _tensor(sketch, lengths)
    told = [sketch.numbers(*(cut[i] for cut in cuts)) for i in range(3)]
    sketch.operator("STRIDED_SLICE", (source, *told), (out,), "StridedSlice", **masks)
    return sketch.model(inputs=(source,), outputs=(out,))


def split_v(chance: Chance) -> bytes:
    """SPLIT_V; its parts are put together again in another order, or one of them is the output."""
    sketch, shape = Sketch(), _shape(chance)
    axis, count = int(chance.integers(0, len(shape))), int(chance.integers(2, 4))
    sizes = [int(each) for each in chance.integers(1, 5, size=count)]
    shape = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    source = _tensor(sketch, shape)
    parts = [_tensor(sketch, (*shape[:axis], size, *shape[axis + 1 :])) for size in sizes]
    told = list(sizes)
    if chance.random() < 0.3:
        told[int(chance.integers(0, count))] = -1
    axis_told = axis if chance.random() < 0.5 else axis - len(shape)
    where = sketch.tensor((), dtype="int32", data=np.array(axis_told, np.int32))
    sketch.operator("SPLIT_V", (source, sketch.numbers(*told), where), parts, "SplitV", numSplits=count)
    if chance.random() < 0.4:
        return sketch.model(inputs=(source,), outputs=(parts[int(chance.integers(0, count))],))
    out = _tensor(sketch, shape)
    sketch.operator("CONCATENATION", parts[::-1], (out,), "Concatenation", axis=axis)
    return sketch.model(inputs=(source,), outputs=(out,))


def _variable(sketch: Sketch, name: str) -> int:
    handle = sketch.tensor((), dtype="resource")
    sketch.operator("VAR_HANDLE", (), (handle,), "VarHandle", sharedName=name, container="")
    return handle


def _first_value(sketch: Sketch, name: str, value: Array) -> None:
    """Draw the graph that CALL_ONCE calls."""
    graph = sketch.graph()
    assert graph == 1
    sketch.operator(
        "ASSIGN_VARIABLE", (_variable(sketch, name), _tensor(sketch, value.shape, value)), (), "AssignVariable"
    )


def state(chance: Chance) -> bytes:
    """VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE and CALL_ONCE: a queue of rows, as streaming models keep it."""
    sketch = Sketch()
    old, new, width = (int(each) for each in chance.integers(1, 7, size=3))
    axis = int(chance.integers(1, 3))
    shapes = [[1, rows, 1, width] if axis == 1 else [1, 2, rows, width] for rows in (old, new, old + new)]
    sketch.operator("CALL_ONCE", (), (), "CallOnce", initSubgraphIndex=1)
    handle, source, kept, all_of_it = _variable(sketch, "rows"), *(_tensor(sketch, shapes[i]) for i in (1, 0, 2))
    sketch.operator("READ_VARIABLE", (handle,), (kept,), "ReadVariable")
    parts = (kept, source) if chance.random() < 0.8 else (source, kept)
    sketch.operator("CONCATENATION", parts, (all_of_it,), "Concatenation", axis=axis)
    last, first = _tensor(sketch, shapes[0]), int(chance.choice([new, new, 0]))
    begin, end = [0, 0, 0, 0], list(shapes[2])
    begin[axis], end[axis] = first, first + old
    told = [sketch.numbers(*values) for values in (begin, end, (1, 1, 1, 1))]
    sketch.operator("STRIDED_SLICE", (all_of_it, *told), (last,), "StridedSlice")
    sketch.operator("ASSIGN_VARIABLE", (handle, last), (), "AssignVariable")
    out = _mixed(chance, sketch, all_of_it, shapes[2]) if chance.random() < 0.7 else all_of_it
    _first_value(sketch, "rows", _bytes(chance, shapes[0]))
    return sketch.model(inputs=(source,), outputs=(out,))


def _mixed(chance: Chance, sketch: Sketch, source: int, shape: Sequence[int]) -> int:
    """Something worked out of the queue: so that it is not the output itself."""
    out = _tensor(sketch, shape)
    other = _tensor(sketch, shape, _bytes(chance, shape))
    sketch.operator("ADD", (source, other), (out,), "Add")
    return out
