"""Palettes: what the scenes of a training are made of, dealt into parts that never meet.

The groups of a dataset are dealt into as many parts as the recipe says, each with its words, its background and its
share of what machines say: voices for the words themselves, near misses by phrase, sentences. A scene is made of one
part only. So a training that holds one part back (`edged train --fold K/N`, N the number of parts) takes the scenes of
the others as they are, and the four trainings of a cross-validation and the final one share them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.workshop import nearly, speech
from edged.workshop.augment import to_wave
from edged.workshop.dataset import RATE_HZ, folds, read_audio
from edged.workshop.scenes import Palette, Sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.workshop.augment import Wave
    from edged.workshop.recipe import Recipe
    from edged.workshop.speech import Voice
    from edged.workshop.split import Example, Split

BED_S: Final = 8
COLOURS: Final = (0.0, 0.5, 1.0, 1.0)
"""Powers of 1/f with which the spectra of made noise fall: white, pink, and twice brown."""
BABBLE: Final = 12
"""Beds of several people talking."""
TALKERS: Final = 4
LONG_BED_S: Final = 20.0
"""A bed longer than this counts once for each so many seconds, lest it be drowned by many short ones."""
_WORDS, _NEAR, _SENTENCES = 1, 2, 3
"""Streams of chance, one for each kind of speech."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something to be said."""

    words: str
    voice: Voice


@dataclass(slots=True)
class Part:
    """One part: the clips of its groups, and the lines that are its share."""

    number: int
    examples: list[Example] = field(default_factory=list)
    words: dict[str, list[Line]] = field(default_factory=dict)
    near: list[Line] = field(default_factory=list)
    mutants: list[Line] = field(default_factory=list)
    sentences: list[Line] = field(default_factory=list)


def parts_of(recipe: Recipe, split: Split) -> list[Part]:
    """Deal out the training's clips and its lines; a part that is wholly in the test is left out with its lines.

    Which part a group or a line is in depends on all clips of the split and on the recipe, not on what is held back.
    """
    count = recipe.streaming.parts
    everyone = [*split.train, *split.validation, *split.test]
    part_of = folds([each.clip for each in everyone], k=count, seed=0)
    parts = [Part(number) for number in range(count)]
    for example in split.train:
        parts[part_of[example.clip.speaker]].examples.append(example)
    _deal_lines(parts, recipe, split.outputs[:-1])
    return [part for part in parts if part.examples]


def near_misses(recipe: Recipe, part: int) -> list[str]:
    """The phrases of the recipe's list that belong to a part, from 0: no training without that part hears them."""
    return [phrase for at, phrase in enumerate(recipe.streaming.near_misses) if at % recipe.streaming.parts == part]


def _deal_lines(parts: Sequence[Part], recipe: Recipe, labels: Sequence[str]) -> None:
    how, seed = recipe.streaming, recipe.training.seed
    if not (how.spoken or how.near or how.mutants or how.sentences):
        return
    engines = speech.available()
    for number, label in enumerate(labels):
        rng = np.random.default_rng([seed, _WORDS, number])
        said = how.say.get(label, label.replace("_", " "))
        for at in range(how.spoken):
            parts[at % len(parts)].words.setdefault(label, []).append(
                Line(said, speech.draw_voice(rng, engines=engines))
            )
        nearly_so = nearly.mutants(said, rng=rng, count=how.mutants)
        nearly_so += nearly.partners(said, others=how.words, rng=rng, count=how.mutants)
        for at, words in enumerate(nearly_so):
            engine = ("espeak-ng",) if words.startswith("[[") else engines  # flite knows no phonemes of espeak-ng
            parts[at % len(parts)].mutants.append(Line(words, speech.draw_voice(rng, engines=engine)))
    rng = np.random.default_rng([seed, _NEAR])
    for part in parts:
        for phrase in near_misses(recipe, part.number):
            part.near += [Line(phrase, speech.draw_voice(rng, engines=engines)) for _ in range(how.near)]
    rng = np.random.default_rng([seed, _SENTENCES])
    for at in range(how.sentences if how.words else 0):
        words = " ".join(how.words[int(each)] for each in rng.integers(len(how.words), size=int(rng.integers(2, 8))))
        accents = speech.FOREIGN if at % 3 == 0 else speech.ACCENTS
        parts[at % len(parts)].sentences.append(Line(words, speech.draw_voice(rng, engines=engines, accents=accents)))


