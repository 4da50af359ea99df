"""One board, for ever: look for it, open its port, ask who it is, hear it, see that it lives, and bring it back.

`edged.mcu.health` is the table of what may follow on what; here is what is done in each state. A board that is gone,
hangs or lies costs nobody else anything: each wait for it is bounded, and nothing it says is kept without bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from edged.errors import BoardAway, BoardForeign, PortBusy, Unavailable
from edged.mcu.acquaintance import Acquaintance
from edged.mcu.backoff import Backoff
from edged.mcu.conversation import begin, plugged
from edged.mcu.driver import Ears
from edged.mcu.health import CLOSED, RESETS, WELL_S, News, Reset, State, after
from edged.mcu.intake import COMMIT_S, Intake
from edged.mcu.teller import Teller, in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edged.clock import Moment
    from edged.mcu.board import BoardEvent, BoardVitals, Identity, Placed, Pulse
    from edged.mcu.boardlog import BoardLog
    from edged.mcu.conversation import Conversation, Plug
    from edged.mcu.driver import Driver
    from edged.mcu.teller import Health, Surroundings
    from edged.records import Draft
    from edged.settings import Board

IDENTIFY_S: Final = 10.0
"""For asking who it is; an Edge Impulse board is asked in pieces of five bytes, 20 ms apart."""
PULSE_S: Final = 5.0
RESET_S: Final = 5.0
PROBES: Final = 2
"""So often a driver tries to find out who is there, before it is reset; each time it asks several times itself."""
MISSES: Final = 3
"""So many heartbeats in a row without an answer, and it is reset."""
AGAIN_S: Final = 1.0
"""From a question that was not answered to the next one."""
BACK_S: Final = 30.0
"""How long `reset` waits for a board to be up again."""
SETTLE_S: Final = 3.0
"""How long what has come may still be committed, when it is no longer seen to."""
LOOK_S: Final = 2.0
"""How often the port of a board in quarantine is looked after: it may have been plugged in anew."""
WAITS: Final = {State.ABSENT: (0.5, 4.0), State.BUSY: (1.0, 15.0), State.QUARANTINED: (5.0, 60.0)}
"""First and longest wait before the next try, in seconds."""


class Heard(NamedTuple):
    """What came of an action."""

    news: News
    why: str = ""


class Supervisor:
    """One board.

    Args:
        name: In the config, and in topics.
        settings: The config's table.
        around: What it speaks to.
    """

    def __init__(self, name: str, settings: Board, *, around: Surroundings) -> None:
        self.name, self.settings = name, settings
        self.spoken = asyncio.Event()
        """Set once it is known how the board is."""
        self.claim: Callable[[BoardEvent], bool] | None = None
        """Asked of each event first: True for one that belongs to a test of the board, and to nobody else."""
        self.known = Acquaintance(settings.uid)
        self.teller = Teller(name, around=around, vitals=self.vitals)
        self._around = around
        self._intake = Intake(around.outbox, self.known.ticks, self._draft)
        self._ears = Ears(self._event, self.teller.text, self._understood, self.teller.wrong)
        self._conversation: Conversation | None = None
        self._plug: Plug | None = None
        """What was in the port when it was opened last."""
        self._lent = False
        self._hurry = asyncio.Event()
        """Somebody does not want to wait."""
        self._ups: set[asyncio.Future[None]] = set()
        """Who waits for it to be up."""
        self._resets_tried = self._missed = 0
        self._confirmed = asyncio.Event()
        """Set while it is the board that is meant."""
        self._fresh = self._alive = False
        """Whether it has just come up; whether something sensible has come since the last question."""
        self._up_s = 0.0
        """When it came up."""
        self._waits = {state: Backoff(*bounds) for state, bounds in WAITS.items()}

    # For others.

    @property
    def identity(self) -> Identity | None:
        """Who answered last."""
        return self.known.identity

    @property
    def health(self) -> Health:
        """How it is, why, and since when."""
        return self.teller.health

    @property
    def log(self) -> BoardLog:
        """What it prints."""
        return self.teller.log

    @property
    def path(self) -> str | None:
        """Where its port is, while that is open."""
        return None if self._conversation is None else str(self._conversation.path)

    @property
    def driver(self) -> Driver | None:
        """Who speaks with it, while its port is open; to speak with it oneself, `lend`."""
        return None if self._conversation is None else self._conversation.driver

    def vitals(self) -> BoardVitals:
        """Tell all that is known."""
        intake = self._intake
        return self.known.vitals(
            self.health.state, events=intake.events, duplicates=intake.duplicates, text_dropped=self.log.dropped
        )

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Driver]:
        """Give the board's driver to one borrower; meanwhile silence is not held against the board.

        Raises:
            Unavailable: It is not up, or lent already.
        """
        if self.health.state is not State.UP or self._conversation is None:
            raise Unavailable(f"{self.name} is {in_words(self.health)}")
        if self._lent:
            raise Unavailable(f"{self.name} is busy with another command")
        self._lent = True
        try:
            yield self._conversation.driver
        finally:
            self._lent = False

    async def reset(self) -> Identity:
        """Have it begin anew, or try again at once where it was given up for a while; who it is once it is up.

        Raises:
            Unavailable: It is not there, lent, cannot be reset, or does not come back.
        """
        boot, before = None, self.known.connections
        if self.health.state is State.UP:
            async with self.lend():
                boot = None if self.identity is None else self.identity.boot
                await self._reset_somehow(self._open())
        elif self.health.state in {State.ABSENT, State.BUSY}:
            raise Unavailable(f"{self.name} is {in_words(self.health)}")
        self._hurry.set()
        return await self._back(boot, before)

    async def kick(self) -> None:
        """Have a borrowed board reset by its port's lines; Unavailable where that cannot be."""
        if self._conversation is None:
            raise Unavailable(f"{self.name} is {in_words(self.health)}")
        await self._reset_by(Reset.LINES, self._conversation)

    def move(self, around: Surroundings) -> None:
        """Speak to somebody else from now on."""
        self._around = around
        self.teller.move(around)

    # The loop.

    async def run(self) -> None:
        """See to it until cancelled."""
        does = {
            **dict.fromkeys(CLOSED, self._seek),
            **dict.fromkeys((State.UP, State.STALE), self._watch),
            State.PROBING: self._probe,
            State.RESETTING: self._reset,
        }
        try:
            while True:
                await self._met(await does[self.health.state]())
        finally:
            await self._hang_up(politely=True)
            await self._intake.settled(SETTLE_S)

    async def _met(self, heard: Heard) -> None:
        """Turn to the state that the news leads to."""
        before, state = self.health.state, after(self.health.state, heard.news)
        if state in CLOSED:
            await self._hang_up(politely=False)
        if state in {State.PROBING, State.UP} and state is not before:
            self._missed = 0
        if state is State.QUARANTINED:
            self._resets_tried = 0
        elif before is State.QUARANTINED and heard.news is News.GONE:
            self._waits[before].reset()  # it was unplugged, which cures many
        why = heard.why or (self.health.why if state is before else "")
        self.teller.turned(state, why)
        if state is not State.PROBING:
            self.spoken.set()

    # What is done in each state.

    async def _seek(self) -> Heard:
        """Wait for the next try, then find the port and open it."""
        if self.spoken.is_set() and not await self._rested():
            return Heard(News.GONE, "it was unplugged")
        try:
            self._plug = await plugged(self.settings)
            self._conversation = await begin(self.settings, self._ears, counts=self.known.counts, plug=self._plug)
        except PortBusy as busy:
            return Heard(News.HELD, str(busy))
        except BoardAway as away:
            return Heard(News.GONE, str(away))
        return Heard(News.OPENED)

    async def _probe(self) -> Heard:
        """Ask who is there, and have it speak."""
        conversation = self._open()
        if self._missed:
            await conversation.last(AGAIN_S, unless=self._hurry)
        asked_ns = time.monotonic_ns()
        try:
            identity = await conversation.bounded(conversation.driver.identify(), within_s=IDENTIFY_S)
            answered_ns = time.monotonic_ns()
            self.known.confirm(identity)
            self.known.meet(identity, asked_ns=asked_ns, answered_ns=answered_ns)
            self._confirmed.set()
            await conversation.bounded(conversation.driver.listen(), within_s=PULSE_S)
        except BoardForeign as foreign:
            gone = conversation.lost
            return Heard(News.FOREIGN, str(foreign)) if gone is None else Heard(News.GONE, gone)
        except Unavailable as away:
            return self._silent(str(away), PROBES)
        return Heard(News.IDENTIFIED, self._came())

    async def _watch(self) -> Heard:
        """Ask how it is, when that is due."""
        conversation = self._open()
        if not self._fresh:  # else its clock and its numbers are wanted soon
            pause_s = AGAIN_S if self._missed else self.settings.heartbeat_s
            await conversation.last(pause_s, unless=self._hurry)
        self._hurry.clear()
        if (way := self.known.way) is not None:
            return Heard(News.WAS_RESET, f"reset {way.value}")
        first, self._fresh, self._alive = self._fresh, False, False
        try:
            pulse = await conversation.bounded(conversation.driver.pulse(), within_s=PULSE_S)
        except BoardForeign:  # somebody else may be there by now, who shall not be reset
            return self._silent("", MISSES) if conversation.lost else self._booted()
        except Unavailable as away:
            if conversation.lost is None and (self._lent or self._alive):
                return Heard(News.ANSWERED)
            return self._silent(str(away), MISSES)
        if self.known.booted(pulse):
            return self._booted()
        self._lives(pulse, now=first)
        return Heard(News.ANSWERED)

    async def _reset(self) -> Heard:
        """Reset it in the next way that works."""
        last, conversation = self.health.why, self._open()
        while self._resets_tried < len(RESETS):
            way = RESETS[self._resets_tried]
            self._resets_tried += 1
            try:
                await self._reset_by(way, conversation)
            except Unavailable:
                if (gone := conversation.lost) is not None:
                    return Heard(News.GONE, gone)
            else:
                return Heard(News.WAS_RESET, f"reset {way.value}")
        return Heard(News.NOTHING_HELPS, f"{last}; resetting it has not helped")

    # What it takes.

    async def _rested(self) -> bool:
        """Wait until the next try is due; False: what was quarantined has been unplugged."""
        left_s = self._waits[self.health.state].next()
        while left_s > 0 and not self._hurry.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, LOOK_S)):
                    await self._hurry.wait()
            left_s -= LOOK_S
            if self.health.state is State.QUARANTINED and await plugged(self.settings) != self._plug:
                return False
        self._hurry.clear()
        return True

    def _open(self) -> Conversation:
        assert self._conversation is not None  # noqa: S101 - the table closes it only on the way to CLOSED
        return self._conversation

    async def _hang_up(self, *, politely: bool) -> None:
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            self.known.pulse = None
            await conversation.end(politely=politely)
            self._confirmed.clear()

    def _silent(self, why: str, patience: int) -> Heard:
        if (gone := self._open().lost) is not None:
            return Heard(News.GONE, gone)
        self._missed += 1
        return Heard(News.SILENT if self._missed < patience else News.GAVE_UP, why)

    def _booted(self) -> Heard:
        """Have it asked anew who it is."""
        self._confirmed.clear()
        return Heard(News.REBOOTED)

    def _lives(self, pulse: Pulse, *, now: bool) -> None:
        """Take note of an answer."""
        self.known.lives(pulse, now_ns=time.monotonic_ns())
        self._missed = 0
        self.teller.tick(now=now)
        if time.monotonic() - self._up_s >= WELL_S:
            self._resets_tried = 0
            for wait in self._waits.values():
                wait.reset()

    def _came(self) -> str:
        """Take note that it is up; what has happened since it was."""
        self._fresh, self._up_s = True, time.monotonic()
        why, by_itself = self.known.came_up()
        if by_itself:
            self.teller.rebooted(why)
        for waiting in self._ups:
            if not waiting.done():
                waiting.set_result(None)
        return why

    async def _event(self, event: BoardEvent) -> None:
        """Take an event in, once it is known whose it is: a lease of before may still run when the port is opened."""
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._confirmed.wait()
        except TimeoutError:
            raise Unavailable(f"{self.name} has not said yet who it is") from None
        if self.claim is None or not self.claim(event):
            await self._intake.take(event)

    def _understood(self) -> None:
        self._alive = True

    def _draft(self, event: BoardEvent, when: Placed, moment: Moment) -> Draft:
        uid = "" if self.identity is None else self.identity.uid
        return self._around.messages.board_event(self.name, uid, event, when, moment=moment)

    # Resets.

    async def _reset_somehow(self, conversation: Conversation) -> None:
        """Reset it by whatever way works first; Unavailable where none does."""
        why = []
        for way in RESETS:
            try:
                await self._reset_by(way, conversation)
            except Unavailable as away:
                if conversation.lost is not None:  # some reset before they have answered, and take their USB with them
                    return
                why.append(str(away))
            else:
                return
        self.known.way = None
        raise Unavailable(f"{self.name} cannot be reset: {'; '.join(why)}")

    async def _reset_by(self, way: Reset, conversation: Conversation) -> None:
        match way:
            case Reset.PROTOCOL:
                self.known.way = way  # one that hangs may take it to heart later
                await conversation.bounded(conversation.driver.reset(), within_s=RESET_S)
            case Reset.LINES:
                await conversation.bounded(conversation.link.pulse_reset(), within_s=RESET_S)
                self.known.way = way
            case unknown:
                assert_never(unknown)

    async def _back(self, boot: int | None, connections: int) -> Identity:
        """Wait until it has come up once more, in another boot than that; Unavailable where that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACK_S):
                while True:
                    who = self.identity
                    if self.known.connections > connections and who and (boot is None or who.boot != boot):
                        return who
                    self._ups.add(up := asyncio.get_running_loop().create_future())
                    try:
                        await up
                    finally:
                        self._ups.discard(up)
        raise Unavailable(f"{self.name} is not back within {BACK_S:g} s; it is {in_words(self.health)}")
