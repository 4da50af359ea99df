"""Progress on the road, which alone feeds the watchdog.

Each source, and each lane behind it, is a walker. A walker moves when it has classified a chunk or has made its next
attempt at recovery; one that has not moved within its deadline is stuck, and while anyone is stuck the watchdog
starves. A source that has come to its end (a file) is off the road.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DEADLINE_S = 12.0
"""A walker must move so often. A chunk comes every 64 ms; an attempt to hear a microphone is over in 4 s, one to hear a
command, back-off and all, in 10."""


@dataclass(slots=True)
class Progress:
    """Who moved last when. Time is an argument, in seconds of any steady clock."""

    deadline_s: float = DEADLINE_S
    moved_s: dict[str, float] = field(default_factory=dict)

    def move(self, walker: str, now_s: float) -> None:
        """Note that a walker has moved."""
        self.moved_s[walker] = now_s

    def leave(self, walker: str) -> None:
        """Take a walker off the road."""
        self.moved_s.pop(walker, None)

    def stuck(self, now_s: float) -> list[str]:
        """Name those that have not moved within the deadline."""
        return [walker for walker, moved_s in self.moved_s.items() if now_s - moved_s > self.deadline_s]
