"""Conversion to mono of one rate: the same bits under any cutting, and the same sound."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.audio.resample import Converter

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sound(frames: int, channels: int, *, seed: int = 1) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(-32768, 32768, (frames, channels)).astype(np.int16)


def cut(samples: NDArray[Any], rng: random.Random) -> list[NDArray[Any]]:
    pieces, at = [], 0
    while at < len(samples):
        step = rng.choice((1, 7, 160, 480, 1024, 4807))
        pieces.append(samples[at : at + step])
        at += step
    return pieces


def convert(converter: Converter, pieces: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([*(converter.push(piece) for piece in pieces), converter.flush()])


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8000, 16000, 22050, 32000, 44100, 48000, 96000]),
    channels=st.sampled_from([1, 2, 3, 8]),
    frames=st.integers(1, 20000),
    seed=st.integers(0, 2**32),
)
def test_any_cutting_gives_the_same_bits(rate: int, channels: int, frames: int, seed: int) -> None:
    samples = sound(frames, channels, seed=seed)
    whole = convert(Converter(rate, channels), [samples])
    pieces = convert(Converter(rate, channels), cut(samples, random.Random(seed)))
    assert whole.dtype == np.int16
    assert np.array_equal(whole, pieces)
    assert len(whole) == pytest.approx(frames * 16000 / rate, abs=1)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (16000, 2)])
def test_reset_and_flush_leave_it_as_new(rate: int, channels: int) -> None:
    samples = sound(9000, channels)
    fresh = convert(Converter(rate, channels), [samples])
    used = Converter(rate, channels)
    used.push(sound(5000, channels, seed=2))
    used.reset()
    assert np.array_equal(convert(used, [samples]), fresh)
    assert np.array_equal(convert(used, [samples]), fresh)


def test_the_right_shape_is_handed_on_untouched() -> None:
    samples = sound(1024, 1)
    assert np.shares_memory(Converter(16000, 1).push(samples), samples)


def test_the_right_shape_needs_no_resampler() -> None:
    code = "import sys; from edged.audio.resample import Converter as C; C(16000, 1); sys.exit('soxr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_channels_are_averaged_exactly() -> None:
    samples = np.array([[32767, 32767], [-32768, -32768], [1, 2], [3, 4], [-1, 0]], np.int16)
    assert Converter(16000, 2).push(samples).tolist() == [32767, -32768, 2, 4, 0]


def test_silence_stays_silence() -> None:
    assert not convert(Converter(48000, 1), [np.zeros((48000, 1), np.int16)]).any()


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_tone_passes_and_its_alias_does_not(rate: int) -> None:
    def heard(hz: int) -> float:
        tone = 16384 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
        out = convert(Converter(rate, 1), [tone.astype(np.int16).reshape(-1, 1)])[4000:12000].astype(float)
        return float(20 * np.log10(np.sqrt(np.mean(out**2)) / (16384 / np.sqrt(2)) + 1e-9))

    assert heard(1000) == pytest.approx(0, abs=0.1)
    assert heard(7000) == pytest.approx(0, abs=0.1)
    assert heard(9000) < -80


def test_full_scale_does_not_wrap() -> None:
    square = np.where(np.arange(48000) // 60 % 2, 32767, -32768).astype(np.int16).reshape(-1, 1)
    out = convert(Converter(48000, 1), [square]).astype(int)
    middle = out[2000:-2000]
    assert np.abs(np.diff(middle)).max() < 65536
    assert (middle.max(), middle.min()) == (32767, -32768)
    assert (middle[np.abs(middle) < 1000].size / middle.size) < 0.1
