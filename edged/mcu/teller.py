"""What is said of one board: to subscribers, to the journal, and how loud.

A state is published when it changes, health now and then and with each change of state, what the board prints line by
line. The journal gets each outage once (`edged.outage`), so that a board that comes and goes for years fills no disk.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from edged import clock
from edged.mcu.boardlog import BoardLog, legible
from edged.mcu.health import State
from edged.outage import Outage
from edged.records import Publication

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.clock import Moment
    from edged.mcu.board import BoardEvent, BoardState, BoardVitals, Identity, Placed
    from edged.outbox import Outbox
    from edged.records import Draft

log = logging.getLogger(__name__)

TROUBLE: Final = frozenset({State.ABSENT, State.BUSY, State.STALE, State.RESETTING, State.QUARANTINED})


class Messages(Protocol):
    """Writes what is said of boards: edged.messages.Messages, which knows this package, and so cannot be known here."""

    def board_state(
        self, board: str, state: BoardState, *, why: str, moment: Moment, identity: Identity | None
    ) -> Publication:
        """How it is."""

    def board_health(self, board: str, vitals: BoardVitals, *, moment: Moment, every_s: float) -> Publication:
        """How it is, in numbers."""

    def board_event(self, board: str, uid: str, event: BoardEvent, when: Placed, *, moment: Moment) -> Draft:
        """What it has heard."""

    def board_log(self, board: str, line: str, *, moment: Moment) -> Publication:
        """What it prints."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the supervision of a board speaks to."""

    messages: Messages
    outbox: Outbox
    retain: Callable[[Publication], None]
    """Make this the last word on its topic."""
    say: Callable[[Publication], None]
    """Say it now, or never."""
    changed: Callable[[], None]
    """A board is not as it was."""
    health_s: float
    """From one health message of a board to the next."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a board is, and since when."""

    state: State = State.ABSENT
    why: str = "not looked for yet"
    since: Moment = field(default_factory=clock.now)


class Teller:
    """Says how one board is.

    Args:
        name: The board's.
        around: To whom.
        vitals: Tells all that is known of it.
    """

    def __init__(self, name: str, *, around: Surroundings, vitals: Callable[[], BoardVitals]) -> None:
        self.health = Health()
        self.log = BoardLog()
        self._name, self._around, self._vitals = name, around, vitals
        self._topics: set[str] = set()
        self._told_s = float("-inf")
        """When its health was published last."""
        self._outage, self._nonsense = Outage(), Outage()
        self._senseless = False
        """Whether nonsense has come since `tick` was called."""

    def move(self, around: Surroundings) -> None:
        """Speak to somebody else from now on; a new listener is told all, and the one before shall forget it."""
        if around.messages is self._around.messages:
            self._around = around
            return
        said = bool(self._topics)
        self.clear()
        self._around = around
        if said:
            self._publish()

    def clear(self) -> None:
        """Take back what was said."""
        for topic in self._topics:
            self._around.retain(Publication(topic=topic, payload=b"", retain=True))
        self._topics.clear()

    def turned(self, state: State, why: str) -> None:
        """Say that it is so, where that is news; a trouble that only goes on is not, unless for another reason."""
        why = legible(why)  # it may be the board's own words
        known = state is self.health.state and bool(self._topics)
        level = self._level(state, known=known)
        changed = not known or why != self.health.why
        if changed:
            self.health = Health(state, why, self.health.since if known else clock.now())
            self._publish()
            self._around.changed()
        if changed or level > logging.DEBUG:
            log.log(level, "%s: %s", self._name, in_words(self.health), extra=self._fields)

    def rebooted(self, why: str) -> None:
        """Say that it has begun anew by itself."""
        level = logging.WARNING if self._outage.trouble("rebooted", time.monotonic()) else logging.DEBUG
        log.log(level, "%s %s", self._name, why, extra=self._fields)

    def tick(self, *, now: bool) -> None:
        """Do what is due from time to time; `now`: health is due in any case."""
        if now or time.monotonic() - self._told_s >= self._around.health_s:
            self._publish_vitals()
        for line in self.log.overdue(time.monotonic()):
            self._pass_on(line)
        if not self._senseless:
            self._nonsense.recovery(time.monotonic())
        self._senseless = False

    def text(self, line: str) -> None:
        """Pass on a line that it has printed."""
        moment = clock.now()
        for passed in self.log.take(line, at_ns=moment.utc_ns, now_s=moment.monotonic_ns / 1e9):
            self._pass_on(passed)

    def wrong(self, why: str) -> None:
        """Say that something came that makes no sense; it is counted already."""
        self._senseless = True
        level = logging.WARNING if self._nonsense.trouble(why, time.monotonic()) else logging.DEBUG
        log.log(level, "%s sends nonsense: %s", self._name, why, extra=self._fields)

    @property
    def _fields(self) -> dict[str, str]:
        return {"EDGED_BOARD": self._name}

    def _level(self, state: State, *, known: bool) -> int:
        """Tell how loud: trouble as often as it is met, since what was passed over and stays must be said after all."""
        now_s = time.monotonic()
        if state in TROUBLE:
            return logging.WARNING if self._outage.trouble(state.value, now_s) else logging.DEBUG
        loud = state is State.UP and self._outage.recovery(now_s) and not known
        return logging.INFO if loud else logging.DEBUG

    def _publish(self) -> None:
        health, identity = self.health, self._vitals().identity
        message = self._around.messages.board_state(
            self._name, health.state.value, why=health.why, moment=health.since, identity=identity
        )
        self._retain(message)
        self._publish_vitals()

    def _publish_vitals(self) -> None:
        self._told_s = time.monotonic()
        every_s = self._around.health_s
        self._retain(
            self._around.messages.board_health(self._name, self._vitals(), moment=clock.now(), every_s=every_s)
        )

    def _pass_on(self, line: str) -> None:
        log.info("%s says: %s", self._name, line, extra=self._fields)
        self._around.say(self._around.messages.board_log(self._name, line, moment=clock.now()))

    def _retain(self, message: Publication) -> None:
        self._topics.add(message.topic)
        self._around.retain(message)


def in_words(health: Health) -> str:
    """Write how a board is."""
    return health.state.value + (f": {health.why}" if health.why else "")
