"""`edged model list`: the models of the running daemon; where none runs, those of the config, and those built in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edged.classify.bundle import default_model, open_bundle
from edged.config import control_socket, where
from edged.control.client import call
from edged.errors import DaemonAway, ModelError
from edged.plan import plan
from edged.shipped import shipped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edged.classify.bundle import Bundle

_SHOWN = 6
"""Labels that make a line."""


def run(arguments: argparse.Namespace) -> int:
    """Ask the daemon, or look for oneself."""
    file = where(arguments.config)
    told = _found(file)
    print(json.dumps(told, indent=2) if arguments.json else _in_words(told))
    return 0


def _found(file: Path) -> dict[str, Any]:
    away = f"there is no config {file}"
    if file.exists():
        try:
            return {"from": "daemon", "config": str(file), "why": "", **call(control_socket(file), "models")}
        except DaemonAway as error:
            away = str(error)
    models = [*(_of_config(file) if file.exists() else ()), *(_line(bundle, "built in") for bundle in _built_in())]
    return {"from": "files", "config": str(file) if file.exists() else None, "why": away, "models": models}


def _of_config(file: Path) -> Iterator[dict[str, Any]]:
    found = plan(file)
    for name in found.models:
        yield found.told(name) | {"state": "in the config", "why": "", "since": None}


def _built_in() -> list[Bundle]:
    """Find the model that listens where none is named, and those that come with edged."""
    found = {}
    try:
        default = default_model()
        found[default.path] = default
        for path in sorted(shipped("README.md").parent.glob("*/*.edged")):
            found.setdefault(path, open_bundle(path))
    except ModelError:  # one of the two is not installed, which is nobody's mistake
        pass
    return list(found.values())


def _line(bundle: Bundle, state: str) -> dict[str, Any]:
    labels = [label for label in bundle.labels if label in bundle.policies]
    told = {"name": bundle.name, "path": str(bundle.path), "configured": None, "version": bundle.version}
    return told | {"sha256": bundle.sha256, "labels": labels, "state": state, "why": "", "since": None}


def _in_words(told: dict[str, Any]) -> str:
    head = [f"{told['why']}; these are files:"] if told["from"] == "files" else []
    return "\n".join([*head, *(_model_in_words(model) for model in told["models"])])


def _model_in_words(model: dict[str, Any]) -> str:
    labels = model["labels"]
    shown = ", ".join(labels[:_SHOWN]) + (f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else "")
    since = f" since {model['since']}" if model["since"] else ""
    why = f" ({model['why']})" if model["why"] else ""
    installed = model["configured"] not in (None, model["path"])
    return "\n".join(
        (
            f"{' '.join((model['name'], model['version'])).rstrip()}: {model['state']}{since}{why}",
            f"    hears {shown}" if shown else "    hears what it says when it is opened",
            f"    {model['path']}" + (f", installed over {model['configured']}" if installed else ""),
            f"    sha256 {model['sha256'] or 'not known yet'}",
        )
    )
