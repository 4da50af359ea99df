"""What a record touches: which bytes of the arena it reads and writes, and how much of the constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import numpy as np

from edged.compiler.lower_conv import GROUP
from edged.compiler.records import IN_CONSTANTS, Add, Conv, Copy, Depthwise, Lut, Mul, Pool, Softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.compiler.records import Four, Record

TABLE_BYTES: Final = 256
_CHANNEL_BYTES: Final = 4 + 4 + 1
"""Bias, multiplier and shift of one output channel."""


def read_by(record: Record) -> NDArray[np.int64]:
    """The bytes of the arena that a record reads, by their offsets."""
    match record:
        case Conv() | Pool():
            return _span(record.src, record.in_h * record.in_w * record.in_c)
        case Add() | Mul():
            a, b = _walk(record.a, record.shape, record.stride_a), _walk(record.b, record.shape, record.stride_b)
            return np.concatenate([a, b])
        case Softmax():
            return _span(record.src, record.rows * record.depth)
        case Lut():
            return _span(record.src, record.bytes)
        case Copy():
            return _walk(record.src, record.shape, record.stride_src)
    assert_never(record)


def written_by(record: Record) -> NDArray[np.int64]:
    """The bytes of the arena that a record writes, by their offsets."""
    match record:
        case Conv():
            return _span(record.out, record.out_h * record.out_w * record.out_c)
        case Pool():
            return _span(record.out, record.out_h * record.out_w * record.in_c)
        case Add() | Mul():
            return _span(record.out, int(np.prod(record.shape)))
        case Softmax():
            return _span(record.out, record.rows * record.depth)
        case Lut():
            return _span(record.out, record.bytes)
        case Copy():
            return _walk(record.out, record.shape, record.stride_out)
    assert_never(record)


def constants_of(record: Record) -> int:
    """Bytes of the constants that a record reads; two records may read the same."""
    match record:
        case Conv():
            depth = 1 if isinstance(record, Depthwise) else record.in_c
            return -(-record.out_c // GROUP) * GROUP * (record.k_h * record.k_w * depth + _CHANNEL_BYTES)
        case Softmax() | Lut():
            return TABLE_BYTES * (4 if isinstance(record, Softmax) else 1)
        case Add() | Mul():
            sides = ((record.a, record.stride_a), (record.b, record.stride_b))
            return sum(_spread(record.shape, strides) for place, strides in sides if place & IN_CONSTANTS)
        case Copy() if record.src & IN_CONSTANTS:
            return _spread(record.shape, record.stride_src)
    return 0


def shapes_of(record: Record) -> tuple[str, str]:
    """What it takes and gives, for people: ``5x40x1``."""
    match record:
        case Conv():
            given = f"{record.out_h}x{record.out_w}x{record.out_c}"
            return f"{record.in_h}x{record.in_w}x{record.in_c}", given
        case Pool():
            return f"{record.in_h}x{record.in_w}x{record.in_c}", f"{record.out_h}x{record.out_w}x{record.in_c}"
        case Add() | Mul() | Copy():
            shape = "x".join(str(side) for side in record.shape if side > 1) or "1"
            return shape, shape
        case Softmax():
            return f"{record.rows}x{record.depth}", f"{record.rows}x{record.depth}"
        case Lut():
            return str(record.bytes), str(record.bytes)
    assert_never(record)


def _span(place: int, count: int) -> NDArray[np.int64]:
    return np.arange(0) if place & IN_CONSTANTS else np.arange(place, place + count)


def _walk(place: int, shape: Four, strides: Four) -> NDArray[np.int64]:
    if place & IN_CONSTANTS:
        return np.arange(0)
    axes = [np.arange(count) * stride for count, stride in zip(shape, strides, strict=True)]
    return np.unique(place + sum(np.ix_(*axes)))


def _spread(shape: Four, strides: Four) -> int:
    """How many different bytes a walk meets."""
    return int(np.prod([count for count, stride in zip(shape, strides, strict=True) if stride]))
