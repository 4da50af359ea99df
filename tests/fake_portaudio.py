"""A PortAudio for what no virtual sound card can be: busy, picky about rates, twice the same, hung, or dead.

It is written into a folder as `pyaudio.py`, and real capture children import it instead of PyAudio. What it does is
said by a dict, its case; see the code of the peer for the keys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edged.audio import child

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PEER = """
import json, os, sys, time

paInt16 = 8
CASE = json.loads(os.environ["FAKE_PORTAUDIO"])


class Stream:
    def __init__(self, rate, channels):
        self.rate, self.channels, self.reads = rate, channels, 0

    def read(self, frames, exception_on_overflow):
        self.reads += 1
        if self.reads > CASE.get("reads", 10**9):
            time.sleep(CASE.get("then_hang_s", 0))
            raise OSError(-9999, "Unanticipated host error")
        if CASE.get("garbage"):
            os.write(1, b"Traceback (most recent call last)")
        time.sleep(frames / self.rate / CASE.get("speed", 1))
        return b"".join(bytes((self.reads % 256, n + 1)) for n in range(self.channels)) * frames

    def get_read_available(self):
        return CASE.get("behind", 0)

    def close(self):
        time.sleep(CASE.get("close_hang_s", 0))


class PyAudio:
    def __init__(self):
        sys.modules["edged.audio.capture"].RETRY_S = CASE.get("retry_s", 0.05)
        time.sleep(CASE.get("init_hang_s", 0))
        if CASE.get("die"):
            sys.stderr.write("all is lost\\n")
            sys.stderr.flush()
            os.abort()

    def get_device_count(self):
        return len(CASE["devices"])

    def get_device_info_by_index(self, index):
        row = {"maxInputChannels": 2, "defaultSampleRate": 44100.0, "hostApi": 0} | CASE["devices"][index]
        return row | {"index": index}

    def get_default_input_device_info(self):
        raise OSError("No Default Input Device Available")

    def get_host_api_info_by_index(self, index):
        return {"name": "ALSA"}

    def open(self, rate, channels, form, *, input, input_device_index, frames_per_buffer):
        if "error" in CASE:
            raise OSError(CASE["error"], CASE.get("words", "it said no"))
        if [rate, channels] not in CASE.get("accepts", [[rate, channels]]):
            raise OSError(-9997, "Invalid sample rate")
        return Stream(rate, channels)

    def terminate(self):
        pass
"""


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, **case: Any) -> None:
    """Let capture children that are started from now on use the peer."""
    folder.mkdir(exist_ok=True)
    (folder / "pyaudio.py").write_text(PEER)
    monkeypatch.setenv("FAKE_PORTAUDIO", json.dumps({"devices": [{"name": "fake"}]} | case))
    ours = child._folders()[0]
    monkeypatch.setattr(child, "_folders", lambda: [ours, str(folder)])
