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
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np

from edged.errors import ConfigError
from edged.wholefile import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

TRAINING: Final = "training.json"
STATE: Final = "checkpoint/state.npz"
SAVED_MODEL: Final = "saved_model"
LEFTOVERS: Final = (
    ".*.toml.*",
    ".*.csv.*",
    ".*.json.*",
    ".*.npz.*",
    "checkpoint/.*.npz.*",
    ".saved_model.*",
    ".*.edged.*",
)
"""What a run that was killed while it wrote may leave."""


class WorkFolder:
    """A training's folder, as it is on disk.

    Args:
        path: The folder; it need not exist yet, but the one above it must.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def check(self, training: Mapping[str, Any]) -> None:
        """See that the folder is free for this training, or holds it already; nothing is written.

        Args:
            training: What the training is, as plain JSON; the same must be asked for to go on.

        Raises:
            ConfigError: Another training is there, or something else, or it cannot be looked at.
        """
        with self._writable():
            exists = self.path.exists()
            there = sorted(each.name for each in self.path.iterdir()) if exists else []
            found = [name for name in there if not name.startswith(".")]
            if not exists and not self.path.parent.is_dir():
                raise self._taken(f"would stand in {self.path.parent}, which is no folder")
        if TRAINING in found:
            self._same(training)
        elif found:
            raise self._taken(f"holds {found[0]}, and no training")

    def begin(self, training: Mapping[str, Any], files: Mapping[str, str]) -> None:
        """Make the folder one of this training, or go on in it.

        Args:
            training: As of `check`.
            files: Texts that are written at the beginning, by name.

        Raises:
            ConfigError: As of `check`, or it cannot be written.
        """
        self.check(training)
        with self._writable():
            self.path.mkdir(exist_ok=True)
            for pattern in LEFTOVERS:
                for leftover in self.path.glob(pattern):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        # What the training is comes first: a folder without it would be nobody's, and could not be gone on in.
        self.write(TRAINING, json.dumps(training, indent=2).encode() + b"\n")
        for name, text in files.items():
            self.write(name, text.encode())

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder, whole or not at all; ConfigError where that cannot be done."""
        with self._writable():
            place = self.path / name
            place.parent.mkdir(exist_ok=True)
            write_whole(place, data)

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

    def unwritable(self, why: str) -> ConfigError:
        """The error that says so."""
        way_out = "Make room or name another folder; typed again, a training goes on where it was"
        return ConfigError(f"cannot be written: {why}", key="--out", value=str(self.path), way_out=way_out)

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
            raise self.unwritable((error.strerror or str(error)).lower()) from None
