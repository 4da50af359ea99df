"""What is known of one board: who it is, how it was when it answered last, and what has happened to it meanwhile.

Time is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edged.errors import BoardForeign
from edged.mcu.board import BoardVitals, LinkCounts
from edged.mcu.ticks import Ticks

if TYPE_CHECKING:
    from edged.mcu.board import Identity, Pulse
    from edged.mcu.health import Reset, State

CAUSES: Final = {
    "power": "had no power",
    "pin": "was reset by its button",
    "software": "was reset by its own software",
    "watchdog": "was reset by its watchdog",
    "fault": "was reset by a fault",
}
"""What a board that has begun anew says of why."""


BY_US: Final = "edged has reset it"


class Acquaintance:
    """With one board, or with whatever has been in its place.

    Args:
        uid: Who it must be; None: anybody.
    """

    def __init__(self, uid: str | None) -> None:
        self.identity: Identity | None = None
        """Who answered last."""
        self.pulse: Pulse | None = None
        """The last; None: none since it came up."""
        self.counts = LinkCounts()
        self.ticks = Ticks()
        self.connections = 0
        """How often it came up."""
        self.resets = 0
        """How often we made it begin anew."""
        self.way: Reset | None = None
        """How we did that, or tried to, until it is up again."""
        self._uid = uid
        self._happened = ("", False)
        """What `came_up` will tell."""
        self._boot: int | None = None
        self._dropped = self._dropped_before = 0
        """Events that found no room on the board: in the boot of the last pulse, and in all before."""

    def confirm(self, identity: Identity) -> None:
        """See that it is who it must be; BoardForeign where it is not."""
        if self._uid is not None and _digits(identity.uid) != _digits(self._uid):
            who = f"a board of uid {identity.uid}" if identity.uid else "a board that tells no uid"
            raise BoardForeign(f"{who} is there, and not {self._uid}")

    def meet(self, identity: Identity, *, asked_ns: int, answered_ns: int) -> None:
        """Take note of who it is, and when that was asked and answered."""
        before, self.identity, self.pulse = self.identity, identity, None
        if before is not None and before.uid != identity.uid:
            self.ticks.forget()
        if identity.boot is not None and identity.up_ms is not None:
            self.ticks.note(identity.boot, identity.up_ms, asked_ns, answered_ns)
        if before is None or (before.uid == identity.uid and before.boot is not None and before.boot == identity.boot):
            return
        if before.uid != identity.uid:
            self._happened = f"is another board than before, of uid {identity.uid or 'unknown'}", True
        elif self.way is not None:
            self._happened = f"{BY_US} {self.way.value}", False
        elif identity.boot is not None:
            self._happened = CAUSES.get(identity.reset or "", "has begun anew"), True

    def came_up(self) -> tuple[str, bool]:
        """Take note that it is up.

        Returns:
            What has happened since it was, in words, and whether that was none of our doing.
        """
        happened, self._happened, self.way = self._happened, ("", False), None
        self.connections += 1
        self.resets += happened[0].startswith(BY_US)
        return happened

    def booted(self, pulse: Pulse) -> bool:
        """Whether it has begun anew since it said who it is."""
        known, last = self.identity, self.pulse
        if known is not None and known.boot is not None and pulse.boot is not None:
            return pulse.boot != known.boot
        if last is None or last.up_ms is None or pulse.up_ms is None:
            return False
        return pulse.up_ms < last.up_ms

    def lives(self, pulse: Pulse, *, now_ns: int) -> None:
        """Take note of an answer to how it is."""
        answered_ns = now_ns if pulse.answered_ns is None else pulse.answered_ns
        if pulse.boot is not None and pulse.up_ms is not None and pulse.round_trip_ms is not None:
            self.ticks.note(pulse.boot, pulse.up_ms, answered_ns - int(pulse.round_trip_ms * 1e6), answered_ns)
        dropped = pulse.dropped or 0
        anew = pulse.boot != self._boot or (pulse.boot is None and dropped < self._dropped)  # another boot, or link
        self._dropped_before += self._dropped if anew else 0
        self._boot, self._dropped = pulse.boot, dropped
        self.pulse = pulse

    def vitals(self, state: State, *, events: int, duplicates: int, text_dropped: int) -> BoardVitals:
        """Tell all of it, with what others have counted."""
        return BoardVitals(
            state=state.value,
            identity=self.identity,
            pulse=self.pulse,
            link=self.counts,
            connections=self.connections,
            resets=self.resets,
            events=events,
            duplicates=duplicates,
            lost=self._dropped_before + self._dropped,
            text_dropped=text_dropped,
        )


def _digits(uid: str) -> str:
    return "".join(each for each in uid.lower() if each not in ":-")
