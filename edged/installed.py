"""Models installed into a running daemon: kept in the state directory, and found there again after a restart.

    STATE_DIR/models/NAME.json       {"replaces": the path in the config, "path": where the copy is}
    STATE_DIR/models/NAME-1/…        the copy; the next one is NAME-2, and the older goes once the note names the newer

The note is renamed into place, so a power cut leaves the old model or the new one. When the user writes another path
into the config, the note no longer fits, and the config counts.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from edged.classify.archive import MANIFEST
from edged.classify.microwakeword import read_wake_word
from edged.errors import ModelError, StateError

if TYPE_CHECKING:
    from pathlib import Path


def find(state_dir: Path, name: str, *, configured: Path) -> Path:
    """Tell where a model's file is: the installed one if it replaces just what the config names, else what it names."""
    try:
        note = json.loads(_note(state_dir, name).read_text(encoding="utf-8"))
        installed = state_dir / "models" / note["path"]
        return installed if note["replaces"] == str(configured) and installed.exists() else configured
    except (OSError, ValueError, KeyError, TypeError):
        return configured


def keep(state_dir: Path, name: str, source: Path, *, configured: Path) -> Path:
    """Copy a model into the state directory, whole or not at all, and note that it replaces the configured one.

    Raises:
        StateError: It cannot be written.
    """
    models = state_dir / "models"
    if source.name == MANIFEST:
        source = source.parent
    older = [path for path in models.glob("*-*") if path.name.rpartition("-")[0] == name]
    folder = models / f"{name}-{1 + max(map(_number, older), default=0)}"
    try:
        folder.mkdir(parents=True)
        copy = folder / source.name
        _copy(source, copy)
        note = {"replaces": str(configured), "path": str(copy.relative_to(models))}
        draft = folder / "note"
        draft.write_text(json.dumps(note), encoding="utf-8")
        _sync(folder)
        draft.replace(_note(state_dir, name))
        _sync_one(models)  # before the older one goes: the disk may keep the removal, and not the new note
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        what = f"the model cannot be kept: {(error.strerror or str(error)).lower()}"
        raise StateError(what, file=folder, way_out="Make room, or let edged write there") from None
    except ModelError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for path in older:
        shutil.rmtree(path, ignore_errors=True)
    return copy


def _note(state_dir: Path, name: str) -> Path:
    return state_dir / "models" / f"{name}.json"


def _number(folder: Path) -> int:
    digits = folder.name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, copy)
        return
    shutil.copy2(source, copy)
    if source.suffix == ".json":
        model = read_wake_word(source).model
        shutil.copy2(model, copy.parent / model.name)


def _sync(folder: Path) -> None:
    """Have the disk hold all of it before anything points to it."""
    for path in (*folder.rglob("*"), folder):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
