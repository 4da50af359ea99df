"""What the operators that only move bytes do: from which offset and strides to which.

RESHAPE, CONCATENATION, SPLIT_V and STRIDED_SLICE compute nothing, and a slice that lies in one piece need not even be
moved: whoever reads it can read it where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, product
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.compiler.model import Graph, Operator, Tensor
    from edged.compiler.records import Four

AXES: Final = 4
"""Of a record of the plan."""

Axis: TypeAlias = tuple[int, int, int]
"""So many, with which strides in the source and in the output, in bytes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of one tensor become some bytes of another."""

    src: int
    out: int
    src_at: int
    out_at: int
    axes: tuple[Axis, ...]
    """The outermost first, as few as will do; none of one byte."""

    @property
    def bytes(self) -> int:
        """How many."""
        return math.prod(count for count, _, _ in self.axes)

    @property
    def dense(self) -> bool:
        """They lie side by side in both."""
        return self.axes in ((), ((self.bytes, 1, 1),))

    def boxes(self) -> Iterator[tuple[int, int, Four, Four, Four]]:
        """Offsets, shape and both strides of the copies that do it, of four axes each."""
        outer, inner = self.axes[:-AXES], self.axes[-AXES:]
        blank = ((1, 0, 0),) * (AXES - len(inner))
        shape, src, out = zip(*blank, *inner, strict=True)
        for at in product(*(range(count) for count, _, _ in outer)):
            src_at = self.src_at + sum(i * axis[1] for i, axis in zip(at, outer, strict=True))
            out_at = self.out_at + sum(i * axis[2] for i, axis in zip(at, outer, strict=True))
            yield src_at, out_at, four(shape), four(src), four(out)


def four(numbers: Sequence[int]) -> Four:
    """Exactly four of them."""
    a, b, c, d = numbers
    return a, b, c, d


def merged(axes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The same walk with as few axes as will do: a count first, then a stride for each tensor."""
    found: list[tuple[int, ...]] = []
    for count, *strides in axes:
        if count == 1:
            continue
        if found and found[-1][1:] == tuple(stride * count for stride in strides):
            found[-1] = (found[-1][0] * count, *strides)
        else:
            found.append((count, *strides))
    return tuple(found)


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Of bytes that lie side by side."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def whole(src: int, out: int, size: int) -> Piece:
    """All of a tensor."""
    return Piece(src, out, 0, 0, () if size == 1 else ((size, 1, 1),))


def pieces(operator: Operator, graph: Graph) -> tuple[Piece, ...]:
    """What an operator moves; ModelError where it is not known how."""
    match operator.name:
        case "RESHAPE":
            return _reshape(operator, graph)
        case "CONCATENATION":
            return _concatenation(operator, graph)
        case "SPLIT_V":
            return _split(operator, graph)
        case "STRIDED_SLICE":
            return _slice(operator, graph)
    raise AssertionError(operator.name)


def _piece(src: Tensor, out: Tensor, shape: Sequence[int], *strides: Sequence[int], src_at: int, out_at: int) -> Piece:
    axes = merged(list(zip(shape, *strides, strict=True)))
    return Piece(src.index, out.index, src_at, out_at, tuple((axis[0], axis[1], axis[2]) for axis in axes))


def _reshape(operator: Operator, graph: Graph) -> tuple[Piece, ...]:
    src, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    if src.elements != out.elements:
        raise operator.refused(f"makes {out.elements} numbers of {src.elements}")
    return (whole(src.index, out.index, out.elements),)


def _concatenation(operator: Operator, graph: Graph) -> tuple[Piece, ...]:
    out = graph.tensors[operator.outputs[0]]
    axis = _axis(operator, operator.number("axis"), rank=len(out.shape))
    if operator.number("activation"):
        raise operator.refused("has a fused activation", way_out="Train the model without it")
    found, at = [], 0
    for index in operator.inputs:
        src = graph.tensors[index]
        if (src.scale, src.zero) != (out.scale, out.zero):
            raise operator.refused(f"input {src.index} is scaled otherwise than its output")
        beside = [(*shape[:axis], None, *shape[axis + 1 :]) for shape in (src.shape, out.shape)]
        if len(src.shape) != len(out.shape) or beside[0] != beside[1]:
            raise operator.refused(f"input {src.index} is of {list(src.shape)}, its output of {list(out.shape)}")
        strides = dense_strides(out.shape)
        if src.elements:
            out_at = at * strides[axis]
            found.append(_piece(src, out, src.shape, dense_strides(src.shape), strides, src_at=0, out_at=out_at))
        at += src.shape[axis]
    if at != out.shape[axis]:
        raise operator.refused(f"its inputs make {at} of the {out.shape[axis]} on its axis")
    return tuple(found)


