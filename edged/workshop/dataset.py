"""Datasets: a folder with clips, and a `manifest.csv` that says of each what it is and who made it.

The manifest's columns are `path` (relative to the folder), `label`, `source`, `group`, `licence` and, where it is
known, `sha256`; others are ignored. A label that begins with `_` (`_unknown_`, `_noise_`, `_silence_`) is background:
what a model is to ignore. A clip is a WAV or FLAC of one channel, 16 bits and 16 kHz.

A group is who or what was recorded: a speaker, a session, a machine. Clips of one group sound alike for reasons that
have nothing to do with their label, so a group is in training or in the test, never in both. Groups of different
sources have nothing to do with each other, even under one name: what never straddles is (source, group), the clip's
`speaker`. Where the manifest leaves the group empty, nothing is known to join the clip to another, and it is a group of
its own, named after its path.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from edged.audio.files import open_audio
from edged.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.records import Pcm

MANIFEST: Final = "manifest.csv"
REQUIRED: Final = ("path", "label", "source", "group", "licence")
COLUMNS: Final = (*REQUIRED, "sha256")
RATE_HZ: Final = 16_000
"""Of every clip."""
BACKGROUND: Final = "_"
"""A label that begins so names what a model is to ignore."""

Speaker: TypeAlias = tuple[str, str]
"""A source, and a group of it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of a dataset."""

    path: Path
    """Absolute."""
    label: str
    source: str
    """Where it comes from: a collection, a microphone."""
    group: str
    """Who or what was recorded; told apart within a source only."""
    licence: str
    sha256: str
    """Of the samples as 16-bit little-endian, in hexadecimal; empty where it is not known."""

    @property
    def speaker(self) -> Speaker:
        """What never straddles training and test."""
        return self.source, self.group

    @property
    def is_background(self) -> bool:
        """Whether a model is to ignore this."""
        return self.label.startswith(BACKGROUND)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a folder's manifest lists."""

    folder: Path
    """Absolute."""
    clips: tuple[Clip, ...]
    """In the manifest's order."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels there are, sorted, those of background last."""
        found = {clip.label for clip in self.clips}
        return tuple(sorted(found, key=lambda label: (label.startswith(BACKGROUND), label)))


def read_dataset(folder: str | Path) -> Dataset:
    """Read a dataset's manifest, and see that every clip is there; the clips themselves are not opened.

    Raises:
        DatasetError: The folder or its manifest is missing or unreadable, a column or a value is missing, or a path is
            listed twice, leads out of the folder, or leads to nothing. It names file and line, column and value.
    """
    folder = Path(folder).absolute()
    manifest = folder / MANIFEST
    seen: dict[str, int] = {}
    clips = [_clip(folder, row, line=line, seen=seen) for line, row in rows(manifest)]
    if not clips:
        raise DatasetError("it lists no clip", file=manifest, way_out="Add some with `edged collect`")
    return Dataset(folder, tuple(clips))


