"""ADD, MUL, AVERAGE_POOL_2D, SOFTMAX, LOGISTIC and QUANTIZE as records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.compiler.fixed import exp_on_negative_values, high, rescaled
from edged.compiler.lower_conv import RANK, axis_of
from edged.compiler.moves import AXES, dense_strides, four, merged
from edged.compiler.multiplier import LIMITS, activation_range, checked, f32, quantize_multiplier, rounded
from edged.compiler.records import Add, Lut, Mul, Pool, Softmax
from edged.compiler.site import check_quantised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.compiler.model import Operator, Tensor
    from edged.compiler.records import Four, Record
    from edged.compiler.site import Site

ADD_LEFT_SHIFT: Final = 20
"""Of 8-bit inputs: tensorflow/lite/kernels/add.cc."""
SOFTMAX_INTEGER_BITS: Final = 5
"""kScaledDiffIntegerBits of tensorflow/lite/kernels/internal/reference/softmax.h."""
SHARES: Final = 256


def lower_add(operator: Operator, site: Site) -> Iterator[Record]:
    """ADD."""
    a, b, made = site.taken(operator, 0), site.taken(operator, 1), site.made(operator)
    check_quantised(operator, a, b, made)
    largest = 2 * max(a.scale, b.scale)
    scales = (a.scale / largest, b.scale / largest, largest / ((1 << ADD_LEFT_SHIFT) * made.scale))
    (a_multiplier, a_shift), (b_multiplier, b_shift), (out_multiplier, out_shift) = (
        checked(scale, operator) for scale in scales
    )
    if out_shift > 0:
        raise operator.refused(f"rescales by {scales[2]:g}, which TensorFlow Lite does not do either")
    shape, stride_a, stride_b = _broadcast(operator, a, b, made)
    low, high_ = activation_range(operator, made)
    yield Add(
        a=site.place(a),
        b=site.place(b),
        out=site.place(made),
        shape=shape,
        stride_a=stride_a,
        stride_b=stride_b,
        a_zero=a.zero,
        b_zero=b.zero,
        left_shift=ADD_LEFT_SHIFT,
        a_multiplier=a_multiplier,
        a_shift=a_shift,
        b_multiplier=b_multiplier,
        b_shift=b_shift,
        out_multiplier=out_multiplier,
        out_shift=out_shift,
        out_zero=made.zero,
        act_min=low,
        act_max=high_,
    )


def lower_mul(operator: Operator, site: Site) -> Iterator[Record]:
    """MUL; its scale is worked out in float32: tensorflow/lite/kernels/mul.cc."""
    a, b, made = site.taken(operator, 0), site.taken(operator, 1), site.made(operator)
    check_quantised(operator, a, b, made)
    product = f32(a.scale * b.scale)
    multiplier, shift = checked(f32(product / made.scale), operator)
    shape, stride_a, stride_b = _broadcast(operator, a, b, made)
    low, high_ = activation_range(operator, made)
    yield Mul(
        a=site.place(a),
        b=site.place(b),
        out=site.place(made),
        shape=shape,
        stride_a=stride_a,
        stride_b=stride_b,
        a_zero=a.zero,
        b_zero=b.zero,
        out_multiplier=multiplier,
        out_shift=shift,
        out_zero=made.zero,
        act_min=low,
        act_max=high_,
    )


def lower_pool(operator: Operator, site: Site) -> Iterator[Record]:
    """AVERAGE_POOL_2D: a record an image."""
    taken, made = site.taken(operator, 0), site.made(operator)
    check_quantised(operator, taken, made)
    if len(taken.shape) != RANK or len(made.shape) != RANK or (taken.shape[0], taken.shape[3]) != made.shape[::3]:
        raise operator.refused(f"makes {list(made.shape)} of {list(taken.shape)}")
    down = axis_of(operator, "h", size=taken.shape[1], kernel=operator.number("k_h"), made=made.shape[1])
    across = axis_of(operator, "w", size=taken.shape[2], kernel=operator.number("k_w"), made=made.shape[2])
    low, high_ = activation_range(operator, made)
    for image in range(taken.shape[0]):
        yield Pool(
            src=site.place(taken) + image * (taken.elements // taken.shape[0]),
            out=site.place(made) + image * (made.elements // made.shape[0]),
            in_h=down.size,
            in_w=across.size,
            in_c=taken.shape[3],
            out_h=down.made,
            out_w=across.made,
            k_h=down.kernel,
            k_w=across.kernel,
            stride_h=down.stride,
            stride_w=across.stride,
            pad_top=down.pad,
            pad_left=across.pad,
            act_min=low,
            act_max=high_,
        )


def lower_softmax(operator: Operator, site: Site) -> Iterator[Record]:
    """SOFTMAX: its exponentials in Q0.31, by how far a value is below the largest."""
    taken, made = site.taken(operator, 0), site.made(operator)
    check_quantised(operator, taken, made)
    if made.scale != 1 / SHARES or made.zero != LIMITS[made.dtype][0] or taken.elements != made.elements:
        raise operator.refused(f"its output is scaled by {made.scale:g} around {made.zero}, not by 1/256 around -128")
    real = float(operator.options["beta"]) * taken.scale * (1 << (31 - SOFTMAX_INTEGER_BITS))
    multiplier, shift = quantize_multiplier(min(real, (1 << 31) - 1.0))
    if shift < 0 or not multiplier:
        raise operator.refused(f"takes a scale of {taken.scale:g}, which is too fine for it")
    radius = ((1 << SOFTMAX_INTEGER_BITS) - 1) * (1 << (31 - SOFTMAX_INTEGER_BITS)) / (1 << shift)
    exps = [
        exp_on_negative_values(high(-difference << shift, multiplier), integer_bits=SOFTMAX_INTEGER_BITS)
        if difference <= math.floor(radius)
        else 0
        for difference in range(SHARES)
    ]
    depth = taken.shape[-1] if taken.shape else 1
    yield Softmax(
        src=site.place(taken),
        out=site.place(made),
        rows=taken.elements // depth,
        depth=depth,
        exps=site.pool.words(exps),
        diff_min=-math.floor(radius),
    )


def lower_logistic(operator: Operator, site: Site) -> Iterator[Record]:
    """LOGISTIC, as a table of what float32 makes of each value."""
    taken, made = site.taken(operator, 0), site.made(operator)
    check_quantised(operator, taken, made, dtypes=("int8", "uint8"))
    scale, inverse = np.float32(taken.scale), np.float32(1) / np.float32(made.scale)
    values = np.arange(LIMITS[taken.dtype][0], LIMITS[taken.dtype][1] + 1)
    with np.errstate(over="ignore"):  # far to the left the exponential is infinite, and the share 0
        real = scale * (values - taken.zero).astype(np.float32)
        shares = np.float32(1) / (np.float32(1) + np.exp(-real.astype(np.float64)).astype(np.float32))
    yield from _table(operator, site, [rounded(float(share * inverse)) + made.zero for share in shares])


def lower_quantize(operator: Operator, site: Site) -> Iterator[Record]:
    """QUANTIZE from 8 bits to 8 bits."""
    taken, made = site.taken(operator, 0), site.made(operator)
    check_quantised(operator, taken, made, dtypes=("int8", "uint8"))
    multiplier, shift = checked(taken.scale / made.scale, operator)
    low, high_ = LIMITS[taken.dtype]
    values = [rescaled(value - taken.zero, multiplier, shift) + made.zero for value in range(low, high_ + 1)]
    yield from _table(operator, site, values)


def _table(operator: Operator, site: Site, values: Sequence[int]) -> Iterator[Record]:
    """A table by the input's bits, of what its values from the lowest on become."""
    taken, made = site.taken(operator, 0), site.made(operator)
    if taken.elements != made.elements:
        raise operator.refused(f"makes {list(made.shape)} of {list(taken.shape)}")
    low, high_ = LIMITS[made.dtype]
    begin = LIMITS[taken.dtype][0]
    by_bits = bytes(min(max(values[_signed(bits, begin) - begin], low), high_) % 256 for bits in range(256))
    yield Lut(src=site.place(taken), out=site.place(made), bytes=made.elements, table=site.pool.add(by_bits))


