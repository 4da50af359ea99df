"""Words said by machines, many voices each, from a list and from nothing: what the embedding learns to tell apart.

A class is a word or short phrase of `models/embedding/words.txt`, or one of 600 made of English sounds at random, so
that the embedding learns how speech sounds more than which words there are. Nobody's voice and nobody's recording is
in it. The same seed and the same espeak-ng and flite give the same samples.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RATE_HZ = 16_000
MADE_UP = 600
MADE_UP_SEED = 77
ONSETS = [
    *("p", "b", "t", "d", "k", "g", "tS", "dZ", "f", "v", "T", "s", "z", "S", "h", "m", "n", "l", "r", "w", "j"),
    *("pl", "bl", "kl", "gl", "fl", "sl", "pr", "br", "tr", "dr", "kr", "gr", "fr", "st", "sp", "sk", "sm"),
    *("sn", "sw", "tw", "kw"),
    "",
]
NUCLEI = ["I", "E", "a", "0", "V", "U", "i:", "u:", "A:", "O:", "3:", "eI", "aI", "OI", "oU", "aU"]
CODAS = [
    *("", "", ""),
    *("p", "b", "t", "d", "k", "g", "tS", "dZ", "f", "v", "T", "s", "z", "S", "m", "n", "N", "l", "st", "nt"),
    *("nd", "mp", "ks", "ft", "lt"),
]
"""In espeak-ng's phonemes."""
REDUCED, CLOSED = 0.5, 0.25
"""Shares of the unstressed syllables with a weak vowel, and of those within a word with a coda."""
ACCENTS = (
    *("en-us", "en-us", "en-us", "en-gb", "en-gb", "en-gb-scotland"),
    *("en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"),
)
ALTERED = 0.93
"""Share of words not said in an accent's own voice but in one of espeak-ng's characters."""
FLITE = ("awb", "kal16", "rms", "slt", "kal")
LONGEST_S = 2.0
SHORTEST = 800
"""Samples: less is no word."""
SILENT = 1e-3
QUIET = 0.015
"""Of the highest sample: what is softer before and after the word is cut off."""


@dataclass(frozen=True, slots=True)
class Said:
    """One word, said once."""

    word: int
    """Which of `words_of()`."""
    samples: NDArray[np.int16]
    """16 kHz, as loud as can be."""


def words_of(listed: Path) -> list[str]:
    """The words: those listed, by spaces or, on a line with |, by these, and then those made up."""
    words: list[str] = []
    for line in listed.read_text(encoding="utf-8").splitlines():
        plain, *phrases = line.strip().split("|")
        words += [*plain.split(), *phrases]
    return [*dict.fromkeys(words), *_made_up()]


def is_made_up(word: str) -> bool:
    """Whether no orthography says how it is said, so that flite cannot."""
    return word.startswith("[[")


def _made_up() -> list[str]:
    rng = np.random.default_rng(MADE_UP_SEED)
    made: list[str] = []
    while len(made) < MADE_UP:
        syllables = int(rng.choice([1, 2, 3], p=[0.3, 0.45, 0.25]))
        stressed, word = int(rng.integers(syllables)), ""
        for number in range(syllables):
            last = number == syllables - 1
            nucleus = NUCLEI[rng.integers(len(NUCLEI))]
            if number != stressed and rng.random() < REDUCED:
                nucleus = "@"
            word += ONSETS[rng.integers(len(ONSETS))] + "'" * (number == stressed) + nucleus
            if last or rng.random() < CLOSED:
                word += CODAS[rng.integers(len(CODAS))]
        made.append(f"[[{word}]]")
    return list(dict.fromkeys(made))


def espeak(words: list[str], *, rounds: int, seed: int) -> Iterator[Said]:
    """Every word so many times, each time in another voice of espeak-ng's."""
    (characters,) = Path("/usr/lib").glob("*/espeak-ng-data/voices/!v")
    names = sorted(path.name for path in characters.iterdir())
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for number, word in enumerate(words):
            altered = rng.random() < ALTERED
            voice = ACCENTS[rng.integers(len(ACCENTS))]
            if altered:
                voice += f"+{names[rng.integers(len(names))]}"
            pitch, pace = str(rng.integers(15, 86)), str(rng.integers(115, 235))
            command = ["espeak-ng", "-v", voice, "-p", pitch, "-s", pace, "--stdout", word]
            yield from _said(number, subprocess.run(command, capture_output=True, check=False).stdout)


def flite(words: list[str], *, rounds: int, seed: int) -> Iterator[Said]:
    """Every word so many times in the voices of flite, which were made of people's."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "said.wav")
        for _ in range(rounds):
            for number, word in enumerate(words):
                voice = FLITE[rng.integers(len(FLITE))]
                stretch, mean_hz = rng.uniform(0.75, 1.3), rng.uniform(80, 230)
                how = [f"duration_stretch={stretch:.2f}", "--setf", f"int_f0_target_mean={mean_hz:.0f}"]
                command = ["flite", "-voice", voice, "--setf", *how, "-t", word, "-o", str(out)]
                subprocess.run(command, capture_output=True, check=False)
                yield from _said(number, out.read_bytes())


def _said(word: int, wav: bytes) -> Iterator[Said]:
    """The samples of a WAV, at 16 kHz, without the quiet around them; nothing where the engine said nothing."""
    body = wav.find(b"data") + 8
    pcm = np.frombuffer(wav[body : len(wav) - (len(wav) - body) % 2], "<i2")
    if len(pcm) == 0:
        return
    rate_hz = int.from_bytes(wav[24:28], "little")
    wave = soxr.resample(pcm.astype(np.float32) / 32768, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() * QUIET)
    if np.abs(wave).max() < SILENT or len(wave) < SHORTEST:
        return
    wave = wave[max(0, loud[0] - 160) : loud[-1] + 320][: round(LONGEST_S * RATE_HZ)]
    if len(wave) >= SHORTEST:
        yield Said(word, (wave / np.abs(wave).max() * 32000).astype(np.int16))
