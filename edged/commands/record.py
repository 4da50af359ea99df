"""`edged record`: a WAV file from a microphone, or from a source of the daemon that holds the microphone."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np

from edged.audio.files import open_audio
from edged.audio.level import CLIPPED_SHARE, FULL_SCALE, dbfs
from edged.audio.recorder import Recorder
from edged.audio.resample import Converter
from edged.audio.wav import write_wav
from edged.config import control_socket
from edged.control.client import call, stream
from edged.control.protocol import pcm_of
from edged.errors import DaemonAway, SourceLost
from edged.progress import progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator, Iterator
    from pathlib import Path
    from typing import Any

    from edged.records import Pcm

RATE_HZ = 16_000
"""Of the file, as the models want it."""
PATIENCE_S = 4.0
"""No audio from the daemon for so long: its source delivers none."""


def run(arguments: argparse.Namespace) -> int:
    """Record, and say where to and how loud it was."""
    with progress("recording", arguments.length / 1000) as bar:

        def recorded(milliseconds: int) -> None:
            bar(milliseconds / 1000)

        if arguments.source is None:
            Recorder(arguments.device, rate_hz=RATE_HZ).record(arguments.file, arguments.length, progress=recorded)
        else:
            socket = control_socket(arguments.config)
            with contextlib.closing(_tapped(socket, arguments.source)) as heard:
                shape = {"rate_hz": RATE_HZ, "channels": 1, "length_ms": arguments.length}
                write_wav(arguments.file, heard, **shape, progress=recorded)
    print(f"{arguments.file}: {arguments.length / 1000:g} s, {_loudness(arguments.file)}")
    return 0


def _tapped(socket: Path, source: str) -> Generator[Pcm, None, None]:
    """Yield what a source of the running daemon hears, mono, without end.

    Raises:
        UserError: The daemon has no such source, or does not let us listen.
        DaemonAway: There is no daemon.
        SourceLost: The source delivers nothing, or broke off: a recording is never spliced.
    """
    converter: Converter | None = None
    for item in _items(socket, source):
        if converter is None:
            converter = Converter(item["rate_hz"], item["channels"], RATE_HZ)
        elif item["fresh"] or "dropped" in item:
            raise SourceLost(f"the audio of {source} broke off; try again")
        yield converter.push(np.frombuffer(pcm_of(item), "<i2").reshape(-1, item["channels"]))


def _items(socket: Path, source: str) -> Iterator[dict[str, Any]]:
    try:
        with contextlib.closing(stream(socket, "tap", silence_s=PATIENCE_S, source=source)) as items:
            yield from items
    except DaemonAway:
        told = call(socket, "status")  # raises DaemonAway itself, unless it is only the source that is away
        raise SourceLost(f"{source} has delivered nothing for {PATIENCE_S:g} s; {told['in_words']}") from None


def _loudness(path: Path) -> str:
    """Say how loud the loudest second of a recording is, and what is wrong if one can tell from that."""
    loudest, share = -math.inf, 0.0
    values: set[int] = set()
    with open_audio(path) as file:
        for second in file.blocks(file.rate_hz):
            loudest = max(loudest, dbfs(second))
            values |= {int(second.min()), int(second.max())}
            share = max(share, np.count_nonzero((second >= FULL_SCALE - 1) | (second <= -FULL_SCALE)) / second.size)
    said = f"{loudest:.1f} dBFS in its loudest second"
    if len(values) == 1:
        return f"{said}: digital silence. Is the microphone muted?"
    if share > CLIPPED_SHARE:
        return f"{said}: clipped. Is the microphone turned up too far?"
    return said
