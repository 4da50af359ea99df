"""`edged record`: a WAV file from a microphone, or from a source of the daemon that holds the microphone."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np

from edged.audio.files import open_audio
from edged.audio.level import CLIPPED_SHARE, FULL_SCALE, dbfs
from edged.audio.recorder import Recorder
from edged.audio.wav import write_wav
from edged.config import control_socket
from edged.progress import progress
from edged.workshop.live import tapped

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

RATE_HZ = 16_000
"""Of the file, as the models want it."""


def run(arguments: argparse.Namespace) -> int:
    """Record, and say where to and how loud it was."""
    with progress("recording", arguments.length / 1000) as bar:

        def recorded(milliseconds: int) -> None:
            bar(milliseconds / 1000)

        if arguments.source is None:
            Recorder(arguments.device, rate_hz=RATE_HZ).record(arguments.file, arguments.length, progress=recorded)
        else:
            socket = control_socket(arguments.config)
            with contextlib.closing(tapped(socket, arguments.source, rate_hz=RATE_HZ)) as heard:
                shape = {"rate_hz": RATE_HZ, "channels": 1, "length_ms": arguments.length}
                write_wav(arguments.file, heard, **shape, progress=recorded)
    print(f"{arguments.file}: {arguments.length / 1000:g} s, {_loudness(arguments.file)}")
    return 0


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
