"""SMP's console framing: messages as base64 lines on a serial port, between which a board prints text. Sans-IO.

    06 09 base64(u16 length of body and CRC, body …) 0A,   04 14 base64(…) 0A …,   CRC-16/XMODEM of the body

The twin of mcu-firmware/proto/framing.c: for any bytes whatever, in any pieces, both find the same messages and count
the same losses. A line begins at the last marker in it; what stands before a marker, and a line without one, is text.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from enum import Enum, auto

FIRST, NEXT = b"\x06\x09", b"\x04\x14"
LINE_RAW_BYTES = 93
"""What a line of at most 127 bytes carries: 124 characters of base64 beside marker and newline."""
LINE_CHARS = LINE_RAW_BYTES // 3 * 4
LENGTH_BYTES = CRC_BYTES = 2
MAX_MESSAGE_BYTES = 0xFFFF - CRC_BYTES
MAX_PENDING_BYTES = 1024
"""A line that is longer is given out in pieces."""

_MARKERS = re.compile(b"(" + FIRST + b"|" + NEXT + b")")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True, slots=True)
class Frame:
    """A message that came whole."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A line, or a piece of one, that is no frame: the board's log."""

    line: str


class _State(Enum):
    NONE = auto()
    OPEN = auto()
    LOST = auto()
    """Counted; what follows of it is skipped."""


class Reader:
    """Bytes in, frames and text out; keeps at most one message and MAX_PENDING_BYTES.

    Args:
        capacity: Largest message in bytes; a larger one is lost.
    """

    def __init__(self, *, capacity: int = MAX_MESSAGE_BYTES) -> None:
        self.bad = 0
        """Frames lost: torn, not base64, of a wrong checksum, too long. One frame counts once."""
        self._capacity = min(capacity, MAX_MESSAGE_BYTES)
        self._pending = b""
        self._frame = bytearray()
        self._state = _State.NONE

    def feed(self, data: bytes) -> list[Frame | Text]:
        """What these bytes complete, in order."""
        found: list[Frame | Text] = []
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._line(line, found, ended=True)
        if len(self._pending) > MAX_PENDING_BYTES:
            cut = self._last_mark()
            self._line(self._pending[:cut], found, ended=False)
            self._pending = self._pending[cut:]
        return found

    def _last_mark(self) -> int:
        """Where a line that may yet be whole begins; the end, where none does."""
        tail = len(self._pending) - len(FIRST) - LINE_CHARS - len(b"\r")
        at = max(self._pending.rfind(FIRST[:1], tail), self._pending.rfind(NEXT[:1], tail))
        return at if at >= 0 else len(self._pending)

    def _line(self, line: bytes, found: list[Frame | Text], *, ended: bool) -> None:
        text, *parts = _MARKERS.split(line)
        if text := text.rstrip(b"\r"):
            found.append(Text(text.decode("utf-8", "replace")))
        for at in range(0, len(parts), 2):
            whole = ended and at == len(parts) - 2
            message = self._part(parts[at], parts[at + 1] if whole else None)
            if message is not None:
                found.append(Frame(message))

    def _part(self, marker: bytes, content: bytes | None) -> bytes | None:
        """Take what stands behind a marker (None: torn); the message that it completes."""
        if marker == FIRST:
            if self._state is _State.OPEN:
                self._lose()
            self._state, self._frame = _State.OPEN, bytearray()
        elif self._state is not _State.OPEN:
            if self._state is _State.NONE:
                self._lose()
            return None
        raw = None if content is None else _decode(content)
        if raw is None or not self._fits(raw):
            self._lose()
            return None
        if len(self._frame) < LENGTH_BYTES + self._want():
            return None
        return self._complete()

    def _want(self) -> int:
        return int.from_bytes(self._frame[:LENGTH_BYTES], "big")

    def _fits(self, raw: bytes) -> bool:
        self._frame += raw
        if len(self._frame) < LENGTH_BYTES or not CRC_BYTES <= self._want() <= self._capacity + CRC_BYTES:
            return False
        return len(self._frame) <= LENGTH_BYTES + self._want()

    def _complete(self) -> bytes | None:
        body = bytes(self._frame[LENGTH_BYTES:])
        if binascii.crc_hqx(body, 0) != 0:  # XMODEM's, which over a message and its CRC is 0
            self._lose()
            return None
        self._state = _State.NONE
        return body[:-CRC_BYTES]

    def _lose(self) -> None:
        self.bad += 1
        self._state = _State.LOST


def _decode(content: bytes) -> bytes | None:
    content = content.removesuffix(b"\r")
    if len(content) > LINE_CHARS or not _BASE64.fullmatch(content):
        return None
    return binascii.a2b_base64(content)


def write(message: bytes) -> bytes:
    """A message as lines, to be written in one go.

    Raises:
        ValueError: It is longer than a length of 16 bits can say.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(f"{len(message)} bytes are more than a frame of {MAX_MESSAGE_BYTES}")
    length = (len(message) + CRC_BYTES).to_bytes(LENGTH_BYTES, "big")
    carried = length + message + binascii.crc_hqx(message, 0).to_bytes(CRC_BYTES, "big")
    lines = [carried[at : at + LINE_RAW_BYTES] for at in range(0, len(carried), LINE_RAW_BYTES)]
    return b"".join((NEXT if at else FIRST) + binascii.b2a_base64(line) for at, line in enumerate(lines))
