"""From what `edged train` leaves to a bundle in 8 bits, held against the one in float on clips that neither has seen.

Both hear the same clips down the production lane, window by window. That gives two things: how often each is right, as
`edged evaluate` counts it, and how far apart their posteriors are, which shows what a few hundred clips are too few
to show as mistakes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args
from zipfile import BadZipFile

import numpy as np

from edged.classify.archive import MANIFEST, SUFFIX
from edged.classify.bundle import open_bundle, write_bundle
from edged.errors import ConfigError, DatasetError, ModelError
from edged.workshop.dataset import Clip, rows
from edged.workshop.evaluate import Alone, needed, taken_for
from edged.workshop.quantise import quantise
from edged.workshop.results import OTHER
from edged.workshop.scoring import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.records import Frames
    from edged.workshop.scoring import Scored

Role: TypeAlias = Literal["test", "validation", "train"]

FLOAT: Final = "float.edged"
SAVED_MODEL: Final = "saved_model"
REPRESENTATIVE: Final = "representative.npz"
SPLIT: Final = "split.csv"
TRAINING: Final = "training.json"
DATASETS: Final = "datasets.json"
"""Paths of the folders, in the order in which `SPLIT` counts them."""
_TRAIN: Final = "Let `edged train` come to its end: typed again, it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model in 8 bits beside the same in float."""

    role: Role
    """Which clips were heard: those of the test, or those of validation where there is no test."""
    clips: int
    float_right: int
    """How many of them the float model takes for what they are."""
    int8_right: int
    clips_agreed: int
    """How many both take for the same."""
    windows: int
    top1_agreed: int
    """In how many windows the same label comes out on top; of a model with one label, lies over its threshold."""
    mean_difference: float
    """Of the posteriors, absolute, over all windows and labels."""
    worst_difference: float


@dataclass(frozen=True, slots=True)
class Trained:
    """What `edged train` left."""

    folder: Path
    bundle: Bundle
    """In float32."""
    representative: Frames
    """Windows to quantise with, shape (n, window_frames, width)."""
    clips: tuple[Clip, ...]
    role: Role


def is_trained(path: Path) -> bool:
    """Whether this is a folder of `edged train`, and not a model."""
    return path.is_dir() and not (path / MANIFEST).exists()


def read_trained(folder: Path, *, datasets: Sequence[Path] = ()) -> Trained:
    """Read what `edged train` left in a folder.

    Args:
        folder: Its ``--out``.
        datasets: Where its datasets are now; by default where they were.

    Raises:
        ModelError: It is no such folder, or the training has not come to its end.
        DatasetError: A clip or a line of its split is not what it should be.
    """
    if not (folder / FLOAT).exists():
        way_out = f"{_TRAIN}; or name a model" if (folder / TRAINING).exists() else "Name what `edged train` made"
        raise ModelError(f"there is no {FLOAT} in it", file=folder, way_out=way_out)
    bundle = open_bundle(folder / FLOAT)
    if bundle.head is not None:
        way_out = f"Use {FLOAT} itself"
        raise ModelError("is a head over an embedding, which is not trained here", file=folder / FLOAT, way_out=way_out)
    if not (folder / SAVED_MODEL).is_dir():
        raise ModelError("there is no such folder", file=folder / SAVED_MODEL, way_out=_TRAIN)
    if not (folder / SPLIT).is_file():
        raise ModelError("there is no such file", file=folder / SPLIT, way_out=_TRAIN)
    role, clips = _compared_on(folder, datasets or _datasets(folder))
    return Trained(folder, bundle, _representative(folder / REPRESENTATIVE), clips, role)


def optimise(
    trained: Trained, out: Path, *, advanced: Callable[[float], None] | None = None
) -> tuple[Bundle, Comparison]:
    """Write the bundle in 8 bits, once it was compared with the one in float.

    Args:
        trained: From `read_trained`.
        out: The bundle to write; nothing is there before all else is done.
        advanced: Called with how many clips were heard.

    Raises:
        UserError: TensorFlow is not installed.
        ConfigError: `out` is no place for a bundle.
        ModelError: The converter refuses the model, or the bundle cannot be written.
        AudioFileError, DatasetError: A clip cannot be used.
    """
    if out.suffix != SUFFIX or out.is_dir():
        raise ConfigError("is no name for a bundle", key="--out", value=str(out), way_out=f"Name a file: NAME{SUFFIX}")
    if not out.absolute().parent.is_dir():
        raise ConfigError("its folder is not there", key="--out", value=str(out), way_out=f"Make {out.parent} first")
    model = quantise(trained.folder / SAVED_MODEL, trained.representative)
    given = trained.bundle
    int8 = replace(given, model=model, sha256=hashlib.sha256(model).hexdigest())
    comparison = compare(given, int8, trained.clips, role=trained.role, advanced=advanced)
    written = write_bundle(
        out,
        model=model,
        name=given.name,
        labels=given.labels,
        background=given.background,
        front_end=given.front_end,
        window_frames=given.window_frames,
        hop_frames=given.hop_frames,
        output=given.output,
        head=given.head,
        policies=given.policies,
        version=given.version,
        description=given.description,
        provenance=given.provenance,
        runtime=given.runtime,
        golden=True,
    )
    return written, comparison


