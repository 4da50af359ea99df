"""Levels in dBFS, and the states that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edged.audio.level import Level, dbfs

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16000


def feed(level: Level, samples: NDArray[Any], *, chunk: int = 1024) -> list[str]:
    column = samples.astype(np.int16).reshape(-1, 1)
    return [level.feed(column[at : at + chunk]) for at in range(0, len(column), chunk)]


def noise(seconds: float, scale: float = 1000) -> NDArray[Any]:
    return np.random.default_rng(1).normal(0, scale, int(seconds * RATE)).clip(-32768, 32767)


def test_dbfs_of_known_signals() -> None:
    assert dbfs(np.full(100, -32768, np.int16)) == pytest.approx(0)
    assert dbfs(np.array([[16384], [-16384]], np.int16)) == pytest.approx(-6.02, abs=0.01)
    sine = (32767 * np.sin(np.arange(16000) * 0.1)).astype(np.int16)
    assert dbfs(sine) == pytest.approx(-3.01, abs=0.01)


def test_dbfs_of_nothing_is_a_floor_not_minus_infinity() -> None:
    assert dbfs(np.zeros(100, np.int16)) == -120
    assert dbfs(np.zeros(0, np.int16)) == -120


def test_zeros_are_silent_after_five_seconds_and_one_sample_ends_it() -> None:
    level = Level(rate_hz=RATE)
    states = feed(level, np.zeros(6 * RATE))
    assert states.index("silent") * 1024 == pytest.approx(5 * RATE, abs=1024)
    almost = np.zeros(1024)
    almost[500] = 1
    assert feed(level, almost) == ["hearing"]


def test_a_stuck_value_is_silence_too() -> None:
    assert feed(Level(rate_hz=RATE, silent_after_s=1), np.full(2 * RATE, -37))[-1] == "silent"


def test_two_stuck_values_one_after_the_other_do_not_add_up() -> None:
    level = Level(rate_hz=RATE, silent_after_s=1)
    states = feed(level, np.concatenate([np.zeros(10 * 1024), np.full(10 * 1024, 5)]))
    assert "silent" not in states


@pytest.mark.parametrize("chunk", [160, 1024, 4096])
def test_a_loud_square_wave_is_clipped_and_calms_down(chunk: int) -> None:
    level = Level(rate_hz=RATE)
    square = np.where(np.arange(2 * RATE) // 40 % 2, 32767, -32768)
    assert feed(level, square, chunk=chunk)[-1] == "clipped"
    assert feed(level, noise(2), chunk=chunk)[-1] == "clipped"
    assert feed(level, noise(3), chunk=chunk)[-1] == "hearing"


def test_a_single_loud_click_is_not_clipping() -> None:
    sound = noise(3)
    sound[RATE : RATE + 100] = 32767
    assert set(feed(Level(rate_hz=RATE), sound)) == {"hearing"}
