r"""What a board prints, line by line: bytes in, lines out. Sans-IO, bounded, and the same for any pieces.

A line that is longer than MAX_LINE_BYTES is given up, whole: its bytes are dropped up to the next newline, and counted.
So is one that is no text, as what a board sends at another baud rate looks here. Colours (ANSI escape sequences) and
other control characters are taken out, whatever ends a line: `\n`, `\r\n` or `\n\r`.

A prompt has no newline; it is given out as soon as it stands at the beginning of a line, and the line goes on behind
it: the echo of what is typed there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_LINE_BYTES = 4096
"""A JSON object of a hundred labels has less."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~])?")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))
"""All but the tab."""
_MOSTLY = 4
"""A line is no text when a character in so many is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, without its end and without what stood before a prompt in it."""

    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The board waits for a command."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is none."""

    why: str


Found: TypeAlias = Line | Prompt | Noise


class Splitter:
    """Bytes in, lines out; keeps MAX_LINE_BYTES at most.

    Args:
        prompt: What stands at the beginning of a line, and has no newline; empty: nothing does.
    """

    def __init__(self, *, prompt: bytes = b"") -> None:
        self.dropped_bytes = 0
        """Of lines that were too long."""
        self._prompt = prompt
        self._pending = b""
        self._giving_up = False

    @property
    def unfinished(self) -> str:
        """The line that is not yet at its end, so far as it came."""
        return self._pending.decode("utf-8", "replace")

    def feed(self, data: bytes) -> list[Found]:
        """What these bytes complete, in order."""
        found: list[Found] = []
        first, *others = data.split(b"\n")
        self._grow(first, found)
        for piece in others:
            self._end(found)
            self._grow(piece, found)
        return found

    def _grow(self, piece: bytes, found: list[Found]) -> None:
        if self._giving_up:
            self.dropped_bytes += len(piece)
            return
        pending = self._pending + piece
        if self._prompt:
            pending = pending.lstrip(b"\r")
            while pending.startswith(self._prompt):
                found.append(Prompt())
                pending = pending.removeprefix(self._prompt).lstrip(b"\r")
        self._pending = pending
        if len(pending) > MAX_LINE_BYTES:
            found.append(Noise("a line that does not end"))
            self.dropped_bytes += len(pending)
            self._pending, self._giving_up = b"", True

    def _end(self, found: list[Found]) -> None:
        if not self._giving_up:
            found.append(_line(self._pending))
        self._pending, self._giving_up = b"", False


def _line(raw: bytes) -> Line | Noise:
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace").strip("\r"))
    clean = text.translate(_CONTROLS)
    if (len(text) - len(clean) + clean.count("\ufffd")) * _MOSTLY > len(text):
        return Noise("bytes that are no text")
    return Line(clean)
