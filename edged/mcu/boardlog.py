"""A board's own log: the last lines for who asks, all lines for who listens, and not too many for everybody else.

A board in trouble may print as fast as its line goes, and a torn wire prints for it. So what goes on to the journal and
to MQTT is metered: `BURST` lines at once, then `LINES_PER_S`. What is over is counted, and the count is said in a line
of its own as soon as there is room for one, so that nobody takes the rest for everything. Time is an argument.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 200
"""Lines for who asks."""
BURST = 40
"""What a board prints as it boots."""
LINES_PER_S = 5.0
"""systemd-journald lets a service write 10,000 lines in 30 s (RateLimitBurst=): 60 boards may do this."""
MAX_CHARS = 1024
"""Of a line; the rest is cut off, and said to be."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
"""What colours a terminal: control sequences and escapes (ECMA-48, 5.3 and 5.4)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a board's log."""

    at_ns: int
    """When it came, ns since 1970 by the wall clock."""
    text: str


@dataclass(slots=True)
class BoardLog:
    """What one board prints."""

    last: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The oldest go."""
    listeners: set[Callable[[Line], None]] = field(default_factory=set)
    dropped: int = 0
    """Lines that went no further than to `last` and the listeners, in all."""
    _unsaid: int = 0
    _room: float = BURST
    _since_s: float = float("-inf")

    def take(self, text: str, *, at_ns: int, now_s: float) -> list[str]:
        """Take a line as the board printed it, and give what is to go on to everybody now."""
        line = Line(at_ns, legible(text))
        self.last.append(line)
        for listener in tuple(self.listeners):
            listener(line)
        self._refill(now_s)
        passed = self.overdue(now_s)
        if self._room < 1:
            self.dropped += 1
            self._unsaid += 1
            return passed
        self._room -= 1
        return [*passed, line.text]

    def overdue(self, now_s: float) -> list[str]:
        """Give the line that says how many were dropped, once there is room for it and more."""
        self._refill(now_s)
        if not self._unsaid or self._room < 2:  # noqa: PLR2004 - for this line, and for the next one of the board
            return []
        self._room -= 1
        said, self._unsaid = self._unsaid, 0
        return [f"({said} more lines came too fast, and are left out here)"]

    def _refill(self, now_s: float) -> None:
        self._room = min(BURST, self._room + (now_s - self._since_s) * LINES_PER_S)
        self._since_s = max(self._since_s, now_s)


def legible(text: str) -> str:
    """Make of what came from a wire a line that may be shown: no colours, no control characters, not too long."""
    plain = "".join(each if each.isprintable() else "\ufffd" for each in _ANSI.sub("", text.expandtabs()).rstrip())
    return plain if len(plain) <= MAX_CHARS else plain[:MAX_CHARS] + " …"
