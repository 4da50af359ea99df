"""Runs a plan in NumPy, from `mcu-firmware/nn/PLAN.md` alone: an oracle that shares no code with compiler or engine.

Where the board's engine and LiteRT differ, this tells whose fault it is: the plan's, or the engine's.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.compiler.blob import read_plan
from edged.compiler.records import IN_CONSTANTS, Add, Conv, Copy, Depthwise, Lut, Mul, Pool, Softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.compiler.records import Record


def wrap(value: Any) -> Any:
    """What 32 bits keep."""
    return (value + 2**31) % 2**32 - 2**31


def high_mul(a: Any, b: Any) -> Any:
    """SaturatingRoundingDoublingHighMul; a Python division truncates nowhere, so the sign is taken off first."""
    product_ = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    nudged = np.where(product_ >= 0, product_ + 2**30, product_ + 1 - 2**30)
    return np.where(nudged >= 0, nudged // 2**31, -(-nudged // 2**31))


def divide(value: Any, right: Any) -> Any:
    """RoundingDivideByPOT."""
    half = np.left_shift(1, right, dtype=np.int64) // 2
    return np.sign(value) * ((np.abs(value) + half) >> right)


def rescale(value: Any, multiplier: Any, shift: Any) -> Any:
    """MultiplyByQuantizedMultiplier; multiplier and shift are numbers, or one for each of the last axis."""
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    return divide(high_mul(wrap(np.left_shift(value, left, dtype=np.int64)), multiplier), right)


def rescale_once(value: Any, multiplier: Any, shift: Any) -> Any:
    """The same, rounded but once, halves upwards."""
    right = 31 - np.asarray(shift, dtype=np.int64)
    return (np.asarray(value, dtype=np.int64) * multiplier + np.left_shift(1, right - 1, dtype=np.int64)) >> right


class PlanMachine:
    """A plan's network at work: inputs as bytes, outputs as bytes."""

    def __init__(self, data: bytes) -> None:
        self.plan = read_plan(data)
        self.network = self.plan.network
        self.constants = np.frombuffer(self.network.constants, np.uint8)
        # What nobody has written yet must not be zero by chance.
        self.arena = np.full(self.network.arena_bytes, 0xA5, np.uint8)
        self.reset()

    def reset(self) -> None:
        for record in self.network.init:
            self.step(record)

    def run(self, window: bytes) -> bytes:
        net = self.network
        self.arena[net.state_bytes :] = 0x5A
        self.arena[net.input.at : net.input.at + net.input.bytes] = np.frombuffer(window, np.uint8)
        for record in net.run:
            self.step(record)
        return self.arena[net.output.at : net.output.at + net.output.bytes].tobytes()

    def step(self, record: Record) -> None:
        match record:
            case Depthwise():
                self.depthwise(record)
            case Conv():
                self.conv(record)
            case Pool():
                self.pool(record)
            case Add():
                self.add(record)
            case Mul():
                self.mul(record)
            case Softmax():
                self.softmax(record)
            case Lut():
                table = self.constants[record.table : record.table + 256]
                self.put(record.out, table[self.at(record.src, record.bytes)])
            case Copy():
                self.copy(record)

    def at(self, place: int, count: int) -> NDArray[np.uint8]:
        base = self.constants if place & IN_CONSTANTS else self.arena
        place &= ~IN_CONSTANTS
        assert place + count <= len(base)
        return base[place : place + count].copy()

    def signed(self, place: int, *shape: int) -> NDArray[np.int64]:
        return self.at(place, int(np.prod(shape))).view(np.int8).astype(np.int64).reshape(shape)

    def put(self, place: int, values: NDArray[Any]) -> None:
        assert place + values.size <= len(self.arena)
        self.arena[place : place + values.size] = values.astype(np.int64).astype(np.uint8).ravel()

    def words(self, offset: int, count: int) -> NDArray[np.int64]:
        assert offset % 4 == 0
        return np.frombuffer(self.network.constants, "<i4", count, offset).astype(np.int64)

    def finish(self, record: Conv, sums: NDArray[np.int64]) -> None:
        """Bias, rescaling and clamping of sums by [h][w][channel]."""
        sums = wrap(sums + self.words(record.bias, record.out_c))
        shifts = np.frombuffer(self.network.constants, np.int8, record.out_c, record.shift)
        multipliers = self.words(record.multiplier, record.out_c)
        scaled = (rescale_once if record.rounding else rescale)(sums, multipliers, shifts.astype(np.int64))
        self.put(record.out, np.clip(scaled.astype(np.int64) + record.out_zero, record.act_min, record.act_max))

    def taps(self, record: Conv) -> NDArray[np.int64]:
        """Inputs by [out_h][out_w][k_h][k_w][in_c]; a tap in the padding is the one value of its row."""
        image = self.signed(record.src, record.in_h, record.in_w, record.in_c)
        rows = np.arange(record.out_h)[:, None] * record.stride_h - record.pad_top
        columns = np.arange(record.out_w)[:, None] * record.stride_w - record.pad_left
        rows = rows + np.arange(record.k_h) * record.dilation_h
        columns = columns + np.arange(record.k_w) * record.dilation_w
        inside = ((rows >= 0) & (rows < record.in_h))[:, None, :, None] & ((columns >= 0) & (columns < record.in_w))[
            None, :, None, :
        ]
        picked = image[
            np.clip(rows, 0, record.in_h - 1)[:, None, :, None], np.clip(columns, 0, record.in_w - 1)[None, :, None, :]
        ]
        length = record.in_c * (1 if isinstance(record, Depthwise) else record.k_w)
        pad = np.frombuffer(self.network.constants, np.int8, length, record.pad_row)
        assert inside.all() or (pad == pad[0]).all()
        return np.where(inside[..., None], picked, int(pad[0]))

    def conv(self, record: Conv) -> None:
        groups = -(-record.out_c // 4)
        shape = (groups, record.k_h, record.k_w, record.in_c, 4)
        weights = np.frombuffer(self.network.constants, np.int8, int(np.prod(shape)), record.weights)
        by_channel = np.moveaxis(weights.reshape(shape), -1, 1).reshape(-1, record.k_h, record.k_w, record.in_c)
        taps = self.taps(record)
        # In double: below 2^53 its sums are exact, and it is far faster than int64.
        flat = taps.reshape(record.out_h, record.out_w, -1).astype(np.float64)
        sums = flat @ by_channel[: record.out_c].reshape(record.out_c, -1).astype(np.float64).T
        self.finish(record, sums.astype(np.int64))

    def depthwise(self, record: Depthwise) -> None:
        groups = -(-record.out_c // 4)
        shape = (groups, record.k_h, record.k_w, 4)
        weights = np.frombuffer(self.network.constants, np.int8, int(np.prod(shape)), record.weights)
        by_channel = np.moveaxis(weights.reshape(shape), -1, 1).reshape(-1, record.k_h, record.k_w)[: record.out_c]
        channels = np.arange(record.out_c) // record.channel_multiplier
        taps = self.taps(record)[..., channels]
        self.finish(record, np.einsum("hwijc,cij->hwc", taps, by_channel.astype(np.int64)))

    def pool(self, record: Pool) -> None:
        image = self.signed(record.src, record.in_h, record.in_w, record.in_c)
        out = np.zeros((record.out_h, record.out_w, record.in_c), np.int64)
        for y, x in product(range(record.out_h), range(record.out_w)):
            top, left = y * record.stride_h - record.pad_top, x * record.stride_w - record.pad_left
            window = image[max(top, 0) : top + record.k_h, max(left, 0) : left + record.k_w]
            count, sums = window.shape[0] * window.shape[1], window.sum(axis=(0, 1))
            out[y, x] = np.where(sums > 0, (sums + count // 2) // count, -((-sums + count // 2) // count))
        self.put(record.out, np.clip(out, record.act_min, record.act_max))

    def strided(self, place: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
        base = self.constants if place & IN_CONSTANTS else self.arena
        offsets = self.offsets(shape, strides) + (place & ~IN_CONSTANTS)
        assert offsets.min() >= 0
        return np.asarray(base[offsets].view(np.int8).astype(np.int64))

    @staticmethod
    def offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.zeros(shape, np.int64)
        for axis, stride in enumerate(strides):
            found += (np.arange(shape[axis]) * stride).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return found

    def add(self, record: Add) -> None:
        a = self.strided(record.a, record.shape, record.stride_a) + -record.a_zero
        b = self.strided(record.b, record.shape, record.stride_b) + -record.b_zero
        left = 2**record.left_shift
        total = rescale(a * left, record.a_multiplier, record.a_shift) + rescale(
            b * left, record.b_multiplier, record.b_shift
        )
        self.clamped(record, rescale(total, record.out_multiplier, record.out_shift))

    def mul(self, record: Mul) -> None:
        a = self.strided(record.a, record.shape, record.stride_a) + -record.a_zero
        b = self.strided(record.b, record.shape, record.stride_b) + -record.b_zero
        self.clamped(record, rescale(a * b, record.out_multiplier, record.out_shift))

    def clamped(self, record: Add | Mul, values: Any) -> None:
        self.put(record.out, np.clip(values.astype(np.int64) + record.out_zero, record.act_min, record.act_max))

    def softmax(self, record: Softmax) -> None:
        values = self.signed(record.src, record.rows, record.depth)
        exps = self.words(record.exps, 256)
        out = np.full((record.rows, record.depth), -128, np.int64)
        for row in range(record.rows):
            below = values[row] - values[row].max()
            total = sum(int(divide(np.int64(exps[-each]), 12)) for each in below if each >= record.diff_min)
            scale, bits = self.reciprocal(total)
            for i, each in enumerate(below):
                if each >= record.diff_min:
                    share = divide(high_mul(scale, int(exps[-each])), bits + 31 - 8)
                    out[row, i] = min(max(int(share) - 128, -128), 127)
        self.put(record.out, out)

    @staticmethod
    def reciprocal(total: int) -> tuple[int, int]:
        """GetReciprocal of tensorflow/lite/kernels/internal/common.h, and its Newton steps of gemmlowp."""
        headroom = 32 - total.bit_length()
        half = (wrap((total << headroom) - 2**31) + 2**31 - 1 + 1) // 2  # RoundingHalfSum with one, Q0.31
        x = wrap(1515870810 + int(high_mul(half, -1010580540)))
        for _ in range(3):
            rest = 2**29 - int(high_mul(half, x))
            x = wrap(x + min(max(int(high_mul(x, rest)) * 4, -(2**31)), 2**31 - 1))
        return min(x * 2, 2**31 - 1), 12 - headroom

    def copy(self, record: Copy) -> None:
        values = self.strided(record.src, record.shape, record.stride_src)
        there = self.offsets(record.shape, record.stride_out) + record.out
        assert there.min() >= 0
        self.arena[there] = values.astype(np.uint8)
