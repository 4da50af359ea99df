"""Who trains and who tests: never the same maker, and every label in each part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tones import tone, tones, write_manifest, write_wav

from edged.errors import DatasetError
from edged.workshop.dataset import Clip, Dataset, read_dataset, straddling
from edged.workshop.recipe import recipe_of
from edged.workshop.split import BACKGROUND, ROLES, Fold, Split, read_split, split_of, written_split

if TYPE_CHECKING:
    from pathlib import Path

SPLIT_HEAD = "path,label,source,group,licence,role\n"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(tones(tmp_path_factory.mktemp("tones"), makers=6))


def clips_of(split: Split) -> list[list[Clip]]:
    return [[example.clip for example in split.of(role)] for role in ROLES]


@given(seed=st.integers(0, 1000), number=st.integers(1, 4), validation=st.floats(0, 0.5))
def test_no_maker_is_in_two_parts(dataset: Dataset, seed: int, number: int, validation: float) -> None:
    recipe = recipe_of({"training": {"seed": seed, "validation": validation}})
    split = split_of([dataset], recipe, fold=Fold(number, 4))
    parts = clips_of(split)
    assert straddling(*parts) == set()
    assert sum(map(len, parts)) == len(dataset.clips)
    assert bool(split.validation) == bool(validation)
    assert {example.output for example in split.train} == {0, 1, 2}


def test_each_fold_is_tested_once_whatever_the_seed(dataset: Dataset) -> None:
    tested = []
    for number in range(1, 4):
        recipe = recipe_of({"training": {"seed": number}})
        tested += [example.clip for example in split_of([dataset], recipe, fold=Fold(number, 3)).test]
    assert sorted(clip.path for clip in tested) == sorted(clip.path for clip in dataset.clips)


def test_labels_become_outputs_and_the_rest_background(dataset: Dataset) -> None:
    split = split_of([dataset], recipe_of({}))
    assert split.outputs == ("high", "low", BACKGROUND)
    split = split_of([dataset], recipe_of({"labels": ["low"], "background": ["*"]}))
    assert split.outputs == ("low", BACKGROUND)
    assert {example.clip.label for example in split.train if example.output == 1} == {"high", "_noise_"}
    split = split_of([dataset], recipe_of({"labels": ["low"]}))
    assert {clip.label for part in clips_of(split) for clip in part} == {"low", "_noise_"}


def test_a_split_as_written_is_read_the_same(dataset: Dataset, tmp_path: Path) -> None:
    recipe = recipe_of({})
    split = split_of([dataset], recipe, fold=Fold(1, 3))
    file = tmp_path / "split.csv"
    file.write_text(written_split(split, [dataset]), encoding="utf-8")
    assert read_split(file, [dataset], recipe) == split


def test_two_datasets_are_told_apart(dataset: Dataset, tmp_path: Path) -> None:
    other = read_dataset(tones(tmp_path / "other", makers=2))
    recipe = recipe_of({"training": {"validation": 0}})
    split = split_of([dataset, other], recipe)
    file = tmp_path / "split.csv"
    file.write_text(written_split(split, [dataset, other]), encoding="utf-8")
    assert read_split(file, [dataset, other], recipe) == split
    assert len(split.train) == len(dataset.clips) + len(other.clips)


@pytest.mark.parametrize(
    ("recipe", "key", "value", "words"),
    [
        ({"labels": ["lo"]}, "labels", "lo", "did you mean `low`?"),
        ({"background": ["_silence_"]}, "background", "_silence_", "there is no clip of it"),
    ],
)
def test_a_label_without_clips_is_named(
    dataset: Dataset, recipe: dict[str, Any], key: str, value: str, words: str
) -> None:
    with pytest.raises(DatasetError, match="clip") as caught:
        split_of([dataset], recipe_of(recipe))
    assert (caught.value.key, caught.value.value) == (key, value)
    assert words in str(caught.value)


def test_too_few_clips_too_few_makers_too_few_folds(tmp_path: Path) -> None:
    few = read_dataset(tones(tmp_path / "few", makers=1))
    with pytest.raises(DatasetError, match="has 3 clips to train on, too few to split"):
        split_of([few], recipe_of({}))
    alone = read_dataset(tones(tmp_path / "alone", makers=1, takes=9))
    with pytest.raises(DatasetError, match="one group only"):
        split_of([alone], recipe_of({}))
    assert split_of([alone], recipe_of({"training": {"validation": 0}})).train
    with pytest.raises(DatasetError, match="there are 1 groups to deal out"):
        split_of([alone], recipe_of({}), fold=Fold(1, 2))


def test_nothing_but_background(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(0, rng=np.random.default_rng(1)))
    write_manifest(tmp_path, [("a.wav", "_noise_", "synthetic", "a", "CC0-1.0")])
    with pytest.raises(DatasetError, match="nothing but background"):
        split_of([read_dataset(tmp_path)], recipe_of({}))


@pytest.mark.parametrize(
    ("rows", "key", "words"),
    [
        (
            "low-0-0.wav,low,synthetic,maker0,CC0-1.0,train\nlow-0-1.wav,low,synthetic,maker0,CC0-1.0,test\n",
            "group",
            "two parts",
        ),
        ("low-0-0.wav,low,synthetic,maker0,CC0-1.0,tset\n", "role", "no part of a split"),
        ("low-0-9.wav,low,synthetic,maker0,CC0-1.0,test\n", "path", "did you mean"),
    ],
)
def test_a_split_that_cheats_or_errs_is_refused(
    dataset: Dataset, tmp_path: Path, rows: str, key: str, words: str
) -> None:
    file = tmp_path / "split.csv"
    file.write_text(SPLIT_HEAD + rows, encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        read_split(file, [dataset], recipe_of({}))
    assert caught.value.key == key
    assert words in str(caught.value)
