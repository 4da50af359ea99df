"""Scenes: stretches of continuous sound in which words are said, and much that is not them.

A model that heard only clips cut around a word has never met half a word, two words in a breath, or a chair that is
moved; and those are what a stream is made of. So training is done on scenes: a bed of noise (or none), and on it, with
gaps, words, words cut short, what sounds nearly like them, other speech and other sounds, each at its own speed and
level, all in one room, through one microphone. Where each word ends is marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.workshop.augment import active, colour, fitted, gain, mix, room, speed, to_pcm
from edged.workshop.dataset import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.records import Pcm
    from edged.workshop.augment import Wave

SCENE_S: Final = 6.0
_FADE: Final = RATE_HZ // 100
_HALF: Final = (0.3, 0.65)
"""How much of a word is left when it is cut short."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One recording, and where in it the sound is."""

    wave: Wave
    """float32, shape (n,), 16 kHz."""
    core: slice
    """Its active part, in samples."""

    @classmethod
    def of(cls, wave: Wave) -> Sound:
        """Find the active part."""
        return cls(wave, active(wave, rate_hz=RATE_HZ))


@dataclass(frozen=True, slots=True)
class Palette:
    """What scenes are made of; all of it from groups that belong together, in training or in a test."""

    words: Mapping[str, Sequence[Sound]]
    """By label: recordings of people."""
    spoken: Mapping[str, Sequence[Sound]]
    """By label: said by machines."""
    others: Sequence[Sequence[Sound]]
    """Kinds of what is not a word: near misses, speech, sounds. Each kind comes up as often as the next."""
    beds: Sequence[Wave]
    """Noise that goes on under it all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A word in a scene."""

    label: str
    ends: int
    """Index just past its last sample."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is heard, and what was said."""

    samples: Pcm
    """Shape (n,), int16, 16 kHz."""
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Odds:
    """How often what happens."""

    word: float = 0.5
    """Of the items in a scene, words that are whole."""
    cut: float = 0.1
    """Of the items, words cut short."""
    scrambled: float = 0.12
    """Of the items, words put together wrongly: in a real voice, and nearly right."""
    spoken: float = 0.35
    """Of the words, those said by machines."""
    quiet: float = 0.2
    """Of the scenes, those with next to no noise."""
    room: float = 0.45
    """Of the scenes, those in a room with an echo."""
    snr_db: tuple[float, float] = (-6.0, 22.0)


def compose(palette: Palette, *, rng: np.random.Generator, odds: Odds) -> Scene:
    """Draw a scene of `SCENE_S` seconds."""
    track = np.zeros(round(SCENE_S * RATE_HZ), np.float32)
    marks: list[Mark] = []
    loud: list[Wave] = []
    at = int(rng.uniform(0.0, 1.2) * RATE_HZ)
    while at < len(track) - RATE_HZ // 2:
        label, wave, ends = _item(palette, rng=rng, odds=odds)
        room_left = len(track) - at
        track[at : at + len(wave)] += wave[:room_left]
        if label and ends <= room_left:
            marks.append(Mark(label, at + ends))
        loud.append(wave[:room_left])
        at += len(wave) + int(rng.uniform(0.0, 0.9) * RATE_HZ)
    heard = _in_a_room(track, rng=rng, odds=odds)
    heard = _over_noise(heard, np.concatenate(loud), palette.beds, rng=rng, odds=odds)
    peak = float(np.abs(heard).max()) or 1.0
    level_db = float(rng.uniform(-32.0, 1.0))  # over 0 it clips, as microphones do
    return Scene(to_pcm(gain(heard / np.float32(peak), level_db)), tuple(marks))


def _item(palette: Palette, *, rng: np.random.Generator, odds: Odds) -> tuple[str, Wave, int]:
    """A sound at its own speed and level, the label if it is a whole word, and where the word ends in it."""
    chance = rng.random()
    if chance >= odds.word + odds.cut + odds.scrambled:
        kind = palette.others[int(rng.integers(len(palette.others)))]
        return "", _varied(_trimmed(kind[int(rng.integers(len(kind)))], rng=rng), rng=rng)[0], 0
    label, sound = _word(palette, rng=rng, odds=odds)
    if chance < odds.word:
        wave, ends = _varied(_trimmed(sound, rng=rng), rng=rng)
        return label, wave, ends
    if chance < odds.word + odds.cut:
        return "", _varied(_cut(sound, rng=rng), rng=rng)[0], 0
    other, second = _word(palette, rng=rng, odds=odds)
    return "", _varied(_scrambled(sound, second if other != label else None, rng=rng), rng=rng)[0], 0


def _word(palette: Palette, *, rng: np.random.Generator, odds: Odds) -> tuple[str, Sound]:
    labels = sorted(palette.words)
    label = labels[int(rng.integers(len(labels)))]
    pool = palette.spoken if label in palette.spoken and rng.random() < odds.spoken else palette.words
    return label, pool[label][int(rng.integers(len(pool[label])))]