def palette_of(part: Part, recipe: Recipe, outputs: Sequence[str]) -> Palette:
    """Read the part's clips, and have its lines said. Raises as `read_audio` and `speech.say`."""
    words: dict[str, list[Sound]] = {label: [] for label in outputs[:-1]}
    kinds: dict[str, list[Sound]] = {}
    beds: list[Wave] = []
    for example in part.examples:
        sound = Sound.of(to_wave(read_audio(example.clip)))
        if example.output < len(words):
            words[outputs[example.output]].append(sound)
            continue
        kinds.setdefault(example.clip.source, []).append(sound)
        if example.clip.label in recipe.streaming.beds:
            beds += [sound.wave] * max(1, round(len(sound.wave) / RATE_HZ / LONG_BED_S))
    talk = [sound.wave for source in sorted(kinds) for sound in kinds[source]]
    said = [_said(part.near), _said(part.mutants), _said(part.sentences)]
    others = [kinds[source] for source in sorted(kinds)] + [kind for kind in said if kind]
    rng = np.random.default_rng([recipe.training.seed, part.number])
    beds += _made(rng) + _babble(talk, rng=rng)
    return Palette(
        {label: sounds for label, sounds in words.items() if sounds},
        {label: _said(lines) for label, lines in part.words.items()},
        others,
        beds,
    )


def _said(lines: Sequence[Line]) -> list[Sound]:
    """All of them, several at a time: each is a process of its own, and threads wait for them."""
    with ThreadPoolExecutor() as pool:
        return [Sound.of(to_wave(said)) for said in pool.map(lambda line: speech.say(line.words, line.voice), lines)]


def _made(rng: np.random.Generator) -> list[Wave]:
    """Noise as machines and weather make it: hiss that falls with frequency, some of it in gusts, hum, and knocks."""
    length = BED_S * RATE_HZ
    made = []
    for number, power in enumerate(COLOURS * 8):
        spectrum = np.fft.rfft(rng.standard_normal(length))
        wave = np.fft.irfft(spectrum / np.maximum(1, np.arange(len(spectrum))) ** power, n=length)
        wave /= wave.std()
        match number % 4:
            case 1:
                wave *= 1 + 0.9 * np.sin(2 * np.pi * rng.uniform(0.2, 12) * np.arange(length) / RATE_HZ)
            case 2:
                wave = 0.3 * wave + _hum(rng, length)
            case 3:
                wave = 0.2 * wave + _knocks(rng, length)
        made.append((wave * 0.1 / wave.std()).astype(np.float32))
    return made


def _hum(rng: np.random.Generator, length: int) -> NDArray[np.float64]:
    """A motor: harmonics of a pitch that wanders."""
    pitch_hz = float(np.exp(rng.uniform(np.log(40), np.log(900))))
    drift = np.interp(np.arange(length), np.linspace(0, length, 9), rng.uniform(0.9, 1.1, 9))
    phase = 2 * np.pi * np.cumsum(pitch_hz * drift) / RATE_HZ
    harmonics = [k for k in range(1, 13) if k * pitch_hz * 1.1 < RATE_HZ / 2]
    return np.asarray(sum(np.sin(k * phase) * rng.uniform(0.1, 1) / k for k in harmonics))


def _knocks(rng: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Short ringing blows, now and then: keys, cups, steps."""
    wave = np.zeros(length)
    for _ in range(int(rng.integers(5, 60))):
        ring = int(rng.uniform(0.01, 0.15) * RATE_HZ)
        at, time_s = int(rng.integers(length - ring)), np.arange(ring) / RATE_HZ
        tone = np.sin(2 * np.pi * rng.uniform(150, 5000) * time_s) + rng.standard_normal(ring)
        wave[at : at + ring] += tone * np.exp(-time_s * rng.uniform(20, 200)) * rng.uniform(0.2, 1)
    return wave


def _babble(talk: Sequence[Wave], *, rng: np.random.Generator) -> list[Wave]:
    """Several people at once, of whom none is understood."""
    if not talk:
        return []
    beds = []
    for _ in range(BABBLE):
        bed = np.zeros(BED_S * RATE_HZ, np.float32)
        for _ in range(TALKERS):
            at = 0
            while at < len(bed):
                wave = talk[int(rng.integers(len(talk)))][: len(bed) - at]
                bed[at : at + len(wave)] += wave * np.float32(0.1 / (float(wave.std()) + 1e-6))
                at += len(wave)
        beds.append(bed)
    return beds
