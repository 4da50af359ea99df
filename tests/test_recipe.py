"""Recipes: read, refused with the key at fault, and written so that they are read the same again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_keys import DOCUMENT, page

from edged.errors import ConfigError
from edged.features.frontend import open_front_end
from edged.records import Policy
from edged.workshop.recipe import Kind, Recipe, default_recipe, read_recipe, recipe_of, with_training, written

if TYPE_CHECKING:
    from pathlib import Path

KINDS: tuple[Kind, ...] = ("window", "streaming")
LABELS = st.lists(st.text(min_size=1, max_size=12).filter(lambda text: max(text) < "\ud800"), max_size=3, unique=True)
RECIPES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"),
        "kind": st.sampled_from(KINDS),
        "description": st.text(st.characters(codec="utf-8"), max_size=40),
        "labels": LABELS,
        "window_frames": st.integers(1, 100),
        "front_end": st.sampled_from([{"name": "micro"}, {"name": "mfcc", "window_ms": 40.0}]),
        "augment": st.fixed_dictionaries({}, optional={"speed": st.floats(0, 0.9), "mixup": st.floats(0, 1)}),
        "training": st.fixed_dictionaries({"steps": st.integers(1, 10_000), "learning_rate": st.floats(1e-9, 1)}),
        "streaming": st.fixed_dictionaries(
            {},
            optional={
                "channels": st.integers(4, 512),
                "kernels": st.lists(st.integers(2, 64), min_size=1, max_size=4),
                "beds": st.lists(st.text(min_size=1, max_size=5), max_size=3),
                "near_misses": st.lists(st.text(max_size=8), max_size=3),
                "say": st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=9), max_size=2),
                "mask": st.booleans(),
            },
        ),
        "policy": st.fixed_dictionaries({}, optional={"release": st.floats(0, 1), "max_s": st.floats(0, 1000)}),
        "policies": st.dictionaries(st.text(min_size=1, max_size=8), st.just({"threshold": 0.25}), max_size=2),
    },
)


@given(RECIPES)
def test_a_recipe_as_written_is_read_the_same(tmp_path_factory: pytest.TempPathFactory, told: dict[str, Any]) -> None:
    recipe = recipe_of(told)
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    path.write_text(written(recipe), encoding="utf-8")
    assert read_recipe(path) == recipe
    assert written(read_recipe(path)) == written(recipe)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_whole_default(kind: Kind) -> None:
    recipe = default_recipe(kind)
    assert recipe.kind == kind
    assert open_front_end(recipe.spec).rate_hz == 16_000
    assert recipe.window_frames > 0 < recipe.hop_frames
    assert isinstance(recipe.policy.policy, Policy)


def test_what_a_recipe_does_not_say_is_as_by_default() -> None:
    recipe = recipe_of({"training": {"batch": 8}})
    assert recipe.training.batch == 8
    assert recipe.training.steps == default_recipe().training.steps
    assert recipe.front_end == default_recipe().front_end


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[training]\nstpes = 3", "training.stpes", "did you mean `steps`?"),
        ("[training]\nsteps = 0", "training.steps", "too small"),
        ("[training]\nsteps = '9'", "training.steps", "whole number"),
        ("kind = 'windows'", "kind", "'window' or 'streaming'"),
        ("labels = 'dog'", "labels", "is not a list"),
        ("name = 'a b'", "name", "letters, digits"),
        ("labels = ['dog']\nbackground = ['dog']", "background", "stands in labels too"),
        ("[augment]\ngain_db = [3, 1]", "augment.gain_db", "from 3 to 1"),
        ("[augment]\nmixup = 1.5", "augment.mixup", "too large"),
        ("[network]\nfilters = []", "network.filters", "is empty"),
        ("[network]\nfilters = [8]\nstrides = [1, 2]", "network.strides", "2 steps for 1 convolutions"),
        ("[network]\nfilters = [8]\nstrides = [4]", "network.kernel", "smaller than a step of 4"),
        ("front_end = { name = 'mfc' }", "front_end.name", "Did you mean mfcc"),
        ("front_end = { name = 'micro', bands = 3 }", "front_end.bands", "unknown parameter"),
        ("window_frames = 0", "window_frames", "1 or more"),
        ("window_frames = 50000", "window_frames", "25000 or less"),
        ("[policies.dog]\ntreshold = 0.5", "policies.dog.treshold", "did you mean `threshold`?"),
        ("[policy]\nthreshold = nan", "policy.threshold", "finite"),
        ("tarining = 3", "tarining", "did you mean `training`?"),
        ("steps: 3", None, "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, key: str | None, words: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    assert caught.value.file == str(path)
    assert caught.value.key == key
    assert caught.value.way_out
    assert words in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_of({"training": {"steps": 0, "batch": 0}, "color": 1})
    assert [word in str(caught.value) for word in ("training.steps", "training.batch", "color")] == [True] * 3


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such recipe"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path)


@pytest.mark.parametrize(("seed", "steps"), [(-1, None), (2**32, None), (None, 0), (None, 10**8)])
def test_a_seed_or_a_number_of_steps_that_cannot_be(seed: int | None, steps: int | None) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        with_training(default_recipe(), seed=seed, steps=steps)


def test_seed_and_steps_go_over_the_recipe() -> None:
    recipe: Recipe = with_training(default_recipe(), seed=9, steps=None)
    assert (recipe.training.seed, recipe.training.steps) == (9, default_recipe().training.steps)
    assert with_training(recipe, seed=None, steps=5).training.seed == 9


def test_the_page_tells_every_key() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python tests/recipe_keys.py writes it anew"
