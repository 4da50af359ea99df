"""A small dataset that a network learns in seconds: high and low tones, and noise, by four makers."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000
HZ = {"low": 300.0, "high": 1500.0, "_noise_": 0.0}
MAKERS = 4
TAKES = 3
HEAD = "path,label,source,group,licence"
RECIPE = """\
name = "tones"
hop_frames = 8

[augment]
room = 0.0
cut = 0.0
colour_db = 0.0

[network]
filters = [8, 16]
strides = [3, 2]
dropout = 0.1

[training]
steps = 120
batch = 8
learning_rate = 0.02
warmup = 10
average = 0.9
evaluate_every = 40
"""


def tone(hz: float, *, rng: np.random.Generator, seconds: float = 1.0) -> NDArray[np.int16]:
    """A tone between silences, in noise; noise alone for 0 Hz."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = rng.normal(size=len(t)) * (100 if hz else 1500)
    if hz:
        sound += 8000 * np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * t) * (abs(t / seconds - 0.5) < 0.3)
    return sound.astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16], *, rate_hz: int = RATE_HZ) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())


def write_manifest(folder: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    text = "\n".join([HEAD, *map(",".join, rows)]) + "\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder


def tones(folder: Path, *, makers: int = MAKERS, takes: int = TAKES) -> Path:
    """Write the dataset: so many clips of each label by each maker."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    rows = []
    for maker in range(makers):
        for label, hz in HZ.items():
            for take in range(takes):
                name = f"{label}-{maker}-{take}.wav"
                write_wav(folder / name, tone(hz, rng=rng))
                rows.append((name, label, "synthetic", f"maker{maker}", "CC0-1.0"))
    return write_manifest(folder, rows)