def _trimmed(sound: Sound, *, rng: np.random.Generator) -> Sound:
    """The whole recording, or just the sound with a little around it; at most 3 s."""
    if rng.random() < 0.4:  # noqa: PLR2004 - as often as recordings are pasted as they are
        first, last = 0, len(sound.wave)
    else:
        first = max(0, sound.core.start - int(rng.uniform(0.02, 0.2) * RATE_HZ))
        last = min(len(sound.wave), sound.core.stop + int(rng.uniform(0.05, 0.25) * RATE_HZ))
    last = min(last, first + 3 * RATE_HZ) if sound.core.stop - first > 3 * RATE_HZ else last
    wave = _faded(sound.wave[first:last])
    return Sound(wave, slice(sound.core.start - first, min(sound.core.stop - first, len(wave))))


def _cut(sound: Sound, *, rng: np.random.Generator) -> Sound:
    """The beginning or the end of a word, without the rest."""
    length = sound.core.stop - sound.core.start
    kept = int(length * rng.uniform(*_HALF))
    first = sound.core.start if rng.random() < 0.5 else sound.core.stop - kept  # noqa: PLR2004 - either half
    return Sound(_faded(sound.wave[first : first + kept]), slice(0, kept))


def _scrambled(sound: Sound, other: Sound | None, *, rng: np.random.Generator) -> Sound:
    """The beginning of a word with the end of another one, or its own halves the wrong way round, or all backwards."""
    core = sound.wave[sound.core]
    at = int(len(core) * rng.uniform(0.35, 0.65))
    if other is not None and rng.random() < 0.6:  # noqa: PLR2004 - mostly
        ending = other.wave[other.core]
        parts = [core[:at], ending[int(len(ending) * rng.uniform(0.35, 0.65)) :]]
    elif rng.random() < 0.6:  # noqa: PLR2004 - as above
        parts = [core[at:], core[:at]]
    else:
        parts = [core[::-1]]
    wave = np.concatenate([_faded(part) for part in parts])
    return Sound(wave, slice(0, len(wave)))


def _varied(sound: Sound, *, rng: np.random.Generator) -> tuple[Wave, int]:
    """Another speed and level; and where the sound then ends."""
    wave, ends = sound.wave, sound.core.stop
    if rng.random() < 0.6:  # noqa: PLR2004 - most people do not speak as those who were recorded
        factor = float(rng.uniform(0.86, 1.16))
        wave, ends = speed(wave, factor), round(ends / factor)
    level = float(np.sqrt(np.square(wave).mean(dtype=np.float64))) or 1.0
    return gain(wave / np.float32(level), float(rng.uniform(-6.0, 3.0))), min(ends, len(wave))


def _faded(wave: Wave) -> Wave:
    """No click at either end."""
    wave = wave.copy()
    fade = min(_FADE, len(wave) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        wave[:fade] *= ramp
        wave[-fade:] *= ramp[::-1]
    return wave


def _in_a_room(track: Wave, *, rng: np.random.Generator, odds: Odds) -> Wave:
    if rng.random() < odds.room:
        rt60_s, distance = float(rng.uniform(0.1, 0.7)), float(np.exp(rng.uniform(np.log(0.05), np.log(1.5))))
        track = room(track, rng=rng, rate_hz=RATE_HZ, rt60_s=rt60_s, distance=distance)
    return colour(track, rng=rng, rate_hz=RATE_HZ, depth_db=float(rng.uniform(0.0, 8.0)))


def _over_noise(track: Wave, loud: Wave, beds: Sequence[Wave], *, rng: np.random.Generator, odds: Odds) -> Wave:
    """Under it the bed, at a ratio to what is loud in it."""
    if rng.random() < odds.quiet:
        hiss = float(10 ** (rng.uniform(-90.0, -45.0) / 20)) if rng.random() < 0.7 else 0.0  # noqa: PLR2004 - or none
        return np.asarray(track + rng.standard_normal(len(track)) * hiss, dtype=np.float32)
    bed = fitted(beds[int(rng.integers(len(beds)))], len(track), rng=rng)
    if rng.random() < 0.25:  # noqa: PLR2004 - two at once
        other = fitted(beds[int(rng.integers(len(beds)))], len(track), rng=rng)
        bed = mix(bed, other, snr_db=float(rng.uniform(-6.0, 6.0)))
    reference = float(np.square(loud).mean(dtype=np.float64)) or 1.0
    power = float(np.square(bed).mean(dtype=np.float64)) or 1.0
    snr_db = float(rng.uniform(*odds.snr_db))
    return track + bed * np.float32(np.sqrt(reference / power * 10 ** (-snr_db / 10)))
