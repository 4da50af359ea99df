"""The fixed-point arithmetic that TensorFlow Lite's kernels are made of, in Python's whole numbers.

As gemmlowp has it (fixedpoint/fixedpoint.h): 32 bits, products of which the upper half is kept, rounded twice.
"""

from __future__ import annotations

from typing import Final

_LOW, _HIGH = -(1 << 31), (1 << 31) - 1
_EXP_OF_MINUS_EIGHTH: Final = 1895147668
_THIRD: Final = 715827883
_EXP_OF_POWERS: Final = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
"""exp(-2^power) in Q0.31, by power: exp_on_negative_values of fixedpoint.h."""


def high(a: int, b: int) -> int:
    """The upper half of 2ab, rounded: SaturatingRoundingDoublingHighMul."""
    if a == b == _LOW:
        return _HIGH
    return (a * b + (1 << 30)) >> 31


def divided(value: int, right: int) -> int:
    """Give value / 2^right, rounded, halves away from zero: RoundingDivideByPOT."""
    mask = (1 << right) - 1
    return (value >> right) + ((value & mask) > (mask >> 1) + (value < 0))


def wrapped(value: int) -> int:
    """What 32 bits keep of it."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def rescaled(value: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier of tensorflow/lite/kernels/internal/common.h; it rounds twice."""
    return divided(high(wrapped(value << max(shift, 0)), multiplier), max(-shift, 0))


def exp_on_negative_values(value: int, *, integer_bits: int) -> int:
    """The exponential of a number that is not positive, with so many integer bits, in Q0.31."""
    if value == 0:
        return _HIGH
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    modulo = (value & (quarter - 1)) - quarter
    result = _exp_between_quarter_and_zero(_saturated_left(modulo, integer_bits))
    remainder = modulo - value
    for power, factor in _EXP_OF_POWERS:
        if integer_bits > power and remainder & 1 << (fraction_bits + power):
            result = high(result, factor)
    if integer_bits > 5 and value < -(1 << (fraction_bits + 5)):  # noqa: PLR2004 - of fixedpoint.h
        return 0
    return result


def _exp_between_quarter_and_zero(value: int) -> int:
    """Its Taylor polynomial around -1/8, from -1/4 to 0: exp_on_interval_between_negative_one_quarter_and_0_excl."""
    x = value + (1 << 28)
    x2 = high(x, x)
    x3 = high(x2, x)
    x4_over_4 = divided(high(x2, x2), 2)
    rest = divided(high(x4_over_4 + x3, _THIRD) + x2, 1)
    return min(_EXP_OF_MINUS_EIGHTH + high(_EXP_OF_MINUS_EIGHTH, x + rest), _HIGH)


def _saturated_left(value: int, by: int) -> int:
    return min(max(value << by, _LOW), _HIGH)
