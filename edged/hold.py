"""Holding the state directory: one daemon to a directory, said in the error to whoever comes second."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from edged.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PID_BYTES = 20


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold it while the block runs; the kernel lets go when the process ends, however.

    Raises:
        StateError: It cannot be made or written, or another process holds it.
    """
    lock = _opened(folder)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, PID_BYTES, 0).decode(errors="replace").strip() or "unknown"
            way_out = "Stop that one, or give this one a state_dir of its own"
            raise StateError(
                f"is held by another edged, process {holder}", key="state_dir", value=str(folder), way_out=way_out
            ) from None
        with contextlib.suppress(OSError):  # the number is only for people: a full disk must not keep us from starting
            os.truncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        way_out = "Name a folder that this user may write to, or start edged as the service's user"
        what = f"cannot be used: {(error.strerror or str(error)).lower()}"
        raise StateError(what, key="state_dir", value=str(folder), way_out=way_out) from None
