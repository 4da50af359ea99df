"""What is done to sounds: lengths, levels and ratios are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.workshop.augment import active, colour, fitted, gain, mix, room, speed, to_pcm, to_wave

if TYPE_CHECKING:
    from edged.workshop.augment import Wave

RATE_HZ = 16_000


def tone(hz: float, *, seconds: float = 1.0, level: float = 0.1) -> Wave:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.asarray(level * np.sin(2 * np.pi * hz * time_s), dtype=np.float32)


def power_db(wave: Wave) -> float:
    return float(10 * np.log10(np.square(wave).mean()))


def loudest_hz(wave: Wave) -> float:
    return float(np.fft.rfftfreq(len(wave), 1 / RATE_HZ)[np.abs(np.fft.rfft(wave)).argmax()])


def test_samples_come_back_as_they_were() -> None:
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    assert to_pcm(to_wave(samples)).tolist() == samples.tolist()


def test_what_is_too_loud_clips() -> None:
    assert to_pcm(np.array([1.5, -1.5], np.float32)).tolist() == [32767, -32768]


def test_the_active_part_is_where_the_sound_is() -> None:
    wave = np.random.default_rng(0).standard_normal(2 * RATE_HZ).astype(np.float32) * 1e-4
    wave[8000:16000] += tone(500, seconds=0.5)
    found = active(wave, rate_hz=RATE_HZ)
    assert abs(found.start - 8000) <= 320
    assert abs(found.stop - 16000) <= 320


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_a_silent_waveform_is_all_active(length: int) -> None:
    assert active(np.zeros(length, np.float32), rate_hz=RATE_HZ) == slice(0, length)


def test_gain_is_in_decibels() -> None:
    assert power_db(gain(tone(440), -6)) - power_db(tone(440)) == pytest.approx(-6, abs=1e-3)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_changes_length_and_pitch_together(factor: float) -> None:
    fast = speed(tone(1000), factor)
    assert len(fast) == pytest.approx(RATE_HZ / factor, abs=200)
    assert loudest_hz(fast) == pytest.approx(1000 * RATE_HZ / len(fast), rel=0.01)
    assert power_db(fast) == pytest.approx(power_db(tone(1000)), abs=0.5)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0])
def test_the_ratio_holds_over_the_sound(snr_db: float) -> None:
    wave = np.zeros(2 * RATE_HZ, np.float32)
    wave[:8000] = tone(700, seconds=0.5)
    noise = np.random.default_rng(1).standard_normal(len(wave)).astype(np.float32)
    under = mix(wave, noise, snr_db=snr_db, over=slice(0, 8000)) - wave
    assert power_db(wave[:8000]) - power_db(under) == pytest.approx(snr_db, abs=0.05)


def test_noise_that_is_no_noise_changes_nothing() -> None:
    wave = tone(300)
    assert np.array_equal(mix(wave, np.zeros_like(wave), snr_db=0), wave)


def test_a_colour_stays_within_its_depth() -> None:
    noise = np.random.default_rng(2).standard_normal(RATE_HZ).astype(np.float32)
    coloured = colour(noise, rng=np.random.default_rng(3), rate_hz=RATE_HZ, depth_db=6)
    change_db = 20 * np.log10(np.abs(np.fft.rfft(coloured))[10:-10] / np.abs(np.fft.rfft(noise))[10:-10])
    assert np.abs(change_db).max() <= 6.1
    assert np.ptp(change_db) > 1


def test_a_room_goes_on_after_the_sound() -> None:
    wave = np.zeros(RATE_HZ, np.float32)
    wave[1000] = 1
    wet = room(wave, rng=np.random.default_rng(4), rate_hz=RATE_HZ, rt60_s=0.3, distance=1.0)
    assert len(wet) == len(wave)
    assert not wet[:990].any() or np.abs(wet[:990]).max() < 1e-6
    assert np.square(wet[1001:]).sum() == pytest.approx(np.square(wet[1000]), rel=0.1)
    assert power_db(wet[1000 + 3200 : 1000 + 4800]) < power_db(wet[1001:2600]) - 20


@given(st.integers(1, 50), st.integers(1, 200))
def test_any_noise_fits_any_length(length: int, wanted: int) -> None:
    noise = np.arange(length, dtype=np.float32)
    cut = fitted(noise, wanted, rng=np.random.default_rng(0))
    assert len(cut) == wanted
    assert set(cut) <= set(noise)
