"""Something to hear: "okay nabu" as espeak-ng says it, in noise and in silence."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.features.frontend import open_front_end
from edged.features.spec import Micro

if TYPE_CHECKING:
    from edged.records import Frames, Pcm


@cache
def okay_nabu() -> Pcm:
    """The phrase, 16 kHz, mono."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nabu.wav")
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", file, "okay nabu"], check=True)
        with wave.open(str(file)) as recording:
            said = np.frombuffer(recording.readframes(recording.getnframes()), dtype=np.int16)
            rate_hz = recording.getframerate()
    places = np.arange(0, len(said), rate_hz / 16_000)
    return np.interp(places, np.arange(len(said)), said).astype(np.int16)


@cache
def nabu_features() -> Frames:
    """Micro features, shape (frames, 40): the phrase three times between noise and silence, and it ends with it."""
    noise = np.random.default_rng(1).normal(0, 300, 16_000)
    said, silence = okay_nabu(), np.zeros(16_000)
    heard = np.concatenate([noise, said, silence, said, noise * 10, noise, said])
    return open_front_end(Micro()).push(np.clip(heard, -32768, 32767).astype(np.int16))
