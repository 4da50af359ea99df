"""Speech made on the spot by espeak-ng, so that tests have words without anybody's recordings."""

from __future__ import annotations

import subprocess
import wave
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.records import Pcm

RATE_HZ = 22050
"""What espeak-ng makes."""
PAUSE_S = 1.5


def say(words: str, *, voice: str = "en-us", folder: Path) -> Pcm:
    """Speak; returns samples at `RATE_HZ`, shape (n,)."""
    path = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), words], check=True)
    with wave.open(str(path)) as reading:
        return np.frombuffer(reading.readframes(reading.getnframes()), "<i2").astype(np.int16)


def write_wav(path: Path, samples: Pcm, *, rate_hz: int = RATE_HZ) -> Path:
    """Write mono or (n, channels) samples."""
    with wave.open(str(path), "wb") as writing:
        writing.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        writing.setsampwidth(2)
        writing.setframerate(rate_hz)
        writing.writeframes(samples.astype("<i2").tobytes())
    return path


def spoken(path: Path, phrases: Sequence[tuple[str, str]]) -> Path:
    """Write a recording of (words, voice) phrases with pauses before, between and after."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.int16)
    parts = [pause]
    for words, voice in phrases:
        parts += [say(words, voice=voice, folder=path.parent), pause]
    return write_wav(path, np.concatenate(parts))
