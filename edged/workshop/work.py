"""The folder a training works in: it can be killed at any moment, and typed again it goes on.

    recipe.toml          as used, every key
    split.csv            each clip: path, label, source, group, licence, role (train, validation, test)
    datasets.json        where the datasets were; no part of what must stay the same
    training.json        what this training is: another one is refused here
    checkpoint/state.npz all that the next step depends on
    history.json         loss and scores by step
    representative.npz   windows to quantise with
    saved_model/         the trained network, for `edged optimise`
    float.edged          the bundle, in float32

Every file appears whole or not at all: it is written under another name in the same folder, synced and renamed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np

from edged.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

TRAINING: Final = "training.json"
STATE: Final = "checkpoint/state.npz"
SAVED_MODEL: Final = "saved_model"


class WorkFolder:
    """A training's folder, as it is on disk.

    Args:
        path: The folder; it need not exist yet, but the one above it must.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def begin(self, training: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """Make the folder one of this training, or see that it is one already.

        Args:
            training: What the training is, as plain JSON; the same must be asked for to go on.
            files: Texts that are written at the beginning, by name.

        Raises:
            ConfigError: Another training works there, something else is there, or it cannot be written.
        """
        with self._writable():
            self.path.mkdir(exist_ok=True)
            there = sorted(each.name for each in self.path.iterdir() if not each.name.startswith("."))
        if TRAINING in there:
            self._same(training)
        elif there:
            raise self._taken(f"holds {there[0]}, and no training")
        for name, text in files.items():
            self.write(name, text.encode())
        self.write(TRAINING, json.dumps(training, indent=2).encode() + b"\n")

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder, whole or not at all; ConfigError where that cannot be done."""
        with self._writable():
            place = self.path / name
            place.parent.mkdir(exist_ok=True)
            _replace(place, data)

    def save(self, arrays: Mapping[str, Sequence[NDArray[Any]]], told: Mapping[str, Any]) -> None:
        """Write the checkpoint: named lists of arrays, and plain JSON. ConfigError where that cannot be done."""
        flat = {f"{name}/{at:04d}": array for name, each in arrays.items() for at, array in enumerate(each)}
        data = io.BytesIO()
        np.savez(data, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **flat)
        self.write(STATE, data.getvalue())

    def saved(self) -> tuple[dict[str, list[NDArray[Any]]], dict[str, Any]] | None:
        """The last checkpoint, as `save` got it; None where there is none.

        Raises:
            ConfigError: It is damaged.
        """
        path = self.path / STATE
        if not path.exists():
            return None
        arrays: dict[str, list[NDArray[Any]]] = {}
        try:
            with np.load(path, allow_pickle=False) as file:
                told = json.loads(file["told"].tobytes())
                for key in sorted(set(file.files) - {"told"}):
                    arrays.setdefault(key.partition("/")[0], []).append(file[key])
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            way_out = "Delete it, to begin anew"
            raise ConfigError(f"is no whole checkpoint: {error}", file=path, way_out=way_out) from None
        return arrays, told

    def replace_folder(self, name: str, make: Callable[[Path], None]) -> Path:
        """Have a folder made, and put it in the place of the one that was there; gives its path."""
        place = self.path / name
        with self._writable():
            new = Path(tempfile.mkdtemp(dir=self.path, prefix=f".{name}."))
            try:
                make(new)
                if place.exists():
                    shutil.rmtree(place)
                new.chmod(0o755)
                new.rename(place)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        return place

    def _same(self, training: Mapping[str, Any]) -> None:
        try:
            there = json.loads((self.path / TRAINING).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            what, way_out = f"cannot be read: {error}", "Delete the folder, to begin anew"
            raise ConfigError(what, file=self.path / TRAINING, way_out=way_out) from None
        other = [key for key, value in training.items() if there.get(key) != value]
        if other:
            raise self._taken(f"holds a training with another {other[0]}")

    def _taken(self, what: str) -> ConfigError:
        way_out = "Name another folder, or delete this one"
        return ConfigError(what, key="--out", value=str(self.path), way_out=way_out)

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"cannot be written: {(error.strerror or str(error)).lower()}"
            way_out = "Make room or name another folder; typed again, a training goes on where it was"
            raise ConfigError(what, key="--out", value=str(self.path), way_out=way_out) from None


def _replace(place: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            Path(file.name).replace(place)
        except BaseException:
            Path(file.name).unlink()
            raise
