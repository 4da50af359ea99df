"""Models of one operator, made by chance: of every one that the firmware knows and that computes or moves something.

`KINDS` has a maker for each, which takes a generator of chance and gives a `.tflite` of one input and one output.
Shapes, strides, padding, zero points, scales and activations vary; scales are such that outputs fill their range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from single_move import concatenation, reshape, split_v, state, strided_slice
from sketch import Sketch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Chance = np.random.Generator
Array = np.ndarray[Any, Any]

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
ACTIVATIONS: Final = (
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU6,
    schema.ActivationFunctionType.RELU_N1_TO_1,
)


def _zero(chance: Chance) -> int:
    """A zero point: the ends of the range often, as activations put it there."""
    return int(chance.choice([-128, 127, 0, chance.integers(-128, 128)]))


def _scale(chance: Chance, low: float = 1e-3, high: float = 0.3) -> float:
    return float(np.float32(math.exp(chance.uniform(math.log(low), math.log(high)))))


def _bytes(chance: Chance, shape: Sequence[int]) -> Array:
    return chance.integers(-128, 128, size=shape, dtype=np.int8)


def _weights(chance: Chance, shape: Sequence[int]) -> Array:
    """Now and then with -128, which no converter writes and every kernel must take."""
    return chance.integers(-127 - int(chance.random() < 0.1), 128, size=shape, dtype=np.int8)


def _side(chance: Chance, taps: int, dilation: int, padding: int) -> int:
    """A length of the input that a kernel fits into."""
    least = (taps - 1) * dilation + 1 if padding == VALID else 1
    return int(chance.integers(least, least + 9))


def _out_side(side: int, reach: int, stride: int, padding: int) -> int:
    return -(-side // stride) if padding == SAME else (side - reach) // stride + 1


def _bias(chance: Chance, sketch: Sketch, channels: int, scales: Sequence[float], *, always: bool) -> tuple[int, ...]:
    """One, or none now and then, which CONV_2D refuses."""
    if not always and chance.random() < 0.15:
        return ()
    data = chance.integers(-4000, 4000, size=channels, dtype=np.int32)
    return (sketch.tensor((channels,), dtype="int32", scale=scales, data=data),)


def _channel_scales(chance: Chance, channels: int) -> list[float]:
    """One for all, or one for each."""
    count = 1 if chance.random() < 0.3 else channels
    return [_scale(chance, 2e-3, 2e-2) for _ in range(count)]


def _fitting(chance: Chance, *, in_scale: float, weight_scale: float, taps: int) -> float:
    """An output scale at which sums of so many taps fill eight bits about, some too much and some too little."""
    typical = in_scale * weight_scale * 74 * 74 * math.sqrt(taps)
    return float(np.float32(typical / 50 * math.exp(chance.uniform(-1.5, 1.5))))


def _convolving(chance: Chance, *, deep: bool) -> bytes:
    sketch, padding = Sketch(), int(chance.choice([SAME, VALID]))
    k_h, k_w = (int(each) for each in chance.integers(1, 5, size=2))
    dilation_h, dilation_w = (int(each) for each in chance.choice([1, 1, 1, 2, 3], size=2))
    stride_h, stride_w = (int(each) for each in chance.choice([1, 1, 2, 3], size=2))
    height, width = _side(chance, k_h, dilation_h, padding), _side(chance, k_w, dilation_w, padding)
    in_c = int(chance.choice([1, 2, 3, 4, 5, 7, 8, 12]))
    out_c = in_c * int(chance.choice([1, 1, 1, 2, 3])) if deep else int(chance.integers(1, 14))
    out_h = _out_side(height, (k_h - 1) * dilation_h + 1, stride_h, padding)
    out_w = _out_side(width, (k_w - 1) * dilation_w + 1, stride_w, padding)
    in_scale, scales, zero = _scale(chance), _channel_scales(chance, out_c), _zero(chance)
    shape, axis, taps = ((1, k_h, k_w, out_c), 3, k_h * k_w) if deep else ((out_c, k_h, k_w, in_c), 0, k_h * k_w * in_c)
    source = sketch.tensor((1, height, width, in_c), scale=in_scale, zero=zero)
    weights = sketch.tensor(shape, scale=scales, axis=axis, data=_weights(chance, shape))
    bias = _bias(chance, sketch, out_c, [in_scale * each for each in scales], always=not deep)
    out_scale = _fitting(chance, in_scale=in_scale, weight_scale=scales[0], taps=taps)
    out = sketch.tensor((1, out_h, out_w, out_c), scale=out_scale, zero=_zero(chance))
    told = {
        "padding": padding,
        "strideH": stride_h,
        "strideW": stride_w,
        "dilationHFactor": dilation_h,
        "dilationWFactor": dilation_w,
        "fusedActivationFunction": int(chance.choice(ACTIVATIONS)),
    }
    if deep:
        sketch.operator(
            "DEPTHWISE_CONV_2D",
            (source, weights, *bias),
            (out,),
            "DepthwiseConv2D",
            depthMultiplier=out_c // in_c,
            **told,
        )
    else:
        sketch.operator("CONV_2D", (source, weights, *bias), (out,), "Conv2D", **told)
    return sketch.model(inputs=(source,), outputs=(out,))


def conv(chance: Chance) -> bytes:
    """CONV_2D."""
    return _convolving(chance, deep=False)


def depthwise(chance: Chance) -> bytes:
    """DEPTHWISE_CONV_2D."""
    return _convolving(chance, deep=True)


def fully_connected(chance: Chance) -> bytes:
    """FULLY_CONNECTED, of rows in two dimensions or of a block that is read as rows."""
    sketch = Sketch()
    rows, depth, units = int(chance.choice([1, 1, 2, 5])), int(chance.integers(1, 120)), int(chance.integers(1, 14))
    in_scale, weight_scale = _scale(chance), _scale(chance, 2e-3, 2e-2)
    shape, keep = ((rows, depth), False) if chance.random() < 0.7 else ((1, rows, depth), bool(chance.random() < 0.5))
    source = sketch.tensor(shape, scale=in_scale, zero=_zero(chance))
    weights = sketch.tensor((units, depth), scale=weight_scale, data=_weights(chance, (units, depth)))
    bias = _bias(chance, sketch, units, [in_scale * weight_scale], always=False)
    out_scale = _fitting(chance, in_scale=in_scale, weight_scale=weight_scale, taps=depth)
    out = sketch.tensor((*shape[:-1], units) if keep else (rows, units), scale=out_scale, zero=_zero(chance))
    told = {"keepNumDims": keep, "fusedActivationFunction": int(chance.choice(ACTIVATIONS))}
    sketch.operator("FULLY_CONNECTED", (source, weights, *bias), (out,), "FullyConnected", **told)
    return sketch.model(inputs=(source,), outputs=(out,))


def pool(chance: Chance) -> bytes:
    """AVERAGE_POOL_2D."""
    sketch, padding = Sketch(), int(chance.choice([SAME, VALID]))
    k_h, k_w, stride_h, stride_w = (int(each) for each in chance.integers(1, 5, size=4))
    height, width, channels = (
        _side(chance, k_h, 1, padding),
        _side(chance, k_w, 1, padding),
        int(chance.integers(1, 10)),
    )
    scale, zero = _scale(chance), _zero(chance)
    source = sketch.tensor((1, height, width, channels), scale=scale, zero=zero)
    out_shape = (1, _out_side(height, k_h, stride_h, padding), _out_side(width, k_w, stride_w, padding), channels)
    out = sketch.tensor(out_shape, scale=scale, zero=zero)
    told = {"padding": padding, "strideH": stride_h, "strideW": stride_w, "filterHeight": k_h, "filterWidth": k_w}
    activation = int(chance.choice(ACTIVATIONS))
    sketch.operator("AVERAGE_POOL_2D", (source,), (out,), "Pool2D", fusedActivationFunction=activation, **told)
    return sketch.model(inputs=(source,), outputs=(out,))


def _narrowed(chance: Chance, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to this one: some dimensions 1, the first ones perhaps left out."""
    narrow = tuple(1 if chance.random() < 0.4 else size for size in shape)
    return narrow[int(chance.integers(0, len(shape))) :] if chance.random() < 0.3 else narrow


