"""A dataset out of recordings that are there already: a folder of WAV and FLAC files, or another dataset.

What a recording is, is told by the manifest where the folder has one. Otherwise the first folder below is its label,
and one below that its group: ``jarvis/ann/1.wav``. A recording of no known group is a group of its own, and all the
clips cut from it are of that group.

Each is made mono and 16 kHz, parted at long silences, rid of those, and looked at: what is clipped, too quiet, too
short or there already is refused, with a word why, and the others go on. Background (a label that begins with `_`) is
taken as it is: there, quiet is what it sounds like.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.files import open_audio
from edged.audio.resample import Converter
from edged.errors import AudioFileError, DatasetError
from edged.workshop.dataset import MANIFEST, RATE_HZ, Clip, digest, read_audio, read_dataset
from edged.workshop.silence import Span, sounds
from edged.workshop.take import Known, clipped_at, fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from edged.progress import Bar
    from edged.records import Pcm
    from edged.workshop.writer import Writer

SUFFIXES: Final = frozenset({".wav", ".flac"})
LONGEST_S: Final = 3600
"""Of one recording: it is held in memory."""
BLOCK_S: Final = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recording, or a part of one, that is not fit."""

    file: str
    at_s: float
    """Where in the file the part begins."""
    why: str
    known: bool = False
    """True when it is fit, but there already."""


