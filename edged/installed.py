"""Models installed into a running daemon: kept in the state directory, and found there again after a restart.

    STATE_DIR/models/NAME.json       {"replaces": the path in the config, "path": where the copy is}
    STATE_DIR/models/NAME-1/…        the copy; the next one is NAME-2, and the older goes once the note names the newer

A copy counts once the note names it, which it does when the model has proven itself: one that brings the daemon down
before that is gone after the restart. The note is renamed into place, so a power cut leaves the old model or the new
one. When the user writes another path into the config, the note no longer fits, and the config counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING

from edged.classify.archive import MANIFEST
from edged.classify.microwakeword import read_wake_word
from edged.errors import ModelError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    copy = Copy(state_dir, name, source, configured=configured)
    copy.commit()
    return copy.path


class Copy:
    """A copy of a model in the state directory, which is nothing until it is committed.

    Args:
        state_dir: The state directory.
        name: The model's name in the config.
        source: What is copied.
        configured: The path in the config, which it replaces.

    Raises:
        StateError: It cannot be written; then nothing is left of it.
    """

    def __init__(self, state_dir: Path, name: str, source: Path, *, configured: Path) -> None:
        models = state_dir / "models"
        if source.name == MANIFEST:
            source = source.parent
        self._older = [path for path in models.glob("*-*") if path.name.rpartition("-")[0] == name]
        self._folder = models / f"{name}-{1 + max(map(_number, self._older), default=0)}"
        self._note = _note(state_dir, name)
        self._draft = self._folder / "note"
        self.path = self._folder / source.name
        with self._whole_or_not_at_all():
            self._folder.mkdir(parents=True)
            _copy(source, self.path)
            note = {"replaces": str(configured), "path": str(self.path.relative_to(models))}
            self._draft.write_text(json.dumps(note), encoding="utf-8")
            _sync(self._folder)

    def commit(self) -> None:
        """Note that it counts from now on, and let the older ones go; StateError, and then what counted still does."""
        with self._whole_or_not_at_all():
            before = self._note.read_bytes() if self._note.exists() else None
            self._draft.replace(self._note)
            try:
                _sync_one(
                    self._note.parent
                )  # before the older one goes: the disk may keep the removal, and not the note
            except OSError:
                self._note_again(before)
                raise
        for path in self._older:
            shutil.rmtree(path, ignore_errors=True)

    def discard(self) -> None:
        """Remove it; only before it is committed."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _note_again(self, before: bytes | None) -> None:
        if before is None:
            self._note.unlink()
        else:
            self._draft.write_bytes(before)
            self._draft.replace(self._note)

    @contextlib.contextmanager
    def _whole_or_not_at_all(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            what = f"the model cannot be kept: {(error.strerror or str(error)).lower()}"
            raise StateError(what, file=self._folder, way_out="Make room, or let edged write there") from None
        except ModelError:
            self.discard()
            raise


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
