"""The body of an SMP message: one CBOR map with text keys.

The twin of mcu-firmware/proto/body.c, which takes and refuses the same. Bytes from a wire are walked first, with
bounded depth and without tags, before cbor2 builds anything of them: its decoders of tags run code (dates, fractions,
regular expressions) that a board has no business to reach, and old ones recurse without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2

from edged.errors import EdgedError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 8
"""Of lists and maps, the body itself included."""

_BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(2, 8)
_ONE_BYTE, _EIGHT_BYTES, _ENDLESS = 24, 27, 31
_BREAK = 0xFF
_FIRST_LONG_SIMPLE = 32


class Malformed(EdgedError):
    """Bytes that are no message, or a message that lacks what it must have."""


def write(body: Mapping[str, object]) -> bytes:
    """A body in canonical CBOR (RFC 7049, 3.9), as the board writes it."""
    return cbor2.dumps(dict(body), canonical=True)


def read(data: bytes) -> dict[str, Any]:
    """A body's values by key; no bytes are an empty one, of equal keys the last counts.

    Raises:
        Malformed: It is not one whole map, too deep, or has tags, strings in pieces or text that is not UTF-8.
    """
    if not data:
        return {}
    if data[0] >> 5 != _MAP or _Walk(data).item(0, depth=0) != len(data):
        raise Malformed("the body is not one CBOR map")
    try:
        found = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, TypeError) as error:  # the latter two: keys that cannot be hashed
        raise Malformed(f"the body cannot be read: {error}") from error
    return {key: value for key, value in found.items() if isinstance(key, str)}


class _Walk:
    """A walk over CBOR (RFC 8949, section 3), to see that it is well-formed."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def item(self, at: int, *, depth: int) -> int:
        """Where the item at `at` ends."""
        major, value, at = self._head(at)
        if major in (_BYTES, _TEXT) and value is not None:
            return self._string(at, at + value, text=major == _TEXT)
        if major in (_LIST, _MAP):
            return self._elements(at, value, 2 if major == _MAP else 1, depth=depth + 1)
        if major == _TAG or value is None:
            raise Malformed("the body has a tag, a string in pieces, or an end without a beginning")
        return at

    def _head(self, at: int) -> tuple[int, int | None, int]:
        """Major type, value (None: until a break) and where the content begins."""
        if at >= len(self._data):
            raise Malformed("the body is cut off")
        major, info = self._data[at] >> 5, self._data[at] & 31
        if info == _ENDLESS:
            return major, None, at + 1
        if info > _EIGHT_BYTES:
            raise Malformed("the body is not CBOR")
        size = 0 if info < _ONE_BYTE else 1 << (info - _ONE_BYTE)
        content = self._data[at + 1 : at + 1 + size]
        value = int.from_bytes(content, "big") if size else info
        if len(content) < size or (major == _SIMPLE and size == 1 and value < _FIRST_LONG_SIMPLE):
            raise Malformed("the body is cut off, or not CBOR")
        return major, value, at + 1 + size

    def _string(self, at: int, end: int, *, text: bool) -> int:
        if end > len(self._data):
            raise Malformed("the body is cut off")
        if text:
            try:
                self._data[at:end].decode()
            except UnicodeDecodeError as error:
                raise Malformed("the body has text that is not UTF-8") from error
        return end

    def _elements(self, at: int, count: int | None, items: int, *, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise Malformed("the body is too deep")
        if count is not None and count > len(self._data) - at:
            raise Malformed("the body is cut off")
        while count is None or count > 0:
            if count is None and self._data[at : at + 1] == bytes([_BREAK]):
                return at + 1
            for _ in range(items):
                at = self.item(at, depth=depth)
            count = None if count is None else count - 1
        return at
