"""What a board does in one run, a record an operator: as `mcu-firmware/nn/PLAN.md` has them, field for field.

A *place* is an offset in the arena, or, with bit 31 set, in the constants. What is named weights, bias, multiplier,
shift, pad_row, exps and table is an offset in the constants always.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import ClassVar, Final, TypeAlias

from edged.errors import ModelError

IN_CONSTANTS: Final = 1 << 31
HEAD: Final = struct.Struct("<BBH")
TWICE, ONCE = 0, 1
"""How a conv rounds when it rescales."""

Four: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution over all input channels, or, 1 x 1 with rows for a height, a fully connected layer."""

    kind: ClassVar[int] = 1
    layout: ClassVar[str] = "<2I12H2h5I3i"
    src: int
    out: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    k_h: int
    k_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    weights: int
    bias: int
    multiplier: int
    shift: int
    pad_row: int
    out_zero: int
    act_min: int
    act_max: int
    rounding: int = TWICE
    """How sums are rescaled; it stands in the record's head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Conv):
    """A convolution of each input channel on its own; output c reads input c / channel_multiplier."""

    kind: ClassVar[int] = 2
    layout: ClassVar[str] = "<2I12H2h5I3iI"
    channel_multiplier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The mean of a window; what lies in the padding is not counted."""

    kind: ClassVar[int] = 3
    layout: ClassVar[str] = "<2I9Hxx2h2i"
    src: int
    out: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    k_h: int
    k_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int
    act_min: int
    act_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """a + b, each rescaled first; a stride of 0 repeats."""

    kind: ClassVar[int] = 4
    layout: ClassVar[str] = "<3I4I8i9i3i"
    a: int
    b: int
    out: int
    shape: Four
    stride_a: Four
    stride_b: Four
    a_zero: int
    b_zero: int
    left_shift: int
    a_multiplier: int
    a_shift: int
    b_multiplier: int
    b_shift: int
    out_multiplier: int
    out_shift: int
    out_zero: int
    act_min: int
    act_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul:
    """The product, rescaled; strides as of `Add`."""

    kind: ClassVar[int] = 5
    layout: ClassVar[str] = "<3I4I8i4i3i"
    a: int
    b: int
    out: int
    shape: Four
    stride_a: Four
    stride_b: Four
    a_zero: int
    b_zero: int
    out_multiplier: int
    out_shift: int
    out_zero: int
    act_min: int
    act_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """Shares of 256 by row."""

    kind: ClassVar[int] = 6
    layout: ClassVar[str] = "<5Ii"
    src: int
    out: int
    rows: int
    depth: int
    exps: int
    diff_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lut:
    """A function of one byte, looked up."""

    kind: ClassVar[int] = 7
    layout: ClassVar[str] = "<4I"
    src: int
    out: int
    bytes: int
    table: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Bytes from one place to another, by strides."""

    kind: ClassVar[int] = 8
    layout: ClassVar[str] = "<2I4I8i"
    src: int
    out: int
    shape: Four
    stride_src: Four
    stride_out: Four


Record: TypeAlias = Conv | Depthwise | Pool | Add | Mul | Softmax | Lut | Copy
KINDS: Final[dict[int, type[Record]]] = {
    kind.kind: kind for kind in (Conv, Depthwise, Pool, Add, Mul, Softmax, Lut, Copy)
}


def pack(record: Record) -> bytes:
    """The bytes of a record.

    Raises:
        ModelError: A number is too large for its field.
    """
    told = [getattr(record, field.name) for field in fields(record) if field.name != "rounding"]
    values = [number for value in told for number in (value if isinstance(value, tuple) else (value,))]
    try:
        body = struct.pack(record.layout, *values)
    except struct.error:
        name, value = _widest(record)
        what, way_out = f"{name} is {value:,}, more than a plan can say", "Make the model smaller"
        raise ModelError(what, way_out=way_out) from None
    return HEAD.pack(record.kind, getattr(record, "rounding", TWICE), HEAD.size + len(body)) + body


def unpack(data: bytes) -> tuple[Record, ...]:
    """Records as they stand one after the other.

    Raises:
        ModelError: They are none.
    """
    records, at = [], 0
    while at < len(data):
        kind, rounding, size = HEAD.unpack_from(data, at) if at + HEAD.size <= len(data) else (0, 0, 0)
        if kind not in KINDS or size != HEAD.size + struct.calcsize(KINDS[kind].layout) or at + size > len(data):
            raise ModelError(f"damaged: no record at byte {at} of its records", way_out="Compile it anew")
        numbers = list(struct.unpack_from(KINDS[kind].layout, data, at + HEAD.size))
        records.append(_record(KINDS[kind], numbers, rounding))
        at += size
    return tuple(records)


def _record(kind: type[Record], numbers: list[int], rounding: int) -> Record:
    told: dict[str, int | Four] = {}
    for field in fields(kind):
        if field.name == "rounding":
            told[field.name] = rounding
        elif field.name.startswith(("shape", "stride_")) and kind in (Add, Mul, Copy):
            told[field.name] = (numbers.pop(0), numbers.pop(0), numbers.pop(0), numbers.pop(0))
        else:
            told[field.name] = numbers.pop(0)
    return kind(**told)  # type: ignore[arg-type]


def _widest(record: Record) -> tuple[str, int]:
    told = ((field.name, getattr(record, field.name)) for field in fields(record))
    return max(((name, value) for name, value in told if isinstance(value, int)), key=lambda each: each[1] % (1 << 31))


def macs(record: Record) -> int:
    """Multiply-accumulates of a record; each weight with each value that it meets, padding included."""
    match record:
        case Depthwise():
            return record.out_h * record.out_w * record.out_c * record.k_h * record.k_w
        case Conv():
            return record.out_h * record.out_w * record.out_c * record.k_h * record.k_w * record.in_c
    return 0
