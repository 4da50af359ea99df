"""How long a record keeps a board, in the units of `mcu-firmware/nn/PLAN.md`: as `nn_check.c` adds it up.

A board refuses a plan that could outlast its watchdog. Here a model is refused before there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edged.compiler.records import Add, Conv, Copy, Depthwise, Lut, Mul, Pool, Softmax
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.compiler.records import Four, Record

MAX_WORK: Final = 0x120_0000
MAX_RESET_WORK: Final = 0x10_0000
MAX_GOLDEN_WORK: Final = 0x300_0000
WINDOW: Final = 64
"""Of a golden window, besides its run and two of each byte of its input and output."""
_RECORD: Final = 32
_PIXEL, _OUTPUT, _RUN, _TAP, _ONE, _MEAN = 12, 12, 3, 3, 8, 3
_PAIR, _LINE, _MOVE, _SOFTMAX, _ROW = 16, 16, 2, 12, 64


def work(record: Record) -> int:
    """Of one record."""
    return _RECORD + _work(record)


def _work(record: Record) -> int:
    match record:
        case Conv():
            channels = -(-record.out_c // 4) * 4
            taps = record.k_h * record.k_w * _tap(record)
            return record.out_h * record.out_w * (_PIXEL + channels * (taps + _OUTPUT))
        case Pool():
            averaged = min(record.k_h, record.in_h) * min(record.k_w, record.in_w)
            return record.out_h * record.out_w * record.in_c * (_MEAN * averaged + _OUTPUT)
        case Add() | Mul():
            return _PAIR * _bytes(record.shape) + _LINE * _lines(record.shape)
        case Softmax():
            return record.rows * (_SOFTMAX * record.depth + _ROW)
        case Lut():
            return _MOVE * record.bytes
        case Copy():
            return _MOVE * _bytes(record.shape) + _LINE * _lines(record.shape)


def _tap(record: Conv) -> int:
    if not isinstance(record, Depthwise):
        return record.in_c + _RUN
    return _TAP if record.channel_multiplier == 1 and record.out_c % 4 == 0 else _ONE


def check_work(init: Sequence[Record], run: Sequence[Record]) -> int:
    """Work of one run, where it is one that boards let through.

    Raises:
        ModelError: It is too much; the caller knows the file, and adds it.
    """
    for records, most, what in ((init, MAX_RESET_WORK, "making its state as new"), (run, MAX_WORK, "one run of it")):
        if (needed := sum(map(work, records))) > most:
            many = f"{needed / 1e6:,.1f} million units of work, and boards take {most / 1e6:,.1f}"
            raise ModelError(f"{what} is {many}", way_out="Make the model smaller")
    return needed


def golden_windows(each: int, port_bytes: int) -> int:
    """How many golden windows boards let through, of a network whose run is so much work.

    Args:
        each: Work of one run.
        port_bytes: Of the input and the output together.
    """
    return max(1, MAX_GOLDEN_WORK // (each + 2 * port_bytes + WINDOW))


def _bytes(shape: Four) -> int:
    return shape[0] * shape[1] * shape[2] * shape[3]


def _lines(shape: Four) -> int:
    return shape[0] * shape[1] * shape[2]