def _split(operator: Operator, graph: Graph) -> tuple[Piece, ...]:
    src = graph.tensors[operator.inputs[0]]
    sizes, axes = constant(operator, graph, 1), constant(operator, graph, 2)
    if len(axes) != 1 or not sizes:
        raise operator.refused(f"has {len(sizes)} sizes and {len(axes)} axes")
    (axis,) = axes
    axis = _axis(operator, axis, rank=len(src.shape))
    rest = src.shape[axis] - sum(size for size in sizes if size >= 0)
    sizes = [rest if size < 0 else size for size in sizes]
    if sum(sizes) != src.shape[axis] or len(sizes) != len(operator.outputs) or min(sizes) < 0:
        raise operator.refused(f"cuts {src.shape[axis]} into {sizes}")
    strides, found = dense_strides(src.shape), []
    for index, size, begin in zip(operator.outputs, sizes, accumulate(sizes, initial=0), strict=False):
        out = graph.tensors[index]
        shape = (*src.shape[:axis], size, *src.shape[axis + 1 :])
        if out.shape != shape:
            raise operator.refused(f"its output {index} is of {list(out.shape)}, not {list(shape)}")
        if size:
            at = begin * strides[axis]
            found.append(_piece(src, out, shape, strides, dense_strides(shape), src_at=at, out_at=0))
    return tuple(found)


def _slice(operator: Operator, graph: Graph) -> tuple[Piece, ...]:
    """NumPy slices by the same rules; a view of it says where the bytes lie, and how far apart."""
    src, out = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
    base = np.zeros(src.shape, dtype=np.int8)
    try:
        view = base[_indices(operator, graph)]
    except (IndexError, ValueError) as why:
        raise operator.refused(f"cannot be followed: {why}") from None
    if view.size != out.elements:
        raise operator.refused(f"makes {view.size} numbers, its output {list(out.shape)} has {out.elements}")
    at = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return (_piece(src, out, view.shape, view.strides, dense_strides(view.shape), src_at=at, out_at=0),)


def _indices(operator: Operator, graph: Graph) -> tuple[slice | int | None, ...]:
    begin, end, step = (constant(operator, graph, at) for at in (1, 2, 3))
    masks = {name: operator.number(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    if masks["ellipsis"]:
        raise operator.refused("has an ellipsis", way_out="Write the slice out, a range for each axis")
    found: list[slice | int | None] = []
    for axis, (first, last, by) in enumerate(zip(begin, end, step, strict=True)):
        masked = {name for name, mask in masks.items() if mask >> axis & 1}
        if "new_axis" in masked:
            found.append(None)
        elif "shrink_axis" in masked:
            found.append(first)
        else:
            until = first + last if operator.options["offset"] else last
            found.append(slice(None if "begin" in masked else first, None if "end" in masked else until, by))
    return tuple(found)


def _axis(operator: Operator, axis: int, *, rank: int) -> int:
    """From the front; ModelError where there is no such axis."""
    if not -rank <= axis < rank:
        raise operator.refused(f"works on axis {axis} of {rank}")
    return axis % rank


def constant(operator: Operator, graph: Graph, number: int) -> list[int]:
    """The whole numbers of an input that must be a constant; ModelError where it is none."""
    index = operator.inputs[number] if number < len(operator.inputs) else -1
    tensor = graph.tensors[index] if index >= 0 else None
    if tensor is None or tensor.data is None or tensor.dtype not in ("int32", "int64"):
        way_out = "Convert the model with fixed shapes"
        raise operator.refused(f"input {number} is no constant of whole numbers", way_out=way_out)
    return [int(value) for value in np.frombuffer(tensor.data, dtype=f"<i{4 if tensor.dtype == 'int32' else 8}")]