def _signed(bits: int, lowest: int) -> int:
    return bits - 256 if lowest < 0 and bits > 127 else bits  # noqa: PLR2004 - two's complement of 8 bits


def _broadcast(operator: Operator, a: Tensor, b: Tensor, made: Tensor) -> tuple[Four, Four, Four]:
    """The output's shape in four axes, and the strides of both inputs over it, 0 where one repeats."""
    rank = len(made.shape)
    strides = []
    for tensor in (a, b):
        shape = (1,) * (rank - len(tensor.shape)) + tensor.shape
        if len(shape) != rank or any(side not in (1, whole) for side, whole in zip(shape, made.shape, strict=True)):
            raise operator.refused(f"{list(tensor.shape)} does not spread over {list(made.shape)}")
        strides.append([0 if side == 1 else step for side, step in zip(shape, dense_strides(shape), strict=True)])
    axes = merged(list(zip(made.shape, *strides, strict=True)))
    if len(axes) > AXES:
        raise operator.refused(f"spreads over {list(made.shape)} on {len(axes)} axes; {AXES} can be compiled")
    padded = ((1, 0, 0),) * (AXES - len(axes)) + axes
    shape, stride_a, stride_b = zip(*padded, strict=True)
    return four(shape), four(stride_a), four(stride_b)
