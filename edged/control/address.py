"""The control socket's place in the file system: how it is taken, and from whom it is not."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING, Final

from edged.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

MODE: Final = 0o660


def bound(path: Path) -> socket.socket:
    """Make a listening socket of mode 0660 at this path, in the place of one that nobody listens at any more.

    Raises:
        StateError: Somebody listens there, or the path cannot be used.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        os.fchmod(listening.fileno(), MODE)  # Linux gives the path no wider a mode than the socket has,
        listening.bind(str(path))
        path.chmod(MODE)  # and the umask must not leave it narrower
        listening.listen()
    except OSError as error:
        listening.close()
        what = f"the control socket cannot be made: {(error.strerror or str(error)).lower()}"
        raise StateError(what, file=path, way_out="Set runtime_dir to a folder that edged may write to") from None
    except StateError:
        listening.close()
        raise
    return listening


def _clear(path: Path) -> None:
    """Remove what a daemon that died has left there, and nothing else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StateError("is in the control socket's place, and is none", file=path, way_out="Take it away")
    if _listened_at(path):
        raise StateError("another edged listens there", file=path, way_out="Stop it, or set another runtime_dir")
    path.unlink()


def _listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            pass  # somebody listens, with no room for more callers
    return True
