"""How the capture child is started: as small as an interpreter can be.

`-I -S` leaves out `site`, which would cost 1.2 MB and 80 ms for path files that the child does not need; the two
folders that it does need, PyAudio's and ours, are handed over. One malloc arena: PulseAudio's threads would get more.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

_START = (
    "import sys; sys.path += sys.argv.pop(1).split('\\n'); "
    "from edged.audio.capture import main; sys.exit(main(sys.argv[1:]))"
)


def command(*arguments: str) -> list[str]:
    """Return the argv of a capture child with these arguments, see `edged.audio.capture.main`."""
    return [sys.executable, "-I", "-S", "-c", _START, "\n".join(_folders()), *arguments]


def listen_command(device: str, *, rate_hz: int, channels: int, chunk_ms: int) -> list[str]:
    """Return the argv of a child that sends audio of a device."""
    return command(device, str(rate_hz), str(channels), str(chunk_ms))


def environment() -> dict[str, str]:
    """Return the child's environment: ours, frugal, and with JACK kept from starting a server."""
    return os.environ | {"MALLOC_ARENA_MAX": "1", "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}


def _folders() -> list[str]:
    """Return the folders from which the child imports: ours, then PyAudio's (absent, the child will say so)."""
    ours = str(Path(__file__).resolve().parents[2])
    spec = find_spec("pyaudio")
    theirs = [] if spec is None or spec.origin is None else [str(Path(spec.origin).parent)]
    if theirs and Path(theirs[0]).name == "pyaudio":  # a package, since 0.2.12; before that a module
        theirs = [str(Path(theirs[0]).parent)]
    return [ours, *theirs]
