"""What passes between edged and the worker that holds an `.eim`: messages in frames, bytes in and out.

    frame := kind (1 byte), length of the body (4 bytes, little-endian), body

    edged → worker   FEATURES   float32, little-endian: one window
    worker → edged   HELLO      JSON: the model's own answer to hello
                     SCORES     float32, little-endian: one for each label, in the order of HELLO's labels
                     BROKEN     UTF-8: why the worker ends, in plain words; always its last
                     UNFIT      UTF-8: likewise, where the system cannot run the file at all

A body's length is bounded on both sides: a worker gone mad cannot fill the daemon's memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

FEATURES: Final = b"F"
HELLO: Final = b"H"
SCORES: Final = b"S"
BROKEN: Final = b"B"
UNFIT: Final = b"U"

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""A window of a million samples; Edge Impulse's audio windows have a few tens of thousands."""

_HEADER: Final = struct.Struct("<cI")


class GarbageError(ValueError):
    """The bytes are no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: bytes
    body: bytes


def encode(kind: bytes, body: bytes) -> bytes:
    """A frame's bytes."""
    assert len(body) <= MAX_BODY_BYTES, "the caller bounds what it sends"  # noqa: S101 - a mistake of ours, not the peer's
    return _HEADER.pack(kind, len(body)) + body


class Decoder:
    """Bytes in, as they come; frames out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes; at most a frame is ever held, as each is taken out before more is read."""
        self._held += data

    def next(self) -> Frame | None:
        """The next whole frame, or None: not enough yet.

        Raises:
            GarbageError: What came is no frame.
        """
        if len(self._held) < _HEADER.size:
            return None
        kind, length = _HEADER.unpack_from(self._held)
        if kind not in (FEATURES, HELLO, SCORES, BROKEN, UNFIT) or length > MAX_BODY_BYTES:
            raise GarbageError(f"no frame begins with {bytes(self._held[: _HEADER.size])!r}")
        end = _HEADER.size + length
        if len(self._held) < end:
            return None
        body = bytes(self._held[_HEADER.size : end])
        del self._held[:end]
        return Frame(kind, body)