@dataclass(slots=True)
class Gathered:
    """What came of a folder."""

    kept: list[Clip] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    seconds: float = 0.0
    """Of the clips kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of recordings that tell it in no other way; None where nothing is."""

    label: str | None = None
    source: str | None = None
    group: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A file as it comes, at its own rate: its samples at 16 kHz, and what was clipped."""

    samples: Pcm
    """Shape (n,)."""
    clipped: NDArray[np.intp]
    """Where, at 16 kHz."""


def find(folder: Path, *, told: Told, into: Path) -> list[Clip]:
    """List the recordings of a folder with what is known of each; what is `told` counts more.

    Raises:
        DatasetError: There is no such folder, no recording in it, or no label, licence or valid manifest for one.
    """
    folder = folder.absolute()
    if folder == into.absolute():
        raise DatasetError("is the dataset itself", file=folder, key="--from", way_out="Name another folder")
    if (folder / MANIFEST).exists():
        clips: Iterable[Clip] = read_dataset(folder).clips
    else:
        clips = _loose(folder, told=told, into=into.absolute())
    found = [_overridden(clip, told) for clip in clips]
    if not found:
        way_out = f"Name one with {' or '.join(sorted(SUFFIXES))} files, or a dataset"
        raise DatasetError("there is no recording in it", file=folder, key="--from", way_out=way_out)
    return found


def gather(
    clips: Sequence[Clip], *, writer: Writer, known: Known, cut: bool = True, bar: Bar | None = None
) -> Gathered:
    """Convert, cut and add recordings; what is refused is listed, and the others go on.

    Args:
        clips: Each recording, at any rate, with what is known of it.
        writer: Where to.
        known: The takes that the dataset has; those that are added come to it.
        cut: Whether silence is cut; False for sound that is steady.
        bar: Called with how many recordings are done.

    Raises:
        DatasetError: The dataset cannot be written.
    """
    made = Gathered()
    for done, clip in enumerate(clips):
        try:
            recording = _read(clip)
        except (AudioFileError, DatasetError) as error:
            made.refused.append(Refusal(str(clip.path), 0.0, error.what))
            continue
        for span in _parts(recording.samples, cut=cut and not clip.is_background):
            _add(clip, recording, span, writer=writer, known=known, made=made)
        if bar is not None:
            bar(done + 1)
    return made


def know(clips: Sequence[Clip], *, bar: Bar | None = None) -> Known:
    """Listen to the clips of a dataset, to know them again; raises DatasetError or AudioFileError for a damaged one."""
    known = Known()
    for done, clip in enumerate(clips):
        known.add(str(clip.path), read_audio(clip), read=lambda clip=clip: read_audio(clip))  # type: ignore[misc]
        if bar is not None:
            bar(done + 1)
    return known


def _add(clip: Clip, recording: Recording, span: Span, *, writer: Writer, known: Known, made: Gathered) -> None:
    """Add a part of a recording, or note why it is refused."""
    samples = recording.samples[span.start : span.stop]
    first, last = np.searchsorted(recording.clipped, (span.start, span.stop))
    at_s = round(span.start / RATE_HZ, 3)
    if why := fault(samples, clipped=int(last - first), may_be_quiet=clip.is_background):
        made.refused.append(Refusal(str(clip.path), at_s, why))
    elif same := known.same_as(samples):
        made.refused.append(Refusal(str(clip.path), at_s, f"the same audio as {same}", known=True))
    else:
        added = writer.add(samples, label=clip.label, source=clip.source, group=clip.group, licence=clip.licence)
        known.add(str(added.path), samples, read=lambda: read_audio(added))
        made.kept.append(added)
        made.seconds += len(samples) / RATE_HZ


def _parts(samples: Pcm, *, cut: bool) -> list[Span]:
    """Part a recording into sounds; one in which there is none comes as a whole, to be refused as what it is."""
    whole = [Span(0, len(samples))]
    return (sounds(samples, rate_hz=RATE_HZ) or whole) if cut else whole


def _read(clip: Clip) -> Recording:
    """Read a recording, and convert it; raises AudioFileError, or DatasetError for one that is damaged or too long."""
    pieces: list[Pcm] = []
    clipped: list[NDArray[np.intp]] = []
    with open_audio(clip.path) as file:
        if file.claimed > LONGEST_S * file.rate_hz:
            raise DatasetError(f"longer than {LONGEST_S} s", file=clip.path, way_out="Cut it into shorter ones")
        converter, at = Converter(file.rate_hz, file.channels, RATE_HZ), 0
        as_is = (file.rate_hz, file.channels) == (RATE_HZ, 1)
        for block in file.blocks(file.rate_hz * BLOCK_S):
            clipped.append((clipped_at(block) + at) * RATE_HZ // file.rate_hz)
            pieces.append(converter.push(block))
            at += len(block)
        samples = np.concatenate([*pieces, converter.flush()])
    if as_is and clip.sha256 and digest(samples) != clip.sha256.lower():
        raise DatasetError("its samples have another sha256: it was changed or damaged", file=clip.path)
    return Recording(samples, np.concatenate(clipped))


def _loose(folder: Path, *, told: Told, into: Path) -> Iterator[Clip]:
    """List the files of a folder without a manifest, by their path; what stands hidden, or in the dataset, is not."""
    if not folder.is_dir():
        way_out = "Name a folder with recordings"
        raise DatasetError("there is no such folder", file=folder, key="--from", way_out=way_out)
    if told.licence is None:
        way_out = "Say whose they are and what one may do with them: --licence 'CC BY 4.0', or --licence private"
        raise DatasetError("no licence is known for recordings without a manifest", key="--licence", way_out=way_out)
    for path in sorted(Path(root, name) for root, _, names in os.walk(folder) for name in names):
        place = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in place.parts)
        if path.suffix.lower() not in SUFFIXES or hidden or path.is_relative_to(into):
            continue
        *above, _ = place.parts
        label = told.label or (above[0] if above else None)
        if label is None:
            way_out = "Put it in a folder of that name, or give --label"
            raise DatasetError("it has no label", file=path, key="--label", way_out=way_out)
        speaker = above[1:] if told.label is None else above
        group = "/".join(speaker) or place.with_suffix("").as_posix()
        yield Clip(path, label, folder.name, group, told.licence, "")


def _overridden(clip: Clip, told: Told) -> Clip:
    return Clip(
        clip.path,
        told.label or clip.label,
        told.source or clip.source,
        told.group or clip.group,
        told.licence or clip.licence,
        clip.sha256,
    )