def _pair(chance: Chance, name: str, options: str) -> bytes:
    """Two inputs: one is the model's, the other a constant, or the model's at another scale."""
    sketch = Sketch()
    shape = tuple(int(each) for each in chance.integers(1, 7, size=int(chance.integers(1, 5))))
    shapes = [shape, shape] if chance.random() < 0.4 else [shape, _narrowed(chance, shape)]
    scales = [_scale(chance), _scale(chance)]
    # Both scales of one size, or one input would drown in the other.
    scales[1] = float(np.float32(scales[0] * math.exp(chance.uniform(-2, 2))))
    source = sketch.tensor(shapes[0], scale=scales[0], zero=_zero(chance))
    if shapes[0] == shapes[1] and chance.random() < 0.4:
        other = sketch.tensor(shape, scale=scales[1], zero=_zero(chance))
        sketch.operator("QUANTIZE", (source,), (other,), "Quantize")
    else:
        other = sketch.tensor(shapes[1], scale=scales[1], zero=_zero(chance), data=_bytes(chance, shapes[1]))
    typical = 100 * max(scales) if name == "ADD" else 100 * 100 * scales[0] * scales[1]
    out_scale = float(np.float32(typical / 80 * math.exp(chance.uniform(-1, 1))))
    out = sketch.tensor(shape, scale=out_scale, zero=_zero(chance))
    inputs = (source, other) if chance.random() < 0.5 else (other, source)
    sketch.operator(name, inputs, (out,), options, fusedActivationFunction=int(chance.choice(ACTIVATIONS)))
    return sketch.model(inputs=(source,), outputs=(out,))


