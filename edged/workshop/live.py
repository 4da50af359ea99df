"""Sound as it is heard now, mono: from a source of the running daemon, or from a microphone that nobody holds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from edged.audio.recorder import Recorder
from edged.audio.resample import Converter
from edged.control.client import call, stream
from edged.control.protocol import pcm_of
from edged.errors import DaemonAway, SourceLost

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from typing import Any

    from edged.records import Pcm

PATIENCE_S = 4.0
"""No audio from the daemon for so long: its source delivers none."""


def tapped(
    socket: Path, source: str, *, rate_hz: int, broken: Callable[[], None] | None = None
) -> Generator[Pcm, None, None]:
    """Yield what a source of the running daemon hears, shape (n,), without end.

    Args:
        socket: The daemon's.
        source: The source's name in its config.
        rate_hz: Samples per second that are wanted.
        broken: Called where what comes next does not follow on what came before; None: that ends it.

    Raises:
        UserError: The daemon has no such source, or does not let us listen.
        DaemonAway: There is no daemon.
        SourceLost: The source delivers nothing, or broke off and nobody was to be told: a recording is never spliced.
    """
    converter: Converter | None = None
    for item in _items(socket, source):
        if converter is None:
            converter = Converter(item["rate_hz"], item["channels"], rate_hz)
        elif item["fresh"] or "dropped" in item:
            if broken is None:
                raise SourceLost(f"the audio of {source} broke off; try again")
            broken()
            converter.reset()
        yield converter.push(np.frombuffer(pcm_of(item), "<i2").reshape(-1, item["channels"]))


def recorded(device: str, *, rate_hz: int) -> Generator[Pcm, None, None]:
    """Yield what a microphone hears, shape (n,), without end.

    Args:
        device: `default`, `name:…` or `usb:…`, as `edged devices` prints it.
        rate_hz: Samples per second that are wanted.

    Raises:
        ConfigError: That names no device.
        SourceLost: There is no such microphone, it is in use, or the sound system hangs.
    """
    with contextlib.closing(Recorder(device, rate_hz=rate_hz).listen()) as heard:
        for samples in heard:
            yield samples.reshape(-1)


def _items(socket: Path, source: str) -> Iterator[dict[str, Any]]:
    try:
        with contextlib.closing(stream(socket, "tap", silence_s=PATIENCE_S, source=source)) as items:
            yield from items
    except DaemonAway:
        told = call(socket, "status")  # raises DaemonAway itself, unless it is only the source that is away
        raise SourceLost(f"{source} has delivered nothing for {PATIENCE_S:g} s; {told['in_words']}") from None
