"""Who trains, who chooses and who tests: a dataset's clips, dealt into three parts by group.

A group (`Clip.speaker`) is in one part only, or the test would ask a model what it was told. Labels become outputs
here: those a recipe lists each its own, those it calls background together one, the last.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

from edged.errors import DatasetError
from edged.mistakes import nearest
from edged.workshop.dataset import MANIFEST, REQUIRED, folds, rows, straddling
from edged.workshop.recipe import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.workshop.dataset import Clip, Dataset, Speaker
    from edged.workshop.recipe import Recipe

Role: TypeAlias = Literal["train", "validation", "test"]
ROLES: Final = get_args(Role)
BACKGROUND: Final = "_background_"
"""The output for all that is to be ignored."""
MIN_CLIPS: Final = 8
"""Of one label: fewer teach nothing, and prove less."""
COLUMNS: Final = (*REQUIRED, "role")


@dataclass(frozen=True, slots=True)
class Fold:
    """Which part of the groups is the test: number `number` of `count`, from 1."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Example:
    """A clip, and the output that it should bring up."""

    clip: Clip
    output: int
    """Index into the outputs."""


@dataclass(frozen=True, slots=True)
class Split:
    """A dataset, ready to be trained on."""

    outputs: tuple[str, ...]
    """Labels of the model's outputs, `BACKGROUND` last."""
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    """Chooses the best moment; empty where the recipe holds nothing back."""
    test: tuple[Example, ...]
    """Heard by no part of the training; empty without a fold."""

    def of(self, role: Role) -> tuple[Example, ...]:
        """The examples with this role."""
        match role:
            case "train":
                return self.train
            case "validation":
                return self.validation
            case "test":
                return self.test


def split_of(datasets: Sequence[Dataset], recipe: Recipe, *, fold: Fold | None = None) -> Split:
    """Deal the clips of the datasets out; the recipe's seed decides which groups are held back for validation.

    Which fold a group is in depends on the dataset alone, so that folds 1 to N of a dataset are one partition of it
    whatever the seed.

    Raises:
        DatasetError: A label has no clip, too few, or too few groups; or there are fewer groups than folds.
    """
    outputs, examples = _examples(datasets, recipe)
    held: set[Speaker] = set()
    if fold is not None:
        dealt = folds([example.clip for example in examples], k=fold.count, seed=0)
        held = {speaker for speaker, number in dealt.items() if number == fold.number - 1}
    test, rest = _parted(examples, held)
    _enough(rest, outputs, groups=2 if recipe.training.validation else 1)
    chosen: set[Speaker] = set()
    if recipe.training.validation:
        speakers = len({example.clip.speaker for example in rest})
        k = max(2, round(1 / max(recipe.training.validation, 1 / speakers)))
        dealt = folds([each.clip for each in rest], k=k, seed=recipe.training.seed)
        chosen = {speaker for speaker, number in dealt.items() if number == 0}
    validation, train = _parted(rest, chosen)
    split = Split(outputs, train, validation, test)
    _all_there(split)
    return split


def read_split(file: Path, datasets: Sequence[Dataset], recipe: Recipe) -> Split:
    """The split that a file like `split.csv` says; clips that are not in it are left out.

    Raises:
        DatasetError: It cannot be read, names a clip or a role that is not there, or has one group in two parts.
    """
    outputs, examples = _examples(datasets, recipe)
    by_path = {_path(example, datasets): example for example in examples}
    parts: dict[Role, list[Example]] = {role: [] for role in ROLES}
    for line, row in rows(file):
        where, path, role = f"{file}:{line}", row["path"], row.get("role", "")
        if path not in by_path:
            what = f"there is no such clip in the dataset{nearest(path, by_path)}"
            raise DatasetError(what, file=where, key="path", value=path, way_out="Take the line out, or add the clip")
        if role not in ROLES:
            way_out = f"Write one of {', '.join(ROLES)}"
            raise DatasetError("is no part of a split", file=where, key="role", value=role, way_out=way_out)
        parts[cast("Role", role)].append(by_path[path])
    split = Split(outputs, *(tuple(parts[role]) for role in ROLES))
    clips = [[example.clip for example in part] for part in parts.values()]
    if both := sorted(straddling(*clips)):
        source, group = both[0]
        way_out = "Put all clips of a group into one part: its voice or room would give them away"
        raise DatasetError(f"is in two parts, of {source}", file=file, key="group", value=group, way_out=way_out)
    _enough(split.train, outputs, groups=1)
    return split


