"""Real scales as the integers that TensorFlow Lite's kernels rescale with: the same bits as its own preparation gives.

A multiplier is a Q0.31 number in [0.5, 1), and a shift to the left that may be negative. How each operator forms its
real scale, in float32 or in double, is TensorFlow Lite's too (tensorflow/lite/kernels/kernel_util.cc, and Prepare of
each operator): a model whose last bit hangs on that rounding would answer otherwise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from edged.classify.runtime import Library
    from edged.compiler.model import Operator, Tensor

MAX_SHIFT: Final = 30
"""To the left: an accumulator of 32 bits holds nothing beyond it."""
ROUND_ONCE: Final[dict[Library, frozenset[str]]] = {
    "tflite-runtime": frozenset(),
    "litert": frozenset({"FULLY_CONNECTED"}),
}
"""By library: the operators whose reference kernel rounds once where it rescales a sum; all others round twice."""
LIMITS: Final = {"int8": (-128, 127), "uint8": (0, 255)}
"""Lowest and highest value, by type."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Multiplier and shift: QuantizeMultiplier of tensorflow/lite/kernels/internal/quantization_util.cc."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = rounded(fraction * (1 << 31))
    if fixed == 1 << 31:
        fixed, shift = fixed // 2, shift + 1
    return (0, 0) if shift < -31 else (fixed, shift)  # noqa: PLR2004 - beyond it nothing is left of 32 bits


def rounded(value: float) -> int:
    """The nearest whole number, halves away from zero, as std::round."""
    whole = math.floor(abs(value))
    whole += abs(value) - whole >= 0.5  # noqa: PLR2004 - the half
    return whole if value >= 0 else -whole


def f32(value: float) -> float:
    """What a float32 makes of it."""
    return float(np.float32(value))


def checked(real: float, operator: Operator) -> tuple[int, int]:
    """Multiplier and shift of a scale that must be one.

    Raises:
        ModelError: It is not, or rescales beyond 32 bits.
    """
    if not (math.isfinite(real) and real > 0):
        raise operator.refused(f"rescales by {real:g}", way_out="Convert the model anew: a scale in it is no scale")
    multiplier, shift = quantize_multiplier(real)
    if shift > MAX_SHIFT:
        raise operator.refused(f"rescales by {real:g}, which 32 bits do not hold")
    return multiplier, shift


def activation_range(operator: Operator, made: Tensor) -> tuple[int, int]:
    """Lowest and highest output: CalculateActivationRangeQuantized of kernel_util.cc.

    Raises:
        ModelError: The fused activation is none of those that clamp.
    """
    low, high = LIMITS[made.dtype]

    def at(value: float) -> int:
        return made.zero + rounded(f32(value / made.scale))

    match operator.number("activation"):  # ActivationFunctionType of the schema: NONE, RELU, RELU_N1_TO_1, RELU6
        case 0:
            return low, high
        case 1:
            return max(low, at(0.0)), high
        case 2:
            return max(low, at(-1.0)), min(high, at(1.0))
        case 3:
            return max(low, at(0.0)), min(high, at(6.0))
    what = f"its fused activation has number {operator.number('activation')}"
    raise operator.refused(what, way_out="Train the model with RELU, RELU6 or RELU_N1_TO_1")
