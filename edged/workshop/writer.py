"""Adding clips to a dataset: whatever happens on the way, what was there before stays whole and readable.

A clip's file is written beside its place and renamed. The manifest names it only when `commit` has brought every new
file to the disk and then replaced the manifest in one step. So a reader never meets half a file or a line without its
file; killed, the writer leaves at most clips that no manifest names, and the next one that is cut alike takes their
place. A full disk refuses what was not committed yet, and takes its files away again.

One process adds at a time: the folder itself is locked.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import os
import re
from typing import TYPE_CHECKING, Final, Self

from edged.audio.wav import wav_bytes
from edged.errors import DatasetError
from edged.workshop.dataset import COLUMNS, MANIFEST, RATE_HZ, Clip, digest, rows

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

COMMIT_EVERY: Final = 100
"""Clips between one manifest and the next: so much work a kill may cost."""
PART: Final = ".part"
"""Ends the name of a file that is being written."""


class Writer:
    """Adds to one dataset, and makes it where there is none: `with Writer(folder) as writer: writer.add(…)`.

    What was added is committed at the end, also where an error or Ctrl-C is the end.

    Args:
        folder: The dataset's.

    Raises:
        DatasetError: It cannot be made, locked or written, or its manifest cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._rows: list[dict[str, str]] = []
        self._new: list[Clip] = []
        """Not committed yet."""
        self._paths: set[Path] = set()
        """Of all clips."""
        self._made: list[Path] = []
        """Folders that were not there before, the outermost first."""
        self._lock = -1

    def __enter__(self) -> Self:
        """Lock the folder, and read what it has."""
        try:
            self._make(self.folder)
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            way_out = "Wait for it to end"
            raise DatasetError("another edged is adding to it", file=self.folder, way_out=way_out) from None
        except OSError as error:
            raise _unwritten(self.folder, error) from None
        try:
            if (manifest := self.folder / MANIFEST).exists():
                self._rows = [row for _, row in rows(manifest)]
                self._paths = {self.folder / row["path"] for row in self._rows}
            self._sweep()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Commit, or give up what cannot be committed; unlock."""
        try:
            self.commit()
        except DatasetError:
            if error is None:
                raise
        finally:
            self._leave()

    def add(self, samples: Pcm, *, label: str, source: str, group: str, licence: str) -> Clip:
        """Write a clip, shape (n,), 16 kHz; the manifest names it after the next `commit`.

        Raises:
            DatasetError: It is there already, it cannot be written, or an older clip cannot be committed.
        """
        sha256 = digest(samples)
        path = self.folder / _name(label) / f"{_name(group)[:40]}-{sha256[:12]}.wav"
        if path in self._paths:
            raise DatasetError("the same clip is there already", file=path, way_out="Leave it out")
        try:
            self._make(path.parent)
            part = path.with_name(f".{path.name}{PART}")
            try:
                part.write_bytes(wav_bytes(samples, rate_hz=RATE_HZ))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritten(self.folder, error) from None
        clip = Clip(path, label, source, group, licence, sha256)
        self._new.append(clip)
        self._paths.add(path)
        if len(self._new) >= COMMIT_EVERY:
            self.commit()
        return clip

    def commit(self) -> None:
        """Have the manifest name all that was added, once that is on the disk.

        Raises:
            DatasetError: It cannot be; then what was added since the last commit is gone.
        """
        if not self._new:
            return
        added = self._rows + [self._row(clip) for clip in self._new]
        manifest = self.folder / MANIFEST
        part = manifest.with_name(f".{MANIFEST}{PART}")
        try:
            for folder in {clip.path.parent for clip in self._new}:
                _to_disk(folder)
            for clip in self._new:
                _to_disk(clip.path)
            part.write_bytes(_manifest(added))
            _to_disk(part)
            part.replace(manifest)
        except OSError as error:
            part.unlink(missing_ok=True)
            self._discard()
            raise _unwritten(self.folder, error) from None
        self._rows, self._new = added, []
        with contextlib.suppress(OSError):  # the manifest stands; should power fail now, the old one may come back
            os.fsync(self._lock)

    def _discard(self) -> None:
        for clip in self._new:
            self._paths.discard(clip.path)
            with contextlib.suppress(OSError):
                clip.path.unlink()
        self._new = []

    def _row(self, clip: Clip) -> dict[str, str]:
        path = clip.path.relative_to(self.folder).as_posix()
        values = (path, clip.label, clip.source, clip.group, clip.licence, clip.sha256)
        return dict(zip(COLUMNS, values, strict=True))

    def _make(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._made += missing[::-1]

    def _sweep(self) -> None:
        """Take away what a writer that was killed was about to write; nobody else writes while we hold the lock."""
        for part in (*self.folder.glob(f".*{PART}"), *self.folder.glob(f"*/.*{PART}")):
            with contextlib.suppress(OSError):
                part.unlink()

    def _leave(self) -> None:
        """Unlock; of the folders that were made, the empty ones go."""
        os.close(self._lock)
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _manifest(added: list[dict[str, str]]) -> bytes:
    """Write the rows, with every column that any of them has."""
    columns = dict.fromkeys([*COLUMNS, *added[0]])
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(added)
    return made.getvalue().encode()


def _name(text: str) -> str:
    """Give a name that is one level of a path."""
    return re.sub(r"[^\w-]+", "_", text) or "_"


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritten(folder: Path, error: OSError) -> DatasetError:
    way_out = "Make room, or name a folder that you may write to; what the dataset had before is untouched"
    return DatasetError(f"it cannot be written: {(error.strerror or str(error)).lower()}", file=folder, way_out=way_out)
