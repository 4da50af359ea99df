"""The sample count against the clock, with the clock as an argument."""

from __future__ import annotations

import random

import pytest

from edged.audio.pace import Pace

RATE = 16000
CHUNK = 1024
CHUNK_NS = CHUNK * 1_000_000_000 // RATE


def missed(pace: Pace, stamps_ns: list[int]) -> float:
    return sum(pace.hear(samples=CHUNK, ended_ns=stamp) for stamp in stamps_ns)


def steady(seconds: float, *, start_ns: int = 10**12, speed: float = 1.0) -> list[int]:
    return [start_ns + int((i + 1) * CHUNK_NS / speed) for i in range(int(seconds * RATE * speed / CHUNK))]


def test_a_steady_stream_misses_nothing() -> None:
    pace = Pace(rate_hz=RATE)
    assert missed(pace, steady(60)) == 0
    assert pace.surplus_s == 0
    assert not pace.wrong


def test_jitter_and_a_poor_crystal_are_not_loss() -> None:
    rng = random.Random(3)
    late = [stamp + rng.randrange(0, 90_000_000) for stamp in steady(600, speed=1.0003)]
    pace = Pace(rate_hz=RATE)
    assert missed(pace, late) == 0
    assert not pace.wrong


def test_a_burst_that_catches_up_is_not_loss() -> None:
    stamps = steady(20)
    stalled = stamps[100]
    burst = [stalled + 900_000_000 if stalled <= stamp < stalled + 900_000_000 else stamp for stamp in stamps]
    assert missed(Pace(rate_hz=RATE), burst) == 0


@pytest.mark.parametrize("hole_s", [0.2, 0.9, 5.0])
def test_a_hole_is_counted_as_long_as_it_was(hole_s: float) -> None:
    stamps = steady(30)
    cut = [stamp if i < 150 else stamp + int(hole_s * 1e9) for i, stamp in enumerate(stamps)]
    assert missed(Pace(rate_hz=RATE), cut) == pytest.approx(hole_s, abs=0.07)


def test_too_slow_is_loss_and_a_wrong_rate() -> None:
    pace = Pace(rate_hz=RATE)
    lost = missed(pace, steady(30, speed=0.5))
    assert lost == pytest.approx(15, abs=2.5)
    assert pace.wrong
    assert pace.measured_hz == pytest.approx(8000, rel=0.05)


def test_too_fast_is_a_surplus_and_a_wrong_rate() -> None:
    pace = Pace(rate_hz=RATE)
    assert missed(pace, steady(30, speed=3.0)) == 0
    assert pace.surplus_s == pytest.approx(60, abs=10)
    assert pace.wrong
    assert pace.measured_hz == pytest.approx(48000, rel=0.05)


def test_a_wrong_rate_that_mends_is_forgiven() -> None:
    pace = Pace(rate_hz=RATE)
    slow = steady(30, speed=0.5)
    missed(pace, slow)
    assert pace.wrong
    missed(pace, steady(10, start_ns=slow[-1]))
    assert not pace.wrong
