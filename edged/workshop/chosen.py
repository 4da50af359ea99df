"""Which clips of datasets are to be heard: all, or those of the speakers who were held back from a training.

A training says in `split.csv` who trained, who chose and who tests. A speaker it does not know trained nothing, and is
one of those who test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edged.errors import DatasetError
from edged.workshop.dataset import read_dataset, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edged.workshop.dataset import Clip, Speaker

NUMBERS: Final = frozenset({".csv", ".cbor", ".json", ".jsonl", ".npy", ".npz", ".parquet", ".tsv", ".xlsx"})
"""Suffixes of what holds readings of sensors, or anything but sound."""


def clips_of(folders: Iterable[Path], *, split: Path | None = None, role: str = "test") -> tuple[Clip, ...]:
    """The clips of datasets; with a split, those of the speakers who have this role in it.

    Raises:
        DatasetError: A dataset or the split cannot be read, holds what is no sound, or leaves nothing to hear; or
            somebody is asked for who is in the training too.
    """
    clips = tuple(clip for folder in folders for clip in read_dataset(folder).clips)
    for clip in clips:
        is_sound(clip.path)
    if split is None:
        return clips
    roles = _roles(split, role=role)
    heard = tuple(clip for clip in clips if roles.get(clip.speaker, "test") == role)
    if not heard:
        way_out = "Name the datasets that were trained on, or another --role"
        raise DatasetError("none of the clips is of that part", file=split, key="--role", value=role, way_out=way_out)
    return heard


def is_sound(path: Path) -> None:
    """See that a file is none that holds numbers.

    Raises:
        DatasetError: It does, by its name: sensor data, which a model that hears cannot judge.
    """
    if path.suffix.lower() in NUMBERS:
        what = "is sensor data, or a table of numbers; this model hears sound"
        raise DatasetError(what, file=path, way_out="Give recordings: WAV, FLAC or OGG")


def _roles(split: Path, *, role: str) -> dict[Speaker, str]:
    """Each speaker's part."""
    parts: dict[Speaker, set[str]] = {}
    for line, row in rows(split):
        if "role" not in row:
            way_out = "Name the split.csv of a folder that `edged train` made"
            raise DatasetError("the column is missing", file=f"{split}:{line}", key="role", way_out=way_out)
        parts.setdefault((row["source"], row["group"]), set()).add(row["role"])
    if role != "train":
        _apart(parts, role=role, split=split)
    return {speaker: role if role in found else min(found) for speaker, found in parts.items()}


def _apart(parts: dict[Speaker, set[str]], *, role: str, split: Path) -> None:
    both: Sequence[Speaker] = sorted(speaker for speaker, found in parts.items() if {role, "train"} <= found)
    if both:
        source, group = both[0]
        what = f"of {source} is in train and in {role}: the model knows this voice or room already"
        way_out = "Train anew with each group in one part only"
        raise DatasetError(what, file=split, key="group", value=group, way_out=way_out)
