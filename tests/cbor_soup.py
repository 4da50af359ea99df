"""CBOR for tests: any value in any of the encodings that the RFC allows, and what is none. Seeded.

cbor2 writes the one canonical encoding; a peer may choose others (longer heads, indefinite lengths, keys in any order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

NUMBERS = (0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -1, -25, -256, -(2**31), -(2**63))
HEADS = ((24, 1), (25, 2), (26, 4), (27, 8))


def head(major: int, value: int, rng: random.Random) -> bytes:
    """An item's head, not always the shortest."""
    found = [bytes([major << 5 | info]) + value.to_bytes(size, "big") for info, size in HEADS if value < 1 << 8 * size]
    if value < 24:
        found.append(bytes([major << 5 | value]))
    return found[-1] if value < 24 and rng.random() < 0.6 else rng.choice(found)


def dump(value: Any, rng: random.Random) -> bytes:
    """A value, encoded in one of its ways."""
    match value:
        case None | bool():
            return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
        case int():
            return head(1, -1 - value, rng) if value < 0 else head(0, value, rng)
        case bytes():
            return head(2, len(value), rng) + value
        case str():
            return head(3, len(value.encode()), rng) + value.encode()
        case list():
            return _many(4, len(value), b"".join(dump(each, rng) for each in value), rng)
        case dict():
            pairs = [dump(key, rng) + dump(each, rng) for key, each in value.items()]
            rng.shuffle(pairs)
            return _many(5, len(value), b"".join(pairs), rng)
    raise TypeError(value)


def _many(major: int, count: int, content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return bytes([major << 5 | 31]) + content + b"\xff"
    return head(major, count, rng) + content


def value(rng: random.Random, *, depth: int = 0) -> Any:
    """Any value."""
    text = "".join(rng.choice("abcdé€😀 ") for _ in range(rng.randrange(8)))
    plain = (None, True, False, *NUMBERS, text, text, text, rng.randbytes(rng.choice((0, 3, 30))))
    if depth > 4 or rng.random() < 0.7:
        return rng.choice(plain)
    if rng.random() < 0.5:
        return [value(rng, depth=depth + 1) for _ in range(rng.randrange(4))]
    return {key(rng): value(rng, depth=depth + 1) for _ in range(rng.randrange(4))}


def key(rng: random.Random) -> Any:
    """Mostly text; maps of others may have numbers."""
    return rng.choice(("a", "b", "off", "data", "", "é", 7, -3, b"k"))


def harmed(data: bytes, rng: random.Random) -> bytes:
    """The same with one thing wrong, perhaps."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + rng.randbytes(rng.randrange(4)) + data[at:]
        case 3:
            return data[:at] + data[at + 1 :]
        case _:
            return data
