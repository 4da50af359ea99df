"""The shared recordings, and windows of them: words, sounds, noise, and speech whose words nobody wrote down.

Of the last one or two stretches of 0.9 s are taken from each recording, and each is a thing of its own, to be told
apart from all others: what real voices in real rooms sound like is learnt from these. Windows are made of every
recording; who takes part is chosen afterwards, by models/embedding/data.csv, so that another choice needs no new ones.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
from embedding.world import LEAD, RATE_HZ, SPAN, World

from edged.workshop.augment import active

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
DATA = ROOT / "models" / "embedding" / "data.csv"
SHARE_ALIKE = "Jakobovski/FSDD"
"""Nothing that is trained on it may ship."""
STEADY = ("rain", "sea_waves", "fire_crackling", "helicopter", "chainsaw", "clock_tick")
"""Sounds that serve as noise as well."""
LEFT_OUT = ""
"""The name of a window that takes no part."""
WORD_VIEWS, SOUND_VIEWS, NOISE_VIEWS, SPEECH_VIEWS = 14, 45, 700, 10
STRETCH = 14_000
"""Samples of a stretch of speech."""
LONG = 20_000
"""Samples of speech from which on two stretches are taken."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A line of the manifest."""

    path: Path
    label: str
    source: str
    group: str
    licence: str

    @property
    def is_sound(self) -> bool:
        """Whether it is of ESC-10."""
        return self.source.startswith("karoldvl")

    @property
    def is_noise(self) -> bool:
        """Whether it is of the background noises."""
        return self.label == "_noise_"

    @property
    def is_speech(self) -> bool:
        """Whether it is speech without a transcript."""
        return self.label == "_unknown_"

    @property
    def takes_part(self) -> bool:
        """Whether the embedding is trained with it."""
        return (self.source, self.group) in taking_part()

    def wave(self) -> NDArray[np.float32]:
        """Its samples, full scale 1."""
        wave, rate_hz = sf.read(self.path, dtype="float32")
        if rate_hz != RATE_HZ:
            raise SystemExit(f"{self.path}: {rate_hz} Hz, not {RATE_HZ}")
        return np.asarray(wave, np.float32)

    def pcm(self) -> NDArray[np.int16]:
        """The same, int16."""
        return np.asarray(sf.read(self.path, dtype="int16")[0], np.int16)


@cache
def all_recordings() -> tuple[Recording, ...]:
    """What the manifest lists, in its order."""
    with (SHARED / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(Recording(SHARED / r["path"], r["label"], r["source"], r["group"], r["licence"]) for r in rows)


@cache
def taking_part() -> frozenset[tuple[str, str]]:
    """Sources and groups of which the embedding is trained."""
    with DATA.open(encoding="utf-8", newline="") as file:
        return frozenset((row["source"], row["group"]) for row in csv.DictReader(file))


@cache
def noises() -> tuple[NDArray[np.float32], ...]:
    """Recordings of noise that are long enough, in the manifest's order."""
    chosen = [clip for clip in all_recordings() if clip.is_noise or (clip.is_sound and clip.label in STEADY)]
    return tuple(wave for clip in chosen if len(wave := clip.wave()) > LEAD + SPAN + 1)


def recorded(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Windows of every recording but those under share-alike, and their names."""
    world = World(rng, noises())
    windows, names = [], []
    for number, clip in enumerate(all_recordings()):
        if clip.source == SHARE_ALIKE:
            continue
        made = _windows(world, clip, number=number)
        windows += [window for _, window in made]
        names += [name.replace("_", " ") if clip.takes_part else LEFT_OUT for name, _ in made]
    return np.array(windows), np.array(names)


def _windows(world: World, clip: Recording, *, number: int) -> list[tuple[str, NDArray[np.uint8]]]:
    wave, rng = clip.wave(), world.rng
    if clip.is_sound or clip.is_noise:
        views = SOUND_VIEWS if clip.is_sound else NOISE_VIEWS
        stretches = (slice(at, at + SPAN - 400) for at in _places(rng, len(wave) - SPAN, count=views))
        return [(clip.label, world.recording(wave, stretch)) for stretch in stretches]
    sound = active(wave, rate_hz=RATE_HZ)
    if not clip.is_speech:
        return [(clip.label, world.recording(wave, sound)) for _ in range(WORD_VIEWS)]
    long = sound.stop - sound.start
    starts = [sound.start + int(rng.uniform(0, max(1, long - STRETCH))) for _ in range(2 if long > LONG else 1)]
    stretches = (slice(at, min(sound.stop, at + STRETCH)) for at in starts)
    return [
        (f"inst{number}_{which}", world.recording(wave, stretch))
        for which, stretch in enumerate(stretches)
        for _ in range(SPEECH_VIEWS)
    ]


def _places(rng: np.random.Generator, room: int, *, count: int) -> Iterator[int]:
    """Places drawn one by one, each when it is asked for: the windows draw from the same generator in between."""
    for _ in range(count):
        yield int(rng.integers(0, room))
