"""The folder in which the daemon keeps clips: a dataset with a manifest, private, and never larger than its quota.

    STATE_DIR/clips/    0700
      manifest.csv      path,label,source,group,licence,sha256,at,model,heard,score    0600
      *.wav             16 kHz, mono, 16 bits                                           0600

When there is no room, the oldest go first, in the manifest's order: a clock that was set meanwhile changes nothing.
They are out of the manifest before they are gone, and a new one is there before the manifest names it; so whoever reads
it meets only clips that are there. What a crash leaves without a line is cleared at the next start, and a line without
its file is dropped. Everything here blocks; `edged.clips` calls it in a thread of its own.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from edged.audio.wav import wav_bytes
from edged.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("path", "label", "source", "group", "licence", "sha256", "at", "model", "heard", "score")
RATE_HZ: Final = 16_000
SPARE: Final = 20
"""Where the quota is full, a twentieth of it is freed at once: not every clip shall cost a manifest more."""
PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class _Kept:
    row: dict[str, str]
    size: int
    """Bytes of its file and its line."""


class ClipStore:
    """Keeps clips in one folder.

    Args:
        folder: Made if missing; everything in it that looks like a clip is ours.
        quota_bytes: It never holds more.

    Raises:
        OSError: It cannot be made, read or written.
    """

    def __init__(self, folder: Path, *, quota_bytes: int) -> None:
        self.folder, self._quota = folder, quota_bytes
        self.dropped = 0
        """Clips that have gone to make room for others."""
        self._kept: list[_Kept] = []
        """The oldest first."""
        self._bytes = len(_lines([]))
        usable(folder)
        self._recall()

    @property
    def count(self) -> int:
        """Clips kept."""
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Size of all of it."""
        return self._bytes

    def add(self, samples: Pcm, row: dict[str, str]) -> bool:
        """Keep a clip, shape (n,), 16 kHz, under the `path` in its row; False where it is larger than the quota.

        Where that path is taken, a number is added to it.

        Raises:
            OSError: It cannot be written; then nothing of it is there.
        """
        content = wav_bytes(samples, rate_hz=RATE_HZ)
        row = row | {"path": self._free(row["path"])}
        new = _Kept(row, len(content) + len(_line(row)))
        if not self._make_room(new.size):
            return False
        path = self.folder / row["path"]
        _write(path, content)
        self._kept.append(new)
        try:
            self._note()
        except OSError:
            self._kept.pop()
            path.unlink(missing_ok=True)
            raise
        self._bytes += new.size
        return True

    def _free(self, path: str) -> str:
        taken, stem = {each.row["path"] for each in self._kept}, path.removesuffix(".wav")
        return (
            path if path not in taken else next(f"{stem}-{n}.wav" for n in count(2) if f"{stem}-{n}.wav" not in taken)
        )

    def _make_room(self, size: int) -> bool:
        """Let the oldest go until so many bytes fit; False where they never will."""
        if size + len(_lines([])) > self._quota:
            return False
        if self._bytes + size <= self._quota:
            return True
        enough, freed, many = self._bytes + size - self._quota + self._quota // SPARE, 0, 0
        while freed < enough and many < len(self._kept):
            freed += self._kept[many].size
            many += 1
        gone, self._kept = self._kept[:many], self._kept[many:]
        try:
            self._note()
        except OSError:
            self._kept = gone + self._kept
            raise
        self._bytes -= freed
        self.dropped += many
        for each in gone:
            with contextlib.suppress(OSError):
                (self.folder / each.row["path"]).unlink()
        return True

    def _note(self) -> None:
        """Write the manifest anew, in one step."""
        _write(self.folder / MANIFEST, _lines([each.row for each in self._kept]))

    def _recall(self) -> None:
        """Find what an earlier run kept; what belongs to no line goes, and so does what is over the quota."""
        for row in _read(self.folder / MANIFEST):
            path = self.folder / row["path"]
            if path.parent == self.folder and path.is_file():
                self._kept.append(_Kept(row, path.stat().st_size + len(_line(row))))
                self._bytes += self._kept[-1].size
        known = {each.row["path"] for each in self._kept}
        for path in (*self.folder.glob("*.wav"), *self.folder.glob(f".*{PART}")):
            if path.name not in known:
                path.unlink(missing_ok=True)
        self._note()
        self._make_room(0)


def usable(folder: Path) -> None:
    """Make the folder, private, and see that it can be written.

    Raises:
        OSError: It cannot be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    probe = folder / f".probe{PART}"
    probe.touch(mode=0o600)
    probe.unlink()


def unusable(folder: Path, error: OSError) -> StateError:
    """Say that the folder cannot be used."""
    why = (error.strerror or str(error)).lower()
    way_out = "Give it to the user that edged runs as, or set keep = false in [clips]"
    return StateError(f"clips cannot be kept in it: {why}", file=folder, key="clips.keep", value=True, way_out=way_out)


def name(*parts: str) -> str:
    """Make a file's name of words that may hold anything."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", part)[:40] for part in parts) + ".wav"


def _read(manifest: Path) -> list[dict[str, str]]:
    """Read the rows that are whole; a manifest that is no such thing has none."""
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError, csv.Error):
        text = manifest.read_text(encoding="utf-8")
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        return [row for row in found if set(row) == set(COLUMNS) and None not in row.values()]
    return []


def _lines(rows: list[dict[str, str]]) -> bytes:
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue().encode()


def _line(row: dict[str, str]) -> bytes:
    return _lines([row])[len(_lines([])) :]


def _write(path: Path, content: bytes) -> None:
    """Write a private file, whole or not at all."""
    part = path.with_name(f".{path.name}{PART}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