def written_split(split: Split, datasets: Sequence[Dataset]) -> str:
    """The split as CSV: path, label, source, group, licence and role of each clip."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for role in ROLES:
        for example in split.of(role):
            clip = example.clip
            writer.writerow((_path(example, datasets), clip.label, clip.source, clip.group, clip.licence, role))
    return text.getvalue()


def _examples(datasets: Sequence[Dataset], recipe: Recipe) -> tuple[tuple[str, ...], tuple[Example, ...]]:
    clips = [clip for dataset in datasets for clip in dataset.clips]
    found = sorted({clip.label for clip in clips})
    file = datasets[0].folder / MANIFEST
    labels = recipe.labels or tuple(label for label in found if label[0] != "_")
    quiet = recipe.background or tuple(label for label in found if label[0] == "_")
    for key, named in (("labels", labels), ("background", quiet)):
        for label in named:
            if label not in found and label != OTHERS:
                what = f"there is no clip of it{nearest(label, found)}"
                way_out = "Record some, or take it out of the recipe"
                raise DatasetError(what, file=file, key=key, value=label, way_out=way_out)
    if not labels:
        way_out = "Add clips with a label that does not begin with _"
        raise DatasetError("there is nothing but background", file=file, key="label", way_out=way_out)
    outputs = (*labels, BACKGROUND)
    at = {label: outputs.index(label) for label in labels}
    others = found if OTHERS in quiet else quiet
    at |= {label: len(labels) for label in others if label not in at}
    return outputs, tuple(Example(clip, at[clip.label]) for clip in clips if clip.label in at)


def _parted(examples: Sequence[Example], held: set[Speaker]) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    inside = tuple(example for example in examples if example.clip.speaker in held)
    return inside, tuple(example for example in examples if example.clip.speaker not in held)


def _enough(examples: Sequence[Example], outputs: Sequence[str], *, groups: int) -> None:
    """Each label must have enough clips to learn from, of enough groups to part them."""
    counts = Counter(example.output for example in examples)
    for output, label in enumerate(outputs[:-1]):
        if counts[output] < MIN_CLIPS:
            what = f"has {counts[output]} clips to train on, too few to split"
            raise DatasetError(what, key="label", value=label, way_out=f"Record {MIN_CLIPS} of it at least")
        speakers = {example.clip.speaker for example in examples if example.output == output}
        if len(speakers) < groups:
            way_out = "Record another speaker or session, or set validation = 0 in [training] of the recipe"
            raise DatasetError("has one group only, too few to split", key="label", value=label, way_out=way_out)


def _all_there(split: Split) -> None:
    for output, label in enumerate(split.outputs[:-1]):
        if all(example.output != output for example in split.train):
            way_out = "Record more speakers or sessions of it, or ask for more folds"
            raise DatasetError("all its groups are held back", key="label", value=label, way_out=way_out)


def _path(example: Example, datasets: Sequence[Dataset]) -> str:
    """The clip's path in its manifest; that of a second dataset with the folder's name before it, and so on."""
    for number, dataset in enumerate(datasets):
        if example.clip.path.is_relative_to(dataset.folder):
            inner = example.clip.path.relative_to(dataset.folder)
            return str(inner) if not number else f"{number}:{inner}"
    return str(example.clip.path)
