"""The broker's password: fetched when it is needed, from the one place that the config names, and never written down.

The places are those that other users of the machine cannot read: a systemd credential, a file closed to others, an
environment variable. No error here carries what was read.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from edged import systemd
from edged.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 65_535  # MQTT 5, 3.1.3.6: Binary Data of at most so many bytes


def password(*, credential: str | None = None, file: Path | None = None, env: str | None = None) -> str | None:
    """Fetch the password from the place named; None when none is named.

    Raises:
        ConfigError: The place is empty or missing, or others can read it.
    """
    if credential is not None:
        return _from_credential(credential)
    if file is not None:
        return _from_file(file)
    return None if env is None else _from_environment(env)


def _from_credential(name: str) -> str:
    found = systemd.credential(name)
    if not found:
        way_out = f"Add LoadCredential={name}:/etc/edged/credentials/{name} to the unit, or use mqtt.password_file"
        raise ConfigError("there is no such credential", key="mqtt.password_credential", value=name, way_out=way_out)
    return found


def _from_environment(name: str) -> str:
    found = os.environ.get(name)
    if not found:
        way_out = "Set it for the service, or use mqtt.password_file"
        raise ConfigError("there is no such variable", key="mqtt.password_env", value=name, way_out=way_out)
    return found


def _from_file(path: Path) -> str:
    def wrong(what: str, way_out: str) -> ConfigError:
        return ConfigError(what, key="mqtt.password_file", value=str(path), way_out=way_out)

    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & stat.S_IRWXO:
                raise wrong("is open to every user of this machine", f"Close it: chmod o= {path}")
            text = stream.read(MAX_BYTES + 2).decode().rstrip("\r\n")
    except OSError as error:
        raise wrong(f"cannot be read: {(error.strerror or '').lower()}", "Name a file that edged may read") from None
    except UnicodeDecodeError:
        raise wrong("is not UTF-8", "Write the password into it as text") from None
    if not text or "\n" in text or len(text) > MAX_BYTES:
        raise wrong("does not hold one line of text", "Write the password into it, and nothing else")
    return text
