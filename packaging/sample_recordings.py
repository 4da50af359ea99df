"""Recordings to try the workshop with, for who has none at hand: a bell, a knock, a whistle, and rooms without them.

    .venv/bin/python packaging/sample_recordings.py recordings

makes recordings/LABEL/HOUSE/N.wav, 16 kHz: the doors of six houses, each heard six times. They are computed.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

RATE_HZ = 16_000
MAKERS, TAKES = 6, 6
SEED = 11


def main() -> None:
    """Make them."""
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(SEED)
    for maker in range(MAKERS):
        pitch = float(rng.uniform(0.8, 1.25))
        floor = float(10 ** rng.uniform(-3.3, -2.5))
        for take in range(TAKES):
            for label, sound in (("bell", _bell), ("knock", _knock), ("whistle", _whistle)):
                heard = sound(rng, pitch) * rng.uniform(0.2, 0.8)
                _write(folder / label / f"house{maker}" / f"{take}.wav", heard, floor, rng)
            _write(folder / "_noise_" / f"house{maker}" / f"{take}.wav", _room(rng), floor, rng)


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _ring(hz: float, seconds: float, decay: float) -> Wave:
    time_s = _time(seconds)
    return np.asarray(np.sin(2 * np.pi * hz * time_s) * np.exp(-decay * time_s))


def _bell(rng: np.random.Generator, pitch: float) -> Wave:
    """Ding, dong."""
    ding, dong = (_ring(hz * pitch * rng.uniform(0.95, 1.05), 0.7, rng.uniform(3, 9)) for hz in (660, 520))
    return np.concatenate([ding[: round(rng.uniform(0.3, 0.5) * RATE_HZ)], dong])


def _knock(rng: np.random.Generator, pitch: float) -> Wave:
    """Three or four blows on wood."""
    blows = []
    for _ in range(int(rng.integers(3, 5))):
        blow = _ring(180 * pitch, 0.12, 45) + 0.3 * rng.standard_normal(round(0.12 * RATE_HZ)) * np.exp(
            -90 * _time(0.12)
        )
        blows += [blow, np.zeros(round(rng.uniform(0.06, 0.12) * RATE_HZ))]
    return np.concatenate(blows)


def _whistle(rng: np.random.Generator, pitch: float) -> Wave:
    """Up, or down."""
    time_s = _time(float(rng.uniform(0.5, 0.9)))
    begin, end = rng.permutation([1100, 2100]) * pitch
    hz = begin + (end - begin) * time_s / time_s[-1]
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * np.hanning(len(time_s)) ** 0.3)


def _room(rng: np.random.Generator) -> Wave:
    """Four seconds of a room: hiss that falls with frequency, a motor's hum."""
    length = 4 * RATE_HZ
    hiss = np.fft.irfft(
        np.fft.rfft(rng.standard_normal(length)) / np.maximum(1, np.arange(length // 2 + 1)) ** 0.5, n=length
    )
    return np.asarray(0.1 * hiss / hiss.std() + 0.02 * np.sin(2 * np.pi * rng.uniform(50, 150) * _time(4)))


def _write(path: Path, heard: Wave, floor: float, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    around = np.zeros(round(0.4 * RATE_HZ))
    whole = np.concatenate([around, heard, around])
    samples = np.clip((whole + rng.standard_normal(len(whole)) * floor) * 20_000, -32_768, 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()
