"""Each stage of the firmware's front end against the reference's own steps, where no sound would bring it."""

from __future__ import annotations

import ctypes
import math
from itertools import combinations
from typing import TYPE_CHECKING

import micro_reference as reference
import numpy as np
import pytest
from firmware import library
from micro_board import BoardFrontEnd, gateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = len(reference.WEIGHTS)


def called(name: str, *arguments: object) -> None:
    """Call a stage; arrays go by address."""
    function = getattr(library(), name)
    function.restype = None
    passed = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in arguments]
    function(*passed)


def wild(random: np.random.Generator, count: int) -> NDArray[np.int16]:
    """Samples of which many are at the ends of their type."""
    samples = random.integers(-32768, 32768, count).astype(np.int16)
    edges = random.choice(np.array([-32768, -32767, 32767, 0], dtype=np.int16), count)
    return np.where(random.random(count) < random.random(), edges, samples)


def pairs(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    return [(int(r), int(i)) for r, i in samples.reshape(-1, 2)]


def amplitudes_of(bins: Sequence[int], shift: int = 0) -> list[int]:
    energies, amplitudes = np.zeros(256, dtype=np.uint32), np.zeros(40, dtype=np.uint32)
    energies[:BINS] = bins
    called("frontend_amplitudes", energies, shift, amplitudes)
    return [int(a) for a in amplitudes]


def test_the_reference_is_one() -> None:
    """Put together, these steps are the package's: what is held to them is held to it."""
    samples = np.random.default_rng(1).integers(-9000, 9000, 480).astype(np.int16)
    windowed = [int(s) * w >> 12 for s, w in zip(samples, reference.MADE["window"](), strict=True)]
    shift = 15 - max(abs(s) for s in windowed).bit_length()
    points = pairs(np.array([s << shift for s in windowed] + [0] * 32, dtype=np.int16))
    bins = reference.energies(reference.transform(points))
    amplitudes = [reference.root(x) >> shift for x in reference.sums(bins)]
    np.testing.assert_array_equal(reference.features(amplitudes, [0] * 40), gateway(samples)[0])
    np.testing.assert_array_equal(BoardFrontEnd(library()).push(samples), gateway(samples))


@pytest.mark.parametrize("seed", range(12))
def test_the_transform_wraps_as_kissfft(seed: int) -> None:
    samples = wild(np.random.default_rng(seed), 480)
    points = np.zeros(512, dtype=np.int16)
    called("frontend_transform", samples, 0, points)
    assert pairs(points) == reference.transform([*pairs(samples), *[(0, 0)] * 16])


@pytest.mark.parametrize("shift", range(16))
def test_the_transform_scales(shift: int) -> None:
    samples = np.random.default_rng(shift).integers(-(32767 >> shift), (32767 >> shift) + 1, 480).astype(np.int16)
    points = np.zeros(512, dtype=np.int16)
    called("frontend_transform", samples, shift, points)
    assert pairs(points) == reference.transform([*pairs(samples << shift), *[(0, 0)] * 16])


@pytest.mark.parametrize("seed", range(40))
def test_the_energies_of_any_spectrum(seed: int) -> None:
    points, energies = wild(np.random.default_rng(seed), 512), np.zeros(256, dtype=np.uint32)
    called("frontend_energies", points, energies)
    assert [int(e) for e in energies[:BINS]] == reference.energies(pairs(points))


def test_the_amplitudes_of_any_energies() -> None:
    random = np.random.default_rng(2)
    for trial in range(400):
        bins = [int(2**e) for e in random.uniform(0, random.uniform(1, 31), BINS)]
        bins = [b * int(random.random() < 0.7) for b in bins]
        expected = [reference.root(x) >> trial % 16 for x in reference.sums(bins)]
        assert amplitudes_of(bins, trial % 16) == expected


def roots_near_edges() -> list[int]:
    """Numbers about a square, and about where a root is rounded up."""
    random = np.random.default_rng(3)
    whole = [*range(1, 40), 0xFFFE, 0xFFFF, 0x10000, 0x10001]
    whole += [int(2**e) for e in random.uniform(3, 21, 300)]
    near = [s * s + rest + by for s in whole for rest in (0, s) for by in (-1, 0, 1)]
    return [*near, 2**32 - 1, 2**32, 2**32 - 65536, 2**32 - 65535, 2**31, 2**30, 2**30 - 1]


def test_roots_at_their_edges() -> None:
    """Any number can be the sum of a channel: of two bins whose weights have no common divisor."""
    start = sum(reference.WIDTHS[:31])
    heard = range(start, start + reference.WIDTHS[31])
    weights = {i: 4096 - reference.WEIGHTS[i] for i in heard}
    one, two = next((i, j) for i, j in combinations(heard, 2) if math.gcd(weights[i], weights[j]) == 1)
    for x in roots_near_edges():
        bins = [0] * BINS
        bins[one] = x * pow(weights[one], -1, weights[two]) % weights[two]
        rest = x - bins[one] * weights[one]
        if rest < 0:
            continue
        bins[two] = rest // weights[two]
        assert reference.sums(bins)[31] == x
        assert amplitudes_of(bins)[31] == reference.root(x), x


def test_features_of_any_amplitudes() -> None:
    random = np.random.default_rng(4)
    for _ in range(6000):
        amplitudes = (2 ** random.uniform(0, random.uniform(0, 26), 40)).astype(np.uint32) - 1
        estimate = (2 ** random.uniform(0, random.uniform(0, 32), 40)).astype(np.uint32) - 1
        expected = [int(e) for e in estimate]
        features = np.zeros(40, dtype=np.uint16)
        called("frontend_features", amplitudes, estimate, features)
        assert [int(f) for f in features] == reference.features([int(a) for a in amplitudes], expected)
        assert [int(e) for e in estimate] == expected
