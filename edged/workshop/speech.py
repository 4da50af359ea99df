"""Words said by machines: positives nobody had to record, and what sounds nearly like them.

espeak-ng and flite speak; neither asks anything of who uses what they said. Their voices are not people's, but there
are many: espeak-ng's accents times its characters times pitch and speed, and flite's, which were made from recordings.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.resample import Converter
from edged.errors import DatasetError
from edged.workshop.dataset import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.records import Pcm

ACCENTS: Final = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
FOREIGN: Final = ("de", "fr", "es", "it", "nl", "sv", "pl", "pt", "da", "ro")
"""English words in other languages' mouths; only for what need not be said right."""
CHARACTERS: Final = (
    "",
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "croak", "klatt", "klatt2"),
    *("klatt3", "klatt4", "klatt6", "Adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Antonio", "Auntie"),
    *("Belinda", "Benjamin", "Boris", "Caleb", "David", "Denis", "Diogo", "Ed", "Edward", "Gene", "Gustave"),
    *("Henrique", "Hugo", "Iven", "Jacky", "John", "Lee", "Linda", "Marcelo", "Marco", "Mario", "Max"),
    *("Michael", "Mike", "Nguyen", "Pablo", "Paul", "Pedro", "Quincy", "Rob", "Robert", "Steph", "Steph2"),
    *("Steph3", "Zac", "anika", "grandma", "grandpa", "norbert", "sandro", "shelby", "travis", "victor"),
)
"""Of espeak-ng: who says it; the empty one is the accent's own."""
FLITE: Final = ("kal16", "awb", "rms", "slt")
_FLITE_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Voice:
    """Who says it, and how."""

    engine: str
    """``espeak-ng`` or ``flite``."""
    name: str
    pitch: int
    """espeak-ng: 0 to 99; flite: mean pitch in Hz."""
    words_per_minute: int


def available() -> tuple[str, ...]:
    """Which of the two are installed.

    Raises:
        DatasetError: None is.
    """
    found = tuple(engine for engine in ("espeak-ng", "flite") if shutil.which(engine))
    if not found:
        raise DatasetError("nothing can speak here", key="espeak-ng", way_out="Type apt install espeak-ng flite")
    return found


def draw_voice(rng: np.random.Generator, *, engines: Sequence[str], accents: Sequence[str] = ACCENTS) -> Voice:
    """Any voice, at any pitch and speed that people have."""
    if "flite" in engines and ("espeak-ng" not in engines or rng.random() < _FLITE_SHARE):
        name = str(rng.choice(FLITE))
        mean_hz = int(rng.integers(160, 250) if name == "slt" else rng.integers(80, 165))
        return Voice("flite", name, mean_hz, int(rng.integers(120, 220)))
    accent, character = str(rng.choice(accents)), str(rng.choice(CHARACTERS))
    name = f"{accent}+{character}" if character else accent
    return Voice("espeak-ng", name, int(rng.integers(15, 85)), int(rng.integers(115, 215)))


def say(words: str, voice: Voice) -> Pcm:
    """Speak; returns int16 samples at `RATE_HZ`, shape (n,), nothing before or after but what the engine leaves.

    Raises:
        DatasetError: The engine could not.
    """
    command = _command(words, voice)
    said = subprocess.run(command, capture_output=True, check=False)
    if said.returncode or len(said.stdout) <= 44:  # noqa: PLR2004 - a WAV header and nothing else
        why = said.stderr.decode(errors="replace").strip() or "it said nothing"
        raise DatasetError(f"{voice.engine} cannot say it: {why}", value=words, way_out=f"Try {' '.join(command)}")
    with wave.open(io.BytesIO(said.stdout)) as reading:
        rate_hz = reading.getframerate()
    samples = np.frombuffer(said.stdout[44 : len(said.stdout) // 2 * 2], "<i2").astype(np.int16)
    converter = Converter(rate_hz, 1, RATE_HZ)
    return np.concatenate([converter.push(samples[:, None]), converter.flush()])


def _command(words: str, voice: Voice) -> list[str]:
    if voice.engine == "espeak-ng":
        pace, pitch = str(voice.words_per_minute), str(voice.pitch)
        return ["espeak-ng", "-v", voice.name, "-s", pace, "-p", pitch, "-z", "--stdout", words]
    stretch = f"duration_stretch={170 / voice.words_per_minute:.2f}"
    mean = f"int_f0_target_mean={voice.pitch}"
    return ["flite", "-voice", voice.name, "--setf", stretch, "--setf", mean, "-t", words, "-o", "/dev/stdout"]