def rows(manifest: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a manifest's rows as they stand, with their line numbers; every column of `REQUIRED` is in each.

    Raises:
        DatasetError: It cannot be read, is no CSV, lacks a column, or has a row of another length.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or ()
            if missing := [column for column in REQUIRED if column not in header]:
                way_out = f"Let its first line be {','.join(COLUMNS)} (sha256 may be left out)"
                raise DatasetError("the column is missing", file=manifest, key=missing[0], way_out=way_out)
            return [(reader.line_num, _whole(row, manifest, reader.line_num)) for row in reader]
    except OSError as error:
        raise _unread(manifest, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"it is not CSV in UTF-8 ({error})", file=manifest, way_out="Save it as that") from None


def read_audio(clip: Clip) -> Pcm:
    """Read a clip's samples, shape (n,), int16, 16 kHz.

    Raises:
        DatasetError: It has another rate or more channels, or its samples are not those whose sha256 the manifest has.
        AudioFileError: It is missing, empty or not audio.
    """
    with open_audio(clip.path) as file:
        way_out = "Convert it: `edged collect DATASET --from FOLDER`"
        if file.rate_hz != RATE_HZ:
            what = f"is not the {RATE_HZ} Hz of a dataset"
            raise DatasetError(what, file=clip.path, key="rate", value=file.rate_hz, way_out=way_out)
        if file.channels != 1:
            what = "is not the one channel of a dataset"
            raise DatasetError(what, file=clip.path, key="channels", value=file.channels, way_out=way_out)
        samples = np.concatenate(list(file.blocks(RATE_HZ * 60)))[:, 0]
    if clip.sha256 and digest(samples) != clip.sha256.lower():
        what = "is not that of the samples: the file was changed or damaged"
        way_out = f"Restore the file, or take its line out of {MANIFEST}"
        raise DatasetError(what, file=clip.path, key="sha256", value=clip.sha256, way_out=way_out)
    return samples


def digest(samples: Pcm) -> str:
    """Give the sha256 of samples, shape (n,), whatever file they are in."""
    return hashlib.sha256(samples.astype("<i2", copy=False).tobytes()).hexdigest()


def folds(clips: Sequence[Clip], *, k: int, seed: int) -> dict[Speaker, int]:
    """Deal the groups out to k folds of about as many clips of each label; the same seed gives the same folds.

    The largest group is dealt first, each to the fold that has the least of its labels so far; the seed decides between
    groups of one size.

    Returns:
        By (source, group): its fold, 0 to k - 1. Every fold has at least one group.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    counts: dict[Speaker, Counter[str]] = {}
    for clip in clips:
        counts.setdefault(clip.speaker, Counter())[clip.label] += 1
    if not 1 <= k <= len(counts):
        way_out = "Ask for fewer folds, or record more speakers or sessions" if k > 0 else "Ask for 2 or more"
        raise DatasetError(f"there are {len(counts)} groups to deal out", key="folds", value=k, way_out=way_out)
    labels = sorted({clip.label for clip in clips})
    speakers = sorted(counts)
    shares = np.array([[counts[speaker][label] for label in labels] for speaker in speakers], float)
    sizes = shares.sum(axis=1)
    shares /= shares.sum(axis=0)
    order = np.random.default_rng(seed).permutation(len(speakers))
    held, dealt = np.zeros((k, len(labels))), np.zeros(k)
    fold_of: dict[Speaker, int] = {}
    for at in sorted(order, key=lambda at: -sizes[at]):
        crowding = np.round(held @ shares[at], 12)
        fold = int(np.lexsort((dealt, crowding))[0])  # an empty fold comes before all others
        held[fold] += shares[at]
        dealt[fold] += sizes[at]
        fold_of[speakers[at]] = fold
    return fold_of


def straddling(*parts: Iterable[Clip]) -> set[Speaker]:
    """Give the groups that are in more than one of the parts: in a split, there must be none."""
    sets = [{clip.speaker for clip in part} for part in parts]
    counted = Counter(speaker for each in sets for speaker in each)
    return {speaker for speaker, times in counted.items() if times > 1}


def _clip(folder: Path, row: dict[str, str], *, line: int, seen: dict[str, int]) -> Clip:
    where = f"{folder / MANIFEST}:{line}"
    for column in ("path", "label", "source", "licence"):
        if not row[column]:
            raise DatasetError("is empty", file=where, key=column, way_out="Fill it in")
    path = row["path"]
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        way_out = "Give a path relative to the manifest, to a file beside or below it"
        raise DatasetError("leads out of the dataset", file=where, key="path", value=path, way_out=way_out)
    if (first := seen.setdefault(path, line)) != line:
        way_out = "Take one of the lines out"
        raise DatasetError(f"stands in line {first} too", file=where, key="path", value=path, way_out=way_out)
    if not (folder / path).is_file():
        way_out = "Put the file there, or take the line out"
        raise DatasetError("there is no such file", file=where, key="path", value=path, way_out=way_out)
    group = row["group"] or path
    return Clip(folder / path, row["label"], row["source"], group, row["licence"], row.get("sha256", ""))


def _whole(row: dict[str, str], manifest: Path, line: int) -> dict[str, str]:
    """See that a row has as many values as the header: `DictReader` files the others under None, or fills in None."""
    if None in row or None in row.values():
        what = "the line has more or fewer values than the first line has columns"
        raise DatasetError(what, file=f"{manifest}:{line}", way_out="Put what holds a comma in quotes")
    return row


def _unread(manifest: Path, error: OSError) -> DatasetError:
    way_out = "Name a dataset, or make one with `edged collect`"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        folder = manifest.parent
        what = "there is no manifest.csv in it" if folder.is_dir() else "there is no such folder"
        return DatasetError(what, file=folder, way_out=way_out)
    return DatasetError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=manifest, way_out=way_out)
