"""Recipes: all that decides what a training makes of a dataset, in a TOML file where every key has a default.

The sentence under each key is its description; docs/TRAIN.md repeats them. `edged train` without a recipe takes the
default one of its kind, and writes into the folder it trains in the recipe as used, every key of it: that file, the
same dataset and the same seed give the same bundle again.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pydantic import Field, ValidationError

from edged.errors import ConfigError, Mistakes, ModelError
from edged.features.frontend import open_front_end
from edged.features.spec import from_mapping
from edged.mistakes import mistakes
from edged.workshop.recipe_tables import (
    Augment,
    Decide,
    Label,
    Labels,
    Name,
    Network,
    Streaming,
    Table,
    Text,
    Training,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edged.features.spec import FrontEndSpec
    from edged.mistakes import Place

Kind: TypeAlias = Literal["window", "streaming"]

OTHERS: Final = "*"
"""In `background`: every label of the dataset that is not one of `labels`."""
MAX_INPUTS: Final = 1_000_000
"""Numbers in one window: 16 s of YAMNet's log-mel are 100,000."""


class Recipe(Table):
    """The whole file."""

    name: Name = "model"
    """The bundle's name."""
    kind: Kind = "window"
    """`window`: a DS-CNN that looks at each window anew; `streaming`: one that keeps its state, for wake words."""
    description: Text = ""
    """A sentence for the bundle's manifest."""
    labels: Labels = ()
    """Labels of the dataset that become outputs; default: all that do not begin with `_`."""
    background: Labels = ()
    """Labels that are to be ignored, together the output `_background_`; default: those that begin with `_`; `*`: all
    others. Clips with a label that is in neither list are left out."""
    front_end: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """How sound becomes the model's input, as in a bundle's manifest (docs/FEATURES.md); default: of the kind."""
    window_frames: int = Field(default=0, ge=0, le=100_000)
    """Frames in one window; default: of the kind."""
    hop_frames: int = Field(default=0, ge=0, le=100_000)
    """Frames from one window to the next; default: of the kind."""
    augment: Augment = Augment()
    """What is done to the clips."""
    network: Network = Network()
    """The DS-CNN of kind `window`."""
    training: Training = Training()
    """How long, how fast, on how much."""
    streaming: Streaming = Streaming()
    """The network and the scenes of kind `streaming`."""
    policy: Decide = Decide()
    """How scores become decisions, for every label."""
    policies: dict[Label, Decide] = {}  # noqa: RUF012 - as above
    """By label: how its own do, instead."""

    @property
    def spec(self) -> FrontEndSpec:
        """The front end's record."""
        return from_mapping(self.front_end)


DEFAULTS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "window": {
        "front_end": {"name": "log-mel", "window_ms": 32, "step_ms": 16, "bands": 40, "low_hz": 60, "high_hz": 7800},
        "window_frames": 62,
        "hop_frames": 16,
        "policy": {"threshold": 0.6, "mean_of": 3, "refractory_s": 1.0},
    },
    "streaming": {
        "front_end": {"name": "micro"},
        "window_frames": 3,
        "hop_frames": 3,
        "policy": {"threshold": 0.6, "mean_of": 3, "refractory_s": 1.0},
    },
}
"""By kind: what a recipe has that does not say otherwise. A window is one second, looked at four times a second."""

_TABLES: Final[Mapping[Place, type[Table]]] = {
    (): Recipe,
    ("augment",): Augment,
    ("network",): Network,
    ("training",): Training,
    ("streaming",): Streaming,
    ("policy",): Decide,
}


def default_recipe(kind: Kind = "window") -> Recipe:
    """The recipe that is used where none is given."""
    return recipe_of({"kind": kind})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: It cannot be read, or holds what no recipe may; it tells every mistake.
    """
    return recipe_of(_read(path), file=path)


def recipe_of(told: Mapping[str, Any], *, file: str | Path | None = None) -> Recipe:
    """The recipe that this mapping means, its kind's defaults filled in. Raises as `read_recipe`."""
    where = file or "recipe"
    defaults = DEFAULTS.get(told.get("kind", "window"), {})
    try:
        recipe = Recipe.model_validate({**defaults, **told})
    except ValidationError as error:
        found = mistakes(error.errors(), file=Path(where), keys_of=_keys_of)
        raise Mistakes(found) from None
    _check_front_end(recipe, file=where)
    return recipe


def with_training(recipe: Recipe, *, seed: int | None, steps: int | None) -> Recipe:
    """The recipe with another seed or number of steps, where they are not None.

    Raises:
        ConfigError: One is out of range.
    """
    given = {"seed": seed, "steps": steps}
    for key, value in given.items():
        low, high = (0, 2**32 - 1) if key == "seed" else (1, 10_000_000)
        if value is not None and not low <= value <= high:
            raise ConfigError("is out of range", key=f"--{key}", value=value, way_out=f"Write {low} to {high}")
    changed = {key: value for key, value in given.items() if value is not None}
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changed)})


def undecided(recipe: Recipe) -> Recipe:
    """The recipe without its policies, on which no training depends: another threshold needs no other one."""
    return recipe.model_copy(update={"policy": Decide(), "policies": {}})


def written(recipe: Recipe) -> str:
    """The recipe as TOML, every key of it; `read_recipe` gives an equal one."""
    return "".join(_lines(recipe.model_dump(exclude_none=True), ()))


def _check_front_end(recipe: Recipe, *, file: str | Path) -> None:
    try:
        front_end = open_front_end(from_mapping(recipe.front_end, file=file))
    except ModelError as error:
        raise ConfigError(error.what, file=file, key=error.key, value=error.value, way_out=error.way_out) from None
    for key in ("window_frames", "hop_frames"):
        if not getattr(recipe, key):
            raise ConfigError("is too small", file=file, key=key, value=0, way_out="Write 1 or more")
    if recipe.window_frames * front_end.width > MAX_INPUTS:
        way_out = f"Write {MAX_INPUTS // front_end.width} or less"
        raise ConfigError("is too large", file=file, key="window_frames", value=recipe.window_frames, way_out=way_out)
    both = sorted(set(recipe.labels) & set(recipe.background))
    if both:
        way_out = "Take it out of one of them"
        raise ConfigError("stands in labels too", file=file, key="background", value=both[0], way_out=way_out)


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> Iterable[str]:
    """TOML wants a table's own values before its tables."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict) and key != "front_end"}
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_value(value)}\n"
    for key, value in inner.items():
        if value:
            yield f"\n[{'.'.join(map(_key, (*place, key)))}]\n"
            yield from _lines(value, (*place, key))


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _value(key)


def _value(value: Any) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return str(value).lower()
    return repr(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        what = "there is no such recipe" if missing else f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(what, file=path, key="--recipe", way_out="Name a file that is there, or none") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number too long, a nesting too deep
        raise ConfigError(f"is not TOML: {error}", file=path, way_out="Mend that line") from None


def _keys_of(place: Place) -> Iterable[str]:
    table = Decide if place[:1] == ("policies",) else _TABLES.get(place)
    return table.model_fields if table else ()
