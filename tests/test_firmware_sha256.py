"""The board's SHA-256 is that of FIPS 180-4: hashlib's."""

from __future__ import annotations

import ctypes
import hashlib
import random
from typing import TYPE_CHECKING

import pytest
from firmware import library

if TYPE_CHECKING:
    from collections.abc import Iterable

STATE_BYTES = 112
"""struct sha256."""


def hashed(pieces: Iterable[bytes]) -> bytes:
    state = ctypes.create_string_buffer(b"\xa5" * STATE_BYTES, STATE_BYTES + 8)
    out = ctypes.create_string_buffer(33)
    library().sha256_start(state)
    for piece in pieces:
        library().sha256_add(state, piece, ctypes.c_size_t(len(piece)))
    library().sha256_end(state, out)
    assert state.raw[STATE_BYTES:] == bytes(8)
    return out.raw[:32]


def test_every_length_of_five_blocks() -> None:
    data = random.Random(1).randbytes(300)
    for size in range(301):
        assert hashed([data[:size]]) == hashlib.sha256(data[:size]).digest(), size


@pytest.mark.parametrize("seed", range(100))
def test_any_pieces(seed: int) -> None:
    draw = random.Random(seed)
    pieces = [
        draw.randbytes(draw.choice([0, 1, 7, 63, 64, 65, draw.randrange(500)])) for _ in range(draw.randrange(20))
    ]
    assert hashed(pieces) == hashlib.sha256(b"".join(pieces)).digest()


def test_a_million_of_a() -> None:
    """The long example of FIPS 180-2, appendix B.3."""
    assert hashed([b"a" * 1000] * 1000).hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
