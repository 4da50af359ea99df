"""Frames from the capture child to its parent: a fixed header, then PCM or words. Bytes in, frames out; nothing else.

The child imports this module, and the child is to stay small: no dataclasses and no typing here, they would cost it
about two megabytes. A frame says what it is by its `kind`: `AUDIO`, or the news that the child has of the device.
"""

from __future__ import annotations

import struct

AUDIO = "audio"
"""Body: little-endian int16, channels interleaved. The stamp is CLOCK_MONOTONIC of the last sample."""
OPENED = "opened"
"""The device is open and audio is awaited."""
ABSENT = "absent"
BUSY = "busy"
WRONG_RATE = "wrong-rate"

KINDS = (AUDIO, OPENED, ABSENT, BUSY, WRONG_RATE)
MAGIC = b"eA"
HEADER = struct.Struct("<2sBBIQI")
"""Magic, index into `KINDS`, channels, rate in Hz, stamp in ns, bytes of body."""
MAX_BODY = 1 << 20
"""Five seconds of 48 kHz stereo: no chunk is so long, so a longer body is garbage."""


class Frame:
    """One frame. Words are in `body` as UTF-8; `channels` and `rate_hz` are those of the device, 0 with words."""

    __slots__ = ("body", "channels", "kind", "rate_hz", "stamp_ns")

    def __init__(self, kind: str, body: bytes, *, stamp_ns: int, rate_hz: int = 0, channels: int = 0) -> None:
        self.kind = kind
        self.body = body
        self.stamp_ns = stamp_ns
        self.rate_hz = rate_hz
        self.channels = channels

    @property
    def text(self) -> str:
        """The body as words."""
        return self.body.decode(errors="replace")

    def encode(self) -> bytes:
        """Return the bytes that a `Decoder` turns into this frame."""
        kind = KINDS.index(self.kind)
        return HEADER.pack(MAGIC, kind, self.channels, self.rate_hz, self.stamp_ns, len(self.body)) + self.body


class Decoder:
    """Turns the byte stream back into frames, however it was cut. Holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that they complete.

        Raises:
            ValueError: This is not our format; the stream cannot be trusted from here on.
        """
        data = self._rest + data if self._rest else data
        frames: list[Frame] = []
        at = 0
        while len(data) - at >= HEADER.size:
            magic, kind, channels, rate_hz, stamp_ns, length = HEADER.unpack_from(data, at)
            if magic != MAGIC or kind >= len(KINDS) or length > MAX_BODY:
                raise ValueError("not a frame of the capture child")
            end = at + HEADER.size + length
            if end > len(data):
                break
            body = data[at + HEADER.size : end]
            frames.append(Frame(KINDS[kind], body, stamp_ns=stamp_ns, rate_hz=rate_hz, channels=channels))
            at = end
        self._rest = data[at:]
        return frames
