"""Trainings: of too little, of the wrong thing, of what was tested on; and recipes that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tones import tone, tones, write_wav

from bad_input.case import Make, Refused, steps

if TYPE_CHECKING:
    from pathlib import Path

    from bad_input.scene import Scene

TRAIN = "edged train set --out work"
WITH_RECIPE = f"{TRAIN} --recipe recipe.toml"
SPLIT = "path,label,source,group,licence,role\n"


def refused(name: str, wrong: str, *makes: Make, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=steps(good, *makes), typed=answer.pop("typed", TRAIN), **answer)


def good(scene: Scene) -> Path:
    """Make a dataset that could be trained on."""
    return tones(scene.folder / "set")


def few(scene: Scene) -> None:
    tones(scene.folder / "set", makers=1)


def lone(scene: Scene) -> None:
    tones(scene.folder / "set", makers=1, takes=9)


def recipe(text: str) -> Make:
    return lambda scene: scene.write("recipe.toml", text)


def other_rate(scene: Scene) -> None:
    write_wav(scene.folder / "set" / "low-1-1.wav", tone(300, rng=np.random.default_rng(1)), rate_hz=8000)


def sensor(scene: Scene) -> None:
    scene.write("set/low-1-1.wav", "t,x,y,z\n0.00,0.01,0.12,9.81\n0.01,0.02,0.11,9.80\n")


def cheating(scene: Scene) -> None:
    rows = [f"low-1-{take}.wav,low,synthetic,maker1,CC0-1.0,{role}\n" for take, role in ((0, "train"), (1, "test"))]
    scene.write("split.csv", SPLIT + "".join(rows))


def no_tensorflow(scene: Scene) -> None:
    """Have Python find no TensorFlow, as where the extra is not installed."""
    scene.write("hidden/sitecustomize.py", "import sys\nsys.modules['tensorflow'] = None\n")
    scene.env |= {"PYTHONPATH": str(scene.folder / "hidden")}


CASES: tuple[Refused, ...] = (
    refused(
        "train-three-clips",
        "a class with three clips",
        few,
        key="label",
        value="'high'",
        what="has 3 clips to train on, too few to split",
        way_out="Record 8 of it at least",
    ),
    refused(
        "train-one-group",
        "a class that one person alone recorded",
        lone,
        key="label",
        value="'high'",
        what="has one group only, too few to split",
        way_out="Record another speaker or session",
    ),
    refused(
        "train-empty-class",
        "a class of the recipe without a clip",
        recipe('labels = ["high", "lo"]\n'),
        typed=WITH_RECIPE,
        file="set/manifest.csv",
        key="labels",
        value="'lo'",
        what="there is no clip of it (did you mean `low`?)",
        way_out="Record some, or take it out of the recipe",
    ),
    refused(
        "train-rate",
        "a clip of another rate",
        other_rate,
        file="set/low-1-1.wav",
        key="rate",
        value="8000",
        way_out="Convert it",
    ),
    refused(
        "train-sensor",
        "readings of a sensor among the clips",
        sensor,
        file="set/low-1-1.wav",
        what="this is not a recording that can be read",
        way_out="Give a WAV, FLAC or OGG file with sound in it",
    ),
    refused(
        "train-cheating",
        "a split in which who is tested trains too",
        cheating,
        typed=f"{TRAIN} --split split.csv",
        file="split.csv",
        key="group",
        value="'maker1'",
        what="is in two parts",
        way_out="Put all clips of a group into one part",
    ),
    refused(
        "train-fold",
        "a fold that is none",
        typed=f"{TRAIN} --fold 5/4",
        key="--fold",
        value="'5/4'",
        way_out="Write K/N, like 1/4",
    ),
    refused(
        "train-folds",
        "more folds than groups",
        typed=f"{TRAIN} --fold 1/9",
        key="folds",
        value="9",
        what="there are 4 groups to deal out",
        way_out="Ask for fewer folds",
    ),
    refused(
        "train-seed",
        "a seed out of range",
        typed=f"{TRAIN} --seed -1",
        key="--seed",
        value="-1",
        way_out="Write 0 to",
    ),
    refused(
        "recipe-missing",
        "there is no such recipe",
        typed=WITH_RECIPE,
        file="recipe.toml",
        what="there is no such recipe",
        way_out="Name a file that is there, or none",
    ),
    refused(
        "recipe-typo",
        "a recipe with a typo",
        recipe("[training]\nstpes = 100\n"),
        typed=WITH_RECIPE,
        file="recipe.toml",
        key="training.stpes",
        value="100",
        what="did you mean `steps`?",
        way_out="Rename it, or take it out",
    ),
    refused(
        "recipe-range",
        "a recipe with a value out of range",
        recipe("[augment]\nmixup = 2.0\n"),
        typed=WITH_RECIPE,
        file="recipe.toml",
        key="augment.mixup",
        value="2.0",
        what="is too large",
        way_out="Write 1 or less",
    ),
    refused(
        "recipe-front-end",
        "a recipe with a front end that is none",
        recipe('front_end = { name = "mel" }\n'),
        typed=WITH_RECIPE,
        file="recipe.toml",
        key="front_end.name",
        value="'mel'",
        what="unknown front end",
        way_out="Did you mean log-mel",
    ),
    refused(
        "train-work-taken",
        "a folder to train in that holds something else",
        lambda scene: scene.write("work/letters.txt", "dear"),
        key="--out",
        what="holds letters.txt, and no training",
        way_out="Name another folder",
    ),
    refused(
        "train-no-tensorflow",
        "TensorFlow is not installed",
        no_tensorflow,
        what="this needs TensorFlow",
        way_out="Type make setup-train, or pip install 'edged[train]'",
    ),
    refused(
        "train-embedding",
        "an embedding that is no model",
        typed=f"{TRAIN} --embedding set/manifest.csv",
        file="set/manifest.csv",
        what="not a TensorFlow Lite model",
        way_out="Fetch or convert it anew",
    ),
)