def compare(
    given: Bundle,
    int8: Bundle,
    clips: Sequence[Clip],
    *,
    role: Role,
    advanced: Callable[[float], None] | None = None,
) -> Comparison:
    """Have both models hear the same clips; the background of a recipe is what neither has a policy for.

    Raises:
        ModelError: One of them cannot be opened.
        AudioFileError, DatasetError: A clip cannot be used.
    """
    shortest = needed(given)
    sums = _Sums(given)
    with Scorer(given) as of_float, Scorer(int8) as of_int8:
        for number, clip in enumerate(clips):
            sound = Alone(clip, shortest, None, (), (0, number))
            sums.add(clip, of_float.score(sound), of_int8.score(sound))
            if advanced is not None:
                advanced(number + 1)
    return sums.comparison(role)


class _Sums:
    """What is counted, clip by clip."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._clips = self._float_right = self._int8_right = self._agreed = 0
        self._windows = self._top1 = 0
        self._numbers, self._difference, self._worst = 0, 0.0, 0.0

    def add(self, clip: Clip, given: Scored, int8: Scored) -> None:
        policies = self._bundle.policies
        truth = clip.label if clip.label in policies else OTHER
        taken = taken_for(given, policies), taken_for(int8, policies)
        self._clips += 1
        self._float_right += taken[0] == truth
        self._int8_right += taken[1] == truth
        self._agreed += taken[0] == taken[1]
        difference = np.abs(given.values - int8.values)
        self._windows += len(difference)
        self._top1 += int(np.count_nonzero(self._top(given.values) == self._top(int8.values)))
        self._numbers += difference.size
        self._difference += float(difference.sum(dtype=np.float64))
        self._worst = max(self._worst, float(difference.max(initial=0.0)))

    def comparison(self, role: Role) -> Comparison:
        return Comparison(
            role=role,
            clips=self._clips,
            float_right=self._float_right,
            int8_right=self._int8_right,
            clips_agreed=self._agreed,
            windows=self._windows,
            top1_agreed=self._top1,
            mean_difference=self._difference / max(1, self._numbers),
            worst_difference=self._worst,
        )

    def _top(self, values: NDArray[np.float32]) -> NDArray[np.intp]:
        if values.shape[1] > 1:
            return np.asarray(values.argmax(axis=1))
        (threshold,) = (policy.threshold for policy in self._bundle.policies.values())
        return np.asarray(values[:, 0] > threshold, dtype=np.intp)


def _compared_on(folder: Path, datasets: Sequence[Path]) -> tuple[Role, tuple[Clip, ...]]:
    """The clips that no step of the training heard: those of the test, or, without one, those of validation.

    A training that held nothing back is compared on what it heard: how near 8 bits come to float shows there too.
    """
    parts: dict[str, list[Clip]] = {}
    for line, row in rows(folder / SPLIT):
        parts.setdefault(row.get("role", ""), []).append(_clip(row, datasets, where=f"{folder / SPLIT}:{line}"))
    for role in get_args(Role):
        if role in parts:
            return role, tuple(parts[role])
    what, way_out = "no clip in it has one", f"Write one of {', '.join(get_args(Role))}"
    raise DatasetError(what, file=folder / SPLIT, key="role", way_out=way_out)


def _clip(row: dict[str, str], datasets: Sequence[Path], *, where: str) -> Clip:
    """A clip of the split; a path is that of the first dataset, ``1:PATH`` that of the second, and so on."""
    number, colon, rest = row["path"].partition(":")
    at, inner = (int(number), rest) if colon and number.isdecimal() else (0, row["path"])
    if at >= len(datasets):
        what, way_out = "it is not known where the dataset of this clip is", "Name it, with --data DATASET"
        raise DatasetError(what, file=where, key="path", value=row["path"], way_out=way_out)
    path = datasets[at].absolute() / PurePosixPath(inner)
    if not path.is_file():
        way_out = "Put it back, or say where the datasets are now, with --data DATASET"
        raise DatasetError(f"there is no such file: {path}", file=where, key="path", value=row["path"], way_out=way_out)
    return Clip(path, row["label"], row["source"], row["group"], row["licence"], sha256="")


def _datasets(folder: Path) -> tuple[Path, ...]:
    """Where the datasets were, as the training noted it; nothing where it did not."""
    try:
        told = json.loads((folder / DATASETS).read_text(encoding="utf-8"))
        return tuple(Path(each) for each in told)
    except (OSError, ValueError, TypeError):
        return ()


def _representative(file: Path) -> Frames:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            (name,) = arrays.files
            return np.asarray(arrays[name], dtype=np.float32)
    except FileNotFoundError:
        raise ModelError("there is no such file", file=file, way_out=_TRAIN) from None
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile):
        way_out = "Delete the folder, and train anew"
        raise ModelError("holds no windows to quantise with", file=file, way_out=way_out) from None
