"""Reads the TOML file, and says everything that is wrong with it.

`read()` gives whole `Config` records or raises one `ConfigError` that tells all mistakes, a line each: the file, the
dotted key, the value and the way out. A key that nobody knows is refused, with the nearest known one named; that
catches a typo on the day it is made and not on the night it matters.

`python -m edged.validation FILE` prints the same as one JSON object, ``{"config": …}`` or ``{"mistakes": […]}``: for
the daemon, which has the work done in a process of its own (`edged.config.Reading`) and so never loads pydantic.
"""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edged import tables
from edged.board_tables import Board
from edged.errors import ConfigError, Mistakes
from edged.mistakes import mistakes, nearest
from edged.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edged.mistakes import Place
    from edged.settings import Config
    from edged.table import Table

TOPIC_LEVELS = ("state", "hearing")
"""A source's own, where its models' names stand too."""
TABLES: tuple[tuple[tuple[str, ...], type[Table]], ...] = (
    ((), tables.Config),
    (("mqtt",), tables.Mqtt),
    (("mqtt", "tls"), tables.Tls),
    (("outbox",), tables.Outbox),
    (("health",), tables.Health),
    (("clips",), tables.Clips),
    (("runtime",), tables.Runtime),
    (("boards", "*"), Board),
    (("sources", "*", "microphone"), tables.Microphone),
    (("sources", "*", "file"), tables.File),
    (("sources", "*", "command"), tables.Command),
    (("models", "*"), tables.Model),
    (("models", "*", "front_end"), tables.FrontEnd),
    (("models", "*", "policy"), tables.Policy),
    (("models", "*", "policies", "*"), tables.Policy),
)
"""Where in the file each table stands."""
EVIDENCE = ("what", "file", "key", "value", "way_out")
"""Of a mistake: what makes it anew elsewhere."""


def read(path: Path) -> Config:
    """Read and check the whole file; ConfigError tells all that is wrong with it, and stands at its first mistake."""
    found = _validated(_read(path), path)
    if loose := list(_loose_ends(found, path)):
        raise Mistakes(loose)
    return found


def control_socket(path: Path) -> Path:
    """Tell where the daemon of this config listens, whatever else is wrong in it.

    Raises:
        ConfigError: The file cannot be read, or `runtime_dir` is wrong.
    """
    told = {name: value for name, value in _read(path).items() if name == "runtime_dir"}
    return _validated(told | {"sources": {"none": {"kind": "microphone"}}}, path).control_socket


def schema() -> dict[str, Any]:
    """Give the file's JSON Schema, draft 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | tables.Config.model_json_schema()


def told(path: Path) -> dict[str, Any]:
    """Read the file, and give what there is to say of it as plain JSON, but for paths."""
    try:
        return {"config": asdict(read(path))}
    except ConfigError as error:
        wrong = error.mistakes if isinstance(error, Mistakes) else (error,)
        return {"mistakes": [{name: getattr(each, name) for name in EVIDENCE} for each in wrong]}


def _validated(told: Mapping[str, Any], path: Path) -> Config:
    try:
        found = tables.Config.model_validate(told, context={"folder": path.parent.absolute()})
    except ValidationError as error:
        raise Mistakes(mistakes(error.errors(), file=path, keys_of=_keys_of)) from None
    return settings_of(found.model_dump())


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        way_out = "Copy edged.toml.example there, or name another file with --config"
        raise ConfigError("there is no such config file", file=path, way_out=way_out) from None
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(what, file=path, way_out="Name a file that this user may read") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"is not UTF-8 at line {line}", file=path, way_out="Save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}", file=path, way_out="Mend that line") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise ConfigError(f"cannot be read: {error}", file=path, way_out="Write a shorter number") from None
    except RecursionError:
        raise ConfigError("is nested too deeply", file=path, way_out="Write tables, not lists in lists") from None


def _keys_of(place: Place) -> Iterable[str]:
    """Give the keys that the table at this place may hold; the third part of a source's place is its kind."""
    for pattern, table in TABLES:
        if len(pattern) == len(place) and all(a in ("*", b) for a, b in zip(pattern, place, strict=True)):
            return table.model_fields
    return ()


def _loose_ends(config: Config, path: Path) -> Iterator[ConfigError]:
    """Find names that lead nowhere, and keys that need another."""
    if config.mqtt.username is None and (
        config.mqtt.password_credential or config.mqtt.password_file or config.mqtt.password_env
    ):
        yield ConfigError("is missing beside a password", file=path, key="mqtt.username", way_out="Add the user's name")
    if config.models and not config.sources:
        way_out = "Add one, or take the models out"
        yield ConfigError("is missing, and models hear sources", file=path, key="sources", way_out=way_out)
    yield from _one_board_a_port(config, path)
    for name, model in config.models.items():
        if name in TOPIC_LEVELS:
            way_out = "Give the model another name"
            yield ConfigError(
                "would share topics with the source's own", file=path, key=f"models.{name}", way_out=way_out
            )
        for source in model.sources or ():
            if config.sources and source not in config.sources:
                what = f"there is no such source{nearest(source, config.sources)}"
                way_out = f"Name any of {', '.join(config.sources)}"
                yield ConfigError(what, file=path, key=f"models.{name}.sources", value=source, way_out=way_out)
        for key, labels in (("background", model.background), ("policies", model.policies)):
            for label in labels:
                if model.labels is not None and label not in model.labels:
                    what = f"the model has no such label{nearest(label, model.labels)}"
                    way_out = f"Name any of {', '.join(model.labels)}"
                    yield ConfigError(what, file=path, key=f"models.{name}.{key}", value=label, way_out=way_out)


def _one_board_a_port(config: Config, path: Path) -> Iterator[ConfigError]:
    for key in ("port", "uid"):
        first: dict[str, str] = {}
        for name, board in config.boards.items():
            value = getattr(board, key)
            if value is not None and first.setdefault(value, name) != name:
                what = f"is that of boards.{first[value]} too"
                way_out = "Give each board its own, as `edged board list` prints them"
                yield ConfigError(what, file=path, key=f"boards.{name}.{key}", value=value, way_out=way_out)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(told(Path(sys.argv[1])), default=str))
