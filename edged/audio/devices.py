"""The input devices of this machine, each with the string to write into the config.

PortAudio is asked in a child process with a deadline, for a stalled sound server holds up whoever lists its devices.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from edged.audio import child, identity
from edged.errors import ConfigError, SourceLost

LIST_S = 5.0
"""Looking takes 0.1 s on x86-64; a sound server that has not answered by then hangs."""


@dataclass(frozen=True, slots=True)
class Device:
    """One input device."""

    paste: str
    """What to write as `device`: `name:…`, or `usb:…` where several have the same name."""
    name: str
    """PortAudio's name, without the `(hw:1,0)` that changes from boot to boot."""
    host_api: str
    """PortAudio's host API: ALSA, JACK, OSS."""
    channels: int
    """At most so many; plugins claim up to 128."""
    rate_hz: int
    """Its default."""
    card: int | None
    """ALSA's card number at this moment, if it is a card."""
    usb: str | None
    """Where it is plugged in, such as `1-1.3`, if it is on USB."""


def check_device(device: str, *, key: str | None = None) -> None:
    """Refuse a string that names no device; whether the device is there is another matter.

    Args:
        device: As written by the user.
        key: Where it was written, for the message.

    Raises:
        ConfigError: It is not `default`, `name:…` or `usb:…`.
    """
    try:
        identity.parse(device)
    except ValueError as error:
        way_out = "Write default, name:… or usb:…, as `edged devices` prints it"
        raise ConfigError(str(error), key=key, value=device, way_out=way_out) from None


def list_devices(*, deadline_s: float = LIST_S) -> list[Device]:
    """Return the input devices, in PortAudio's order.

    Raises:
        SourceLost: The sound system does not answer, or PortAudio cannot be used.
    """
    try:
        run = subprocess.run(
            child.command("--list"),
            env=child.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SourceLost(f"the sound system has not answered for {deadline_s:g} s") from None
    return [Device(**row) for row in _rows(run)]


def _rows(run: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    if run.returncode:
        words = run.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SourceLost(f"the devices cannot be listed: {words or f'exit status {run.returncode}'}")
    rows: list[dict[str, Any]] = json.loads(run.stdout)
    return rows
