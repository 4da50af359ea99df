"""A bundle's two files on disk: side by side in a folder, or packed into one `.edged` file, which is a zip.

Nothing is ever unpacked: the two members are read by name into memory, and bounded before they are read. A path in an
archive therefore means nothing, and an archive that would unfold into gigabytes is refused by what it says of itself,
and again by what it yields.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edged.classify.flatbuffer import MAX_MODEL_BYTES
from edged.errors import ModelError
from edged.wholefile import write_whole

MANIFEST: Final = "manifest.json"
MODEL: Final = "model.tflite"
SUFFIX: Final = ".edged"
MAX_MANIFEST_BYTES: Final = 1024 * 1024
MAX_DIRECTORY_BYTES: Final = 64 * 1024
"""An archive's table of contents; two entries take about 120 bytes."""

_LIMITS: Final = {MANIFEST: MAX_MANIFEST_BYTES, MODEL: MAX_MODEL_BYTES}
_END: Final = struct.Struct("<4s4H2LH")  # zip's end of central directory, APPNOTE.TXT 4.3.16
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold: the same content makes the same file
_FETCH: Final = "Fetch the bundle anew"


@dataclass(frozen=True, slots=True)
class Parts:
    """A bundle's two files, and where a person finds the manifest."""

    manifest: bytes
    model: bytes
    where: str


def read_file(path: Path, *, limit: int, missing: str = "Name a file that exists") -> bytes:
    """A file's bytes.

    Args:
        path: The file.
        limit: So many bytes at most.
        missing: The way out where there is no such file.

    Raises:
        ModelError: It is missing, unreadable or larger than `limit`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise ModelError("there is no such file", file=path, way_out=missing) from None
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ModelError(what, file=path, way_out="Name a file that this user may read") from None
    if len(data) > limit:
        raise ModelError(f"is larger than {limit} bytes", file=path, way_out="Name a model of that size at most")
    return data


def read_parts(path: Path) -> Parts:
    """Both files of the bundle at `path`, a folder or a `.edged` file.

    Raises:
        ModelError: Either is missing, unreadable or too large.
    """
    manifest = path / MANIFEST
    if not path.is_dir():
        return Parts(*_read_archive(path), where=str(manifest))
    return Parts(
        read_file(manifest, limit=MAX_MANIFEST_BYTES, missing=f"Name a folder with {MANIFEST} and {MODEL} in it"),
        read_file(path / MODEL, limit=MAX_MODEL_BYTES, missing=_FETCH),
        where=str(manifest),
    )


def write_parts(path: Path, *, manifest: bytes, model: bytes) -> None:
    """Write a bundle: one `.edged` file if the name says so, a folder otherwise. It appears whole or not at all.

    Raises:
        ModelError: A folder is there already, or cannot be written.
    """
    files = {MANIFEST: manifest, MODEL: model}
    try:
        if path.suffix == SUFFIX:
            _write_archive(path, files)
        else:
            _write_folder(path, files)
    except OSError as error:
        what = f"cannot be written: {(error.strerror or str(error)).lower()}"
        raise ModelError(what, file=path, way_out="Name a place that is free and writable") from None


def _read_archive(path: Path) -> tuple[bytes, bytes]:
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            return _member(archive, MANIFEST, path), _member(archive, MODEL, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise ModelError(f"is not a whole .edged file: {error}", file=path, way_out=_FETCH) from None
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ModelError(what, file=path, way_out="Name a file that this user may read") from None


def _check_directory(path: Path) -> None:
    """Refuse a table of contents that would fill the memory: zipfile reads it whole, before anything can be asked."""
    with path.open("rb") as file:
        file.seek(-min(_END.size, file.seek(0, os.SEEK_END)), os.SEEK_END)
        signature, *_, size, _offset, comment = _END.unpack(file.read())
    if signature != b"PK\5\6" or comment or size > MAX_DIRECTORY_BYTES:
        raise zipfile.BadZipFile("its table of contents is not at its end")


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        member = archive.open(name)
    except KeyError:
        raise ModelError(f"holds no {name}", file=path, way_out=_FETCH) from None
    with member:
        data = member.read(_LIMITS[name] + 1)
    if len(data) > _LIMITS[name]:
        raise ModelError(f"{name} in it is larger than {_LIMITS[name]} bytes", file=path, way_out=_FETCH)
    return data


def _write_archive(path: Path, files: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    write_whole(path, packed.getvalue())


def _write_folder(path: Path, files: dict[str, bytes]) -> None:
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        for name, data in files.items():
            with (folder / name).open("wb") as file:
                file.write(data)
                os.fsync(file.fileno())
        folder.chmod(0o755)
        folder.rename(path)  # fails where anything but an empty folder is
    except BaseException:
        shutil.rmtree(folder)
        raise