def add(chance: Chance) -> bytes:
    """ADD."""
    return _pair(chance, "ADD", "Add")


def mul(chance: Chance) -> bytes:
    """MUL."""
    return _pair(chance, "MUL", "Mul")


def softmax(chance: Chance) -> bytes:
    """SOFTMAX, over the last dimension."""
    sketch = Sketch()
    shape = [int(each) for each in chance.integers(1, 5, size=int(chance.integers(1, 4)))]
    shape[-1] = int(chance.integers(1, 80))
    source = sketch.tensor(shape, scale=_scale(chance, 1e-3, 2.0), zero=_zero(chance))
    out = sketch.tensor(shape, scale=1 / 256, zero=-128)
    sketch.operator("SOFTMAX", (source,), (out,), "Softmax", beta=float(chance.choice([1.0, 1.0, 0.5, 3.7])))
    return sketch.model(inputs=(source,), outputs=(out,))


def logistic(chance: Chance) -> bytes:
    """LOGISTIC."""
    sketch = Sketch()
    shape = (1, int(chance.integers(1, 200)))
    source = sketch.tensor(shape, scale=_scale(chance, 1e-3, 1.0), zero=_zero(chance))
    out = sketch.tensor(shape, scale=1 / 256, zero=-128)
    sketch.operator("LOGISTIC", (source,), (out,))
    return sketch.model(inputs=(source,), outputs=(out,))


def quantize(chance: Chance) -> bytes:
    """QUANTIZE, from one scale of eight bits to another, signed or not."""
    sketch, shape = Sketch(), (1, int(chance.integers(1, 200)))
    dtypes = [("int8", "uint8")[int(chance.integers(0, 2))] for _ in range(2)]
    scale = _scale(chance)
    zeros = [_zero(chance) + (128 if dtype == "uint8" else 0) for dtype in dtypes]
    scales = [scale, scale if chance.random() < 0.3 else float(np.float32(scale * math.exp(chance.uniform(-3, 3))))]
    source, out = (
        sketch.tensor(shape, dtype=dtype, scale=each, zero=zero)
        for dtype, each, zero in zip(dtypes, scales, zeros, strict=True)
    )
    sketch.operator("QUANTIZE", (source,), (out,), "Quantize")
    return sketch.model(inputs=(source,), outputs=(out,))


KINDS: Final[Mapping[str, Callable[[Chance], bytes]]] = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": pool,
    "ADD": add,
    "MUL": mul,
    "SOFTMAX": softmax,
    "LOGISTIC": logistic,
    "QUANTIZE": quantize,
    "RESHAPE": reshape,
    "CONCATENATION": concatenation,
    "STRIDED_SLICE": strided_slice,
    "SPLIT_V": split_v,
    "READ_VARIABLE": state,
}
"""By operator. The last stands for the four of state: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE and CALL_ONCE."""
