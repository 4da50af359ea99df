"""A file that appears whole or not at all, and a look ahead at whether it can."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edged import wholefile
from edged.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def see_writable(path: Path) -> None:
    """See, before hours of work, that a file can be written there at their end.

    Raises:
        ConfigError: Its folder is not there, or not ours to write to; or it is a folder itself.
    """
    why = None
    if not path.parent.is_dir():
        why = "no such file or directory"
    elif path.is_dir():
        why = "is a directory"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        why = "permission denied"
    if why is not None:
        raise _unwritten(path, why)


def write_whole(path: Path, data: bytes) -> None:
    """Write beside it, sync, and rename over what was there.

    Raises:
        ConfigError: It cannot be written; what was there is still there, and nothing is left behind.
    """
    try:
        wholefile.write_whole(path, data)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise _unwritten(path, why) from None


def _unwritten(path: Path, why: str) -> ConfigError:
    return ConfigError(f"cannot be written: {why}", file=path, way_out="Name a file in a folder you own")
