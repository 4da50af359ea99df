"""`edged train`: a dataset becomes a model."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from edged.errors import ConfigError
from edged.progress import progress
from edged.workshop.dataset import read_dataset
from edged.workshop.recipe import default_recipe, read_recipe, with_training
from edged.workshop.split import Fold, read_split, split_of

if TYPE_CHECKING:
    import argparse

    from edged.workshop.dataset import Dataset
    from edged.workshop.kinds import Score
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Split
    from edged.workshop.training import Moment, Trained


def run(arguments: argparse.Namespace) -> int:
    """Train in the folder named, or go on there; a JSON object at the end with --json."""
    if arguments.embedding is not None:
        return _linear(arguments)
    recipe = _recipe(arguments)
    datasets = [read_dataset(folder) for folder in arguments.datasets]
    split = _split(arguments, datasets, recipe)
    from edged.workshop.training import train  # noqa: PLC0415 - what is wrong with the words typed is said first

    with progress("training", recipe.training.steps, unit="steps") as bar:
        trained = train(
            datasets,
            arguments.out,
            recipe=recipe,
            split=split,
            at=lambda step, _: bar(step),
            looked=None if arguments.json else _look,
        )
    if arguments.json:
        print(json.dumps(_told(trained)), flush=True)
    else:
        kept = f"the model of step {trained.kept}"
        print(f"{trained.bundle.path}: {', '.join(trained.bundle.labels)}; {kept}")
        _tell_test(trained.test)
    return 0


def _linear(arguments: argparse.Namespace) -> int:
    """Find a linear head only."""
    from edged.workshop.linear import recipe_for, train_head  # noqa: PLC0415 - a runtime, which training must not load

    recipe = recipe_for(arguments.embedding) if arguments.recipe is None else read_recipe(arguments.recipe)
    datasets = [read_dataset(folder) for folder in arguments.datasets]
    split = _split(arguments, datasets, recipe)
    with progress("listening", 1, unit="clips") as bar:
        bundle, test = train_head(
            datasets, arguments.out, recipe=recipe, split=split, embedding=arguments.embedding, at=bar
        )
    if arguments.json:
        told = {"bundle": str(bundle.path), "labels": bundle.labels, "test": None if test is None else asdict(test)}
        print(json.dumps(told), flush=True)
    else:
        print(f"{bundle.path}: {', '.join(bundle.labels)}; a linear head over {arguments.embedding.name}")
        _tell_test(test)
    return 0


def _split(arguments: argparse.Namespace, datasets: list[Dataset], recipe: Recipe) -> Split:
    if arguments.split is None:
        return split_of(datasets, recipe, fold=_fold(arguments.fold))
    return read_split(arguments.split, datasets, recipe)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.recipe is None:
        recipe = default_recipe(arguments.kind or "window")
    else:
        recipe = read_recipe(arguments.recipe)
        if arguments.kind not in (None, recipe.kind):
            what, way_out = f"is not the kind of the recipe, {recipe.kind}", "Leave it out"
            raise ConfigError(what, key="--kind", value=arguments.kind, way_out=way_out)
    return with_training(recipe, seed=arguments.seed, steps=arguments.steps)


def _fold(text: str | None) -> Fold | None:
    if text is None:
        return None
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= MAX_FOLDS):
        way_out = f"Write K/N, like 1/4: part 1 of 4 is held back; N is {MAX_FOLDS} at most"
        raise ConfigError("is no fold", key="--fold", value=text, way_out=way_out)
    return Fold(int(number), int(count))


MAX_FOLDS = 100


def _look(moment: Moment) -> None:
    score = "" if moment.score is None else f"  validation {_share(moment.score)}"
    print(f"step {moment.step:>6}  loss {moment.loss:.3f}{score}", flush=True)


def _tell_test(test: Score | None) -> None:
    if test is not None:
        among = f"{100 * test.closed:.1f} % were background no choice"
        print(f"on the fold held back: {_share(test)}; {among}", flush=True)


def _share(score: Score) -> str:
    return f"{100 * score.accuracy:.1f} % of {score.clips} clips"


def _told(trained: Trained) -> dict[str, object]:
    return {
        "bundle": str(trained.bundle.path),
        "labels": trained.bundle.labels,
        "kept": trained.kept,
        "history": [asdict(moment) for moment in trained.history],
        "test": None if trained.test is None else asdict(trained.test),
    }
