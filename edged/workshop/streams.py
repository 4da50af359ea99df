"""Streams to be judged by: continuous sound, with what sounds in it and when.

A stream is a recording with a truth file, or is woven from the clips of a dataset: in a seeded order, each with a
seeded gap before it. Without noise the clips keep their level, and between them is the faintest hiss, as a microphone
never delivers silence. With noise, that runs through the whole stream at one level, and each clip is brought to
`snr_db` above it by the level of its active samples (`edged.workshop.snr`), at the level that half the clips exceed.

A clip of a label that the model has is an event from the first of its active samples to the last; any other clip is
known too, as something that must raise nothing. Long streams come in parts of some minutes, each an unbroken stream of
its own, which may be heard side by side; samples are made as they are wanted, so that hours need no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.files import duration_s
from edged.audio.resample import Converter
from edged.errors import DatasetError
from edged.workshop.dataset import RATE_HZ, read_audio
from edged.workshop.metrics import Truth
from edged.workshop.noise import Noise
from edged.workshop.scoring import Recording
from edged.workshop.snr import active_rms, span, to_pcm
from edged.workshop.truth import read_truth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.scoring import Sound

GAP_S: Final = (1.0, 3.0)
PART_S: Final = 300.0
FADE: Final = RATE_HZ // 100
HISS: Final = 6.0
"""RMS in int16's own unit: -75 dBFS, what a quiet room with a cheap microphone delivers."""
_HEADROOM: Final = 0.9 * 32767


@dataclass(frozen=True, slots=True)
class Stream:
    """Continuous sound, and what is known of it."""

    name: str
    sound: Sound
    truths: tuple[Truth, ...]
    snr_db: float | None = None
    """Over what noise; None where none was added."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A clip in a woven stream."""

    clip: Clip
    gap: int
    """Samples between it and what is before it."""
    gain: float


@dataclass(frozen=True, slots=True)
class Woven:
    """The sound of a woven stream."""

    placed: tuple[Placed, ...]
    tail: int
    """Samples after the last clip."""
    noise: tuple[Clip, ...]
    level: float
    """RMS of the noise in int16's own unit; of the hiss where there is none."""
    seed: tuple[int, ...]

    def blocks(self, rate_hz: int) -> Iterator[Pcm]:
        """Its samples in order, mono, at this rate: shape (n,) each."""
        converter = Converter(RATE_HZ, 1, rate_hz)
        for block in self._made():
            yield converter.push(to_pcm(block)[:, None])
        yield converter.flush()

    def _made(self) -> Iterator[NDArray[np.float64]]:
        rng = np.random.default_rng(self.seed)
        under = Noise(self.noise, rng=rng).take if self.noise else rng.standard_normal
        for placed in self.placed:
            yield under(placed.gap) * self.level
            sound = _faded(read_audio(placed.clip)) * placed.gain
            yield sound + under(len(sound)) * self.level
        yield under(self.tail) * self.level


def recorded(path: Path, truth: Path, *, labels: Collection[str]) -> Stream:
    """A recording with its truth file.

    Raises:
        AudioFileError: The recording cannot be read.
        DatasetError: The truth file is wrong.
    """
    return Stream(path.name, Recording(path), read_truth(truth, labels=labels, length_s=duration_s(path)))


def woven(
    clips: Sequence[Clip],
    *,
    labels: Collection[str],
    seed: int,
    snr_db: float | None = None,
    noise: Sequence[Clip] = (),
    gap_s: tuple[float, float] = GAP_S,
    part_s: float = PART_S,
    name: str = "woven",
) -> list[Stream]:
    """Weave clips into streams of about `part_s` each.

    Args:
        clips: What is heard, in an order that the seed decides; those of the model's labels are events.
        labels: What the model decides about.
        seed: The same seed gives the same streams, sample for sample.
        snr_db: The clips' level over the noise; None for no noise.
        noise: Clips to draw noise from.
        gap_s: Shortest and longest gap before a clip.
        part_s: A part ends with the clip that makes it longer than this.
        name: Of the streams, each with its number behind.

    Raises:
        DatasetError: There are no clips, or no noise although a ratio is asked for.
    """
    if not clips:
        raise DatasetError("there are no clips to make a stream of", way_out="Name a dataset with clips in it")
    if snr_db is not None and not noise:
        raise DatasetError("a ratio needs noise", key="--snr", value=snr_db, way_out="Add --noise DATASET")
    rng = np.random.default_rng(seed)
    measured = {clip: _measured(clip) for clip in clips}
    loud = 1.0 if snr_db is None else _level(list(measured.values()))
    parts: list[list[Placed]] = [[]]
    length = 0.0
    for at in rng.permutation(len(clips)):
        clip = clips[int(at)]
        if length > part_s * RATE_HZ:
            parts.append([])
            length = 0.0
        gap = round(float(rng.uniform(*gap_s)) * RATE_HZ)
        level = measured[clip].level
        parts[-1].append(Placed(clip, gap, loud / level if snr_db is not None and level > 0 else 1.0))
        length += gap + measured[clip].length
    tail = round(gap_s[1] * RATE_HZ)
    under = HISS if snr_db is None else loud * 10 ** (-snr_db / 20)
    return [
        Stream(
            f"{name} {number}",
            Woven(tuple(part), tail, tuple(noise) if snr_db is not None else (), under, (seed, number)),
            tuple(_truths(part, measured, labels)),
            snr_db,
        )
        for number, part in enumerate(parts, start=1)
    ]


@dataclass(frozen=True, slots=True)
class _Measured:
    length: int
    begins: int
    ends: int
    level: float
    peak: float


def _measured(clip: Clip) -> _Measured:
    samples = read_audio(clip)
    begins, ends = span(samples, rate_hz=RATE_HZ)
    peak = float(np.abs(samples.astype(np.int32)).max())
    return _Measured(len(samples), begins, ends, active_rms(samples, rate_hz=RATE_HZ), peak)


def _level(measured: Sequence[_Measured]) -> float:
    """What half of the clips exceed, or less where the most peaked of them would clip."""
    audible = [each for each in measured if each.level > 0]
    if not audible:
        raise DatasetError("there is no sound in any of the clips", way_out="Record them anew")
    peaked = max(each.peak / each.level for each in audible)
    return min(float(np.median([each.level for each in audible])), _HEADROOM / peaked)


def _truths(part: Sequence[Placed], measured: dict[Clip, _Measured], labels: Collection[str]) -> Iterator[Truth]:
    at = 0
    for placed in part:
        clip, found = placed.clip, measured[placed.clip]
        at += placed.gap
        start_s, end_s = (at + found.begins) / RATE_HZ, (at + found.ends) / RATE_HZ
        if clip.label in labels:
            yield Truth(clip.label, start_s, end_s)
        else:
            yield Truth("_unknown_", at / RATE_HZ, (at + found.length) / RATE_HZ, said_in(clip))
        at += found.length


def said_in(clip: Clip) -> str:
    """What a clip goes by that the model has no label for: its label, or, as `_unknown_` says nothing, its folder."""
    return clip.path.parent.name if clip.is_background else clip.label


def _faded(samples: Pcm) -> NDArray[np.float64]:
    faded = samples.astype(np.float64)
    fade = min(FADE, len(faded))
    faded[:fade] *= np.linspace(0, 1, fade)
    faded[-fade:] *= np.linspace(1, 0, fade)
    return faded
