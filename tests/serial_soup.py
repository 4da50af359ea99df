"""Streams of a serial line for tests: messages in frames, and what goes wrong with them. Seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smp import packet

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

SPECIALS = (b"\x06\x09", b"\x04\x14", b"\n", b"\r\n", b"=", b"==", b"\x06", b"\x04", b"\x06\x06\x09", b"AAAA", b"A")


def frame(message: bytes, *, line_bytes: int = 128) -> list[bytes]:
    """A message as the `smp` package frames it; 128 makes lines of 127 (it counts a CR that it does not send)."""
    return list(packet.encode(message, line_length=line_bytes))


def text(rng: random.Random) -> bytes:
    """Something a board might print, without a newline."""
    return bytes(rng.choice(b"abc XYZ019+/=:[]<>\r\t\xc3\xa9\x00\xff") for _ in range(rng.randrange(40)))


def damaged(line: bytes, rng: random.Random) -> bytes:
    """A line to which something has happened."""
    at = rng.randrange(len(line))
    match rng.randrange(6):
        case 0:
            return line[:at]
        case 1:
            return line[:at] + bytes([rng.randrange(256)]) + line[at + 1 :]
        case 2:
            return line[:at] + rng.choice(SPECIALS) + line[at:]
        case 3:
            return line[at:]
        case 4:
            return line + line
        case _:
            return b""


def soup(rng: random.Random) -> bytes:
    """Frames, whole and damaged, text and markers."""
    parts: list[bytes] = []
    for _ in range(rng.randrange(1, 8)):
        message = rng.randbytes(rng.choice((0, 1, 7, 60, 93, 200, 400)))
        for line in frame(message, line_bytes=rng.choice((128, 128, 127, 40, 12))):
            harm = rng.random()
            parts.append(line if harm < 0.8 else damaged(line, rng))
            if rng.random() < 0.15:
                parts.append(text(rng) + (b"\n" if rng.random() < 0.7 else b""))
            if rng.random() < 0.03:
                parts.append(rng.choice(SPECIALS) * rng.choice((1, 1, 2, 100)))
            if rng.random() < 0.02:
                parts.append(rng.randbytes(rng.randrange(2500)))
    return b"".join(parts)


def pieces(data: bytes, rng: random.Random, *, most: int = 60) -> Iterator[bytes]:
    """The same bytes, as a serial port might hand them out."""
    at = 0
    while at < len(data):
        size = rng.randrange(1, most)
        yield data[at : at + size]
        at += size
