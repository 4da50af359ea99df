"""The constants of a plan: each once, every one where a board can read it in words."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from edged.compiler.records import IN_CONSTANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIGNMENT: Final = 4
CHANNELS: Final = 4
"""Tables by channel are as long as a multiple of this: kernels work on so many at once."""


class Pool:
    """Constants as they gather."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._known: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Bytes so far."""
        return len(self._data)

    @property
    def data(self) -> bytes:
        """All of them."""
        return bytes(self._data)

    def add(self, data: bytes) -> int:
        """The offset of such bytes."""
        if data not in self._known:
            self._known[data] = len(self._data)
            self._data += data.ljust(-(-len(data) // ALIGNMENT) * ALIGNMENT, b"\0")
        return self._known[data]

    def add_place(self, data: bytes) -> int:
        """The same, as a place."""
        return self.add(data) | IN_CONSTANTS

    def words(self, values: Sequence[int]) -> int:
        """The offset of a table of int32, filled up with zeros to whole channels."""
        return self.add(struct.pack(f"<{_whole(values)}i", *_filled(values)))

    def shifts(self, values: Sequence[int]) -> int:
        """The offset of a table of int8, filled up likewise."""
        return self.add(struct.pack(f"<{_whole(values)}b", *_filled(values)))

    def repeated(self, value: int, count: int) -> int:
        """The offset of so many bytes of one value."""
        return self.add(bytes([value % 256]) * count)


def _whole(values: Sequence[int]) -> int:
    return -(-len(values) // CHANNELS) * CHANNELS


def _filled(values: Sequence[int]) -> list[int]:
    return [*values, *[0] * (_whole(values) - len(values))]
