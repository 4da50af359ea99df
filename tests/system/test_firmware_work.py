"""No record takes a Cortex-M4 longer than its work says: else a hostile plan could outlast the watchdog.

The shapes are those that kernels like least: single taps, single channels, lines of one value, nothing but padding.
"""

from __future__ import annotations

import struct
import sys

import pytest
from engine import Engine
from firmware import FIRMWARE
from planned import by_hand

sys.path.append(str(FIRMWARE / "tools"))

from icount_board import count

pytestmark = pytest.mark.slow

CYCLES_A_UNIT = 8
OUT = 4096
"""Where the output begins, in an arena of 16,384 bytes."""
ANY = (-128, 127)


def record(kind: int, layout: str, *values: int) -> bytes:
    body = struct.pack(f"<{layout}", *values)
    return struct.pack("<BBH", kind, 0, 4 + len(body)) + body


def conv(
    size: tuple[int, int, int],
    out: tuple[int, int, int],
    kernel: tuple[int, int],
    *,
    dilation: int = 1,
    pad: tuple[int, int] = (0, 0),
    multiplier: int | None = None,
) -> bytes:
    fields = (0, OUT, *size, *out, *kernel, 1, 1, dilation, dilation, *pad, 0, 0, 0, 0, 0, 0, *ANY)
    if multiplier is None:
        return record(1, "2I12H2h5I3i", *fields)
    return record(2, "2I12H2h5I3iI", *fields, multiplier)


def pool(size: tuple[int, int, int], out: tuple[int, int], kernel: tuple[int, int]) -> bytes:
    return record(3, "2I9Hxx2h2i", 0, OUT, *size, *out, *kernel, 1, 1, 0, 0, *ANY)


def add(shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    return record(4, "3I4I8i9i3i", 0, OUT, 2 * OUT, *shape, *stride, *stride, 0, 0, 3, 0, -1, 0, -1, 0, -1, 0, *ANY)


WORST = {
    "conv, a tap": conv((64, 64, 1), (64, 64, 1), (1, 1)),
    "conv, four channels": conv((32, 32, 1), (32, 32, 4), (1, 1)),
    "conv, dilated": conv((60, 60, 1), (56, 56, 1), (3, 3), dilation=2),
    "conv, dilated, four": conv((30, 30, 1), (26, 26, 4), (3, 3), dilation=2),
    "conv, padding": conv((2, 2, 1), (2, 2, 1), (7, 7), pad=(3, 3)),
    "conv, narrow": conv((60, 8, 1), (58, 8, 1), (3, 3), pad=(0, 1)),
    "depthwise, a tap": conv((64, 64, 1), (64, 64, 1), (1, 1), multiplier=1),
    "depthwise, three channels": conv((32, 32, 3), (32, 32, 3), (3, 3), pad=(1, 1), multiplier=1),
    "depthwise, multiplier": conv((32, 32, 1), (32, 32, 4), (3, 3), pad=(1, 1), multiplier=4),
    "depthwise, tall": conv((64, 8, 1), (64, 8, 8), (15, 1), pad=(7, 0), multiplier=8),
    "depthwise, tall, fours": conv((64, 8, 8), (64, 8, 8), (15, 1), pad=(7, 0), multiplier=1),
    "depthwise, tall, threes": conv((64, 8, 3), (64, 8, 3), (15, 1), pad=(7, 0), multiplier=1),
    "depthwise, padding": conv((2, 2, 4), (2, 2, 4), (3, 3), pad=(2, 2), multiplier=1),
    "pool, one value": pool((64, 64, 1), (64, 64), (1, 1)),
    "pool, high": pool((64, 16, 1), (33, 16), (32, 1)),
    "pool, wide": pool((16, 64, 1), (16, 33), (1, 32)),
    "add, lines of one": add((64, 64, 1, 1), (64, 1, 0, 0)),
    "add": add((1, 1, 1, 4096), (0, 0, 0, 1)),
    "mul, lines of one": record(
        *(5, "3I4I8i4i3i", 0, OUT, 2 * OUT, 64, 64, 1, 1, 64, 1, 0, 0, 64, 1, 0, 0, 0, 0, 0, -1, 0, *ANY)
    ),
    "softmax, rows of one": record(6, "5Ii", 0, OUT, 4096, 1, 0, -128),
    "softmax": record(6, "5Ii", 0, OUT, 64, 64, 0, -128),
    "table": record(7, "4I", 0, OUT, 4096, 0),
    "copy, lines of one": record(8, "2I4I8i", 0, OUT, 64, 64, 1, 1, 64, 1, 0, 0, 64, 1, 0, 0),
    "copy, strided": record(8, "2I4I8i", 0, OUT, 1, 1, 1, 2048, 0, 0, 0, 1, 0, 0, 0, 2),
    "copy": record(8, "2I4I8i", 0, OUT, 1, 1, 1, 4096, 0, 0, 0, 1, 0, 0, 0, 1),
}


@pytest.mark.parametrize("case", WORST)
def test_it_takes_no_longer_than_it_says(case: str) -> None:
    data = by_hand(WORST[case], arena_bytes=4 * OUT, constants=1024)
    counted = count("work", bench="bench_nn.c", parts=["nn"], given=data)
    assert counted.mean_cycles <= CYCLES_A_UNIT * Engine(data).work


def test_reading_many_records_is_counted() -> None:
    data = by_hand(record(7, "4I", 0, 0, 1, 0), arena_bytes=16, times=400)
    assert count("work", bench="bench_nn.c", parts=["nn"], given=data).mean_cycles <= CYCLES_A_UNIT * Engine(data).work
