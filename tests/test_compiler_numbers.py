"""The integers of the compiler: multipliers as TensorFlow Lite makes them, exponentials beside those of mathematics."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.compiler.fixed import divided, exp_on_negative_values, high, rescaled, wrapped
from edged.compiler.model import Operator, Tensor
from edged.compiler.multiplier import activation_range, checked, quantize_multiplier, rounded
from edged.errors import ModelError

INT32 = st.integers(-(2**31), 2**31 - 1)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        # quantization_util_test.cc of TensorFlow has these, and the two ends
        (0.75, (0x6000_0000, 0)),
        (0.5, (0x4000_0000, 0)),
        (1.0, (0x4000_0000, 1)),
        (2.0, (0x4000_0000, 2)),
        (0.0, (0, 0)),
        (math.nextafter(1, 0), (0x4000_0000, 1)),  # rounds up to 2^31, and is halved
        (2.0**-32, (0x4000_0000, -31)),
        (2.0**-33, (0, 0)),
        (1e-40, (0, 0)),
    ],
)
def test_a_multiplier_is_what_tensorflow_makes_of_it(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


@given(st.floats(2.0**-30, 2.0**29))
def test_a_multiplier_is_the_scale_to_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier, 2**31) * Fraction(2) ** shift - Fraction(real)) <= Fraction(real) / 2**31


@pytest.mark.parametrize(("value", "expected"), [(0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (-2.5, -3), (0.49, 0)])
def test_halves_are_rounded_away_from_zero(value: float, expected: int) -> None:
    assert rounded(value) == expected


@given(INT32, st.integers(0, 2**31 - 1))
def test_the_upper_half_is_the_product_rounded(a: int, b: int) -> None:
    assert abs(Fraction(2 * a * b, 2**32) - high(a, b)) <= Fraction(1, 2)
    assert high(-(2**31), -(2**31)) == 2**31 - 1


@given(INT32, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_halves_away_from_zero(value: int, right: int) -> None:
    exact = Fraction(abs(value), 2**right)
    nearest = math.floor(exact + Fraction(1, 2))
    assert divided(value, right) == (nearest if value >= 0 else -nearest)


def test_rescaling_to_the_left_wraps() -> None:
    assert wrapped(2**31) == -(2**31)
    assert rescaled(1 << 30, 0x4000_0000, 2) == 0


@pytest.mark.parametrize("raw", [0, -1, -1000, -(2**24), -(2**26) - 12345, -(2**29), -(2**31) + 1])
def test_an_exponential_is_one_to_seven_digits(raw: int) -> None:
    expected = math.exp(raw / 2**26)
    assert exp_on_negative_values(raw, integer_bits=5) / 2**31 == pytest.approx(expected, abs=3e-7)


def operator(activation: int) -> Operator:
    return Operator(7, "ADD", (0, 1), (2,), {"activation": activation})


def made(scale: float, zero: int) -> Tensor:
    return Tensor(2, (1,), "int8", (float(np.float32(scale)),), (zero,), 0, None)


@pytest.mark.parametrize(
    ("activation", "scale", "zero", "expected"),
    [
        (0, 0.1, 3, (-128, 127)),
        (1, 0.1, 3, (3, 127)),
        (1, 0.1, -128, (-128, 127)),
        (2, 0.1, 3, (-7, 13)),
        (3, 0.1, 3, (3, 63)),
        (3, 6 / 255, -128, (-128, 127)),
        (3, 0.01, 100, (100, 127)),
    ],
)
def test_a_fused_activation_clamps(activation: int, scale: float, zero: int, expected: tuple[int, int]) -> None:
    assert activation_range(operator(activation), made(scale, zero)) == expected


def test_an_activation_that_does_not_clamp_is_refused_by_operator_and_number() -> None:
    with pytest.raises(ModelError, match=r"operator 7 \(ADD\): its fused activation has number 4\. Train the model"):
        activation_range(operator(4), made(0.1, 0))


@pytest.mark.parametrize("real", [0.0, -1.0, math.inf, math.nan, 2.0**31])
def test_a_scale_that_is_none_is_refused(real: float) -> None:
    with pytest.raises(ModelError, match=r"operator 7 \(ADD\): rescales by"):
        checked(real, operator(0))
