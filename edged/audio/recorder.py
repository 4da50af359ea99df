"""Record a few seconds into a file: `Recorder().record("sample.wav", length=2000)`.

PortAudio works in the same disposable child as for the daemon (`edged.audio.capture`), so a recording ends in bounded
time whatever the sound server does. The file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

import numpy as np

from edged.audio import child, wire
from edged.audio.devices import check_device
from edged.audio.resample import Converter
from edged.audio.wav import write_wav
from edged.errors import ConfigError, SourceLost

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import IO

    from edged.records import Pcm

PATIENCE_S = 4.0
"""No word from the capture child for so long: the sound system hangs."""
READ_BYTES = 1 << 16


class Recorder:
    """Records 16-bit WAV files from one input device.

    Args:
        device: `default`, `name:…` or `usb:…`, as `edged devices` prints it.
        rate_hz: Of the file; a device with another rate is resampled.
        channels: 1 averages whatever the device delivers; more must be what the device delivers.
        chunk_ms: Length of the pieces in which it is read, and of the steps of `progress`.

    Raises:
        ConfigError: An argument is out of range.
    """

    def __init__(self, device: str = "default", *, rate_hz: int = 16000, channels: int = 1, chunk_ms: int = 64) -> None:
        check_device(device, key="device")
        _check("rate_hz", rate_hz, least=1000, most=384_000)
        _check("channels", channels, least=1, most=8)
        _check("chunk_ms", chunk_ms, least=5, most=1000)
        self.device = device
        self.rate_hz = rate_hz
        self.channels = channels
        self.chunk_ms = chunk_ms

    def record(self, path: str | Path, length: int = 2000, *, progress: Callable[[int], None] | None = None) -> Path:
        """Record, and return the path of the finished file.

        Args:
            path: Where to; an older file of that name is replaced at the end.
            length: Milliseconds.
            progress: Called with the milliseconds recorded so far.

        Raises:
            UserError: The file cannot be written.
            ConfigError: The length is not positive.
            SourceLost: There is no such microphone, it is in use, or the sound system hangs.
        """
        _check("length", length, least=1, most=24 * 3600 * 1000)
        with contextlib.closing(self.listen()) as heard:
            shape = {"rate_hz": self.rate_hz, "channels": self.channels, "length_ms": length}
            return write_wav(path, heard, **shape, progress=progress)

    def listen(self) -> Generator[Pcm, None, None]:
        """Yield what the device delivers, in the file's rate and channels, without end; shape (n,) or (n, channels).

        Raises:
            SourceLost: There is no such microphone, it is in use, or the sound system hangs.
        """
        converter: Converter | None = None
        with contextlib.closing(self._frames()) as frames:
            for frame in frames:
                samples = np.frombuffer(frame.body, dtype="<i2").reshape(-1, frame.channels)
                if (frame.rate_hz, frame.channels) == (self.rate_hz, self.channels):
                    yield samples
                elif self.channels > 1:
                    shape = f"{frame.channels} channel(s) at {frame.rate_hz} Hz"
                    raise SourceLost(f"{self.device} delivers {shape}; only mono can be made of that")
                else:
                    converter = converter or Converter(frame.rate_hz, frame.channels, self.rate_hz)
                    yield converter.push(samples)

    def _frames(self) -> Generator[wire.Frame, None, None]:
        """Yield the capture child's audio; its child is gone when this is closed.

        Raises:
            SourceLost: The child says so, or says nothing.
        """
        shape = {"rate_hz": self.rate_hz, "channels": self.channels, "chunk_ms": self.chunk_ms}
        with _capture(child.listen_command(self.device, **shape)) as output:
            decoder = wire.Decoder()
            while True:
                data = _read(output, within_s=PATIENCE_S)
                try:
                    frames = decoder.feed(data)
                except ValueError as error:
                    raise SourceLost(f"the capture process talked garbage: {error}") from error
                for frame in frames:
                    if frame.kind == wire.AUDIO:
                        yield frame
                    elif frame.kind != wire.OPENED:
                        raise SourceLost(f"{self.device}: {frame.text}")


def _check(key: str, value: int, *, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError("out of range", key=key, value=value, way_out=f"Give {least} to {most}")


@contextlib.contextmanager
def _capture(command: list[str]) -> Generator[IO[bytes], None, None]:
    """Start a capture child and give its output; kill it at the end."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, env=child.environment(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with process:
        try:
            yield _there(process.stdout)
        finally:
            process.send_signal(signal.SIGKILL)


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("asked for with PIPE")
    return pipe


def _read(output: IO[bytes], *, within_s: float) -> bytes:
    """Return what comes next.

    Raises:
        SourceLost: Nothing came in time, or nothing will come.
    """
    if not select.select([output], [], [], within_s)[0]:
        raise SourceLost(f"the sound system has not answered for {within_s:g} s")
    if not (data := os.read(output.fileno(), READ_BYTES)):
        raise SourceLost("the capture process ended; is PyAudio installed?")
    return data
