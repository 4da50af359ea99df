"""Bare PyAudio: `capture.py DEVICE` reads 64 ms at a time and throws it away."""

from __future__ import annotations

import sys

import pyaudio

RATE_HZ = 16_000
CHUNK = 1024


def main() -> None:
    """Hear for ever."""
    audio = pyaudio.PyAudio()
    infos = map(audio.get_device_info_by_index, range(audio.get_device_count()))
    index = next(int(info["index"]) for info in infos if info["name"] == sys.argv[1])
    stream = audio.open(RATE_HZ, 1, pyaudio.paInt16, input=True, input_device_index=index, frames_per_buffer=CHUNK)
    stream.read(CHUNK)
    print("ready", flush=True)
    while True:
        stream.read(CHUNK, exception_on_overflow=False)


if __name__ == "__main__":
    main()
