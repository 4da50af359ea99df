"""How loud to be about a trouble: once as it begins, once when it is over, and quietly while it comes and goes.

A trouble that returns within `SAME_S` of the last recovery is the same outage, and so is another trouble meanwhile.
What flaps would otherwise write two lines a cycle, for years. A trouble that was passed over, and then stays, is said
after all; so the last loud word is never of a recovery long gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SAME_S = 60.0


@dataclass(slots=True)
class Outage:
    """The latest outage of one thing. Time is an argument, in seconds of any steady clock."""

    _said: set[str] = field(default_factory=set)
    """Troubles that were said."""
    _since_s: float = float("-inf")
    """When it last went wrong or well."""
    _well: bool = True
    _owed: bool = False
    """A trouble was said, and not yet that it is over."""

    def trouble(self, kind: str, now_s: float) -> bool:
        """Take note of a trouble, at its beginning and as often as it is met; True where it deserves to be said."""
        if self._well:
            self._turn(now_s)
        passed_over = not self._owed and now_s - self._since_s >= SAME_S
        loud = kind not in self._said or passed_over
        self._said.add(kind)
        self._owed |= loud
        return loud

    def recovery(self, now_s: float) -> bool:
        """Take note that all is well; True where that deserves to be said."""
        if not self._well:
            self._turn(now_s)
        over = now_s - self._since_s >= SAME_S
        loud = self._owed or over or not self._said
        self._owed = False
        return loud

    def _turn(self, now_s: float) -> None:
        if self._well and now_s - self._since_s >= SAME_S:
            self._said.clear()
        self._since_s, self._well = now_s, not self._well
