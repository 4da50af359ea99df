"""On-device testing: sound goes down the line, and the board's answers to it come back.

    which model? ──▶ selftest ──▶ for each recording: inject on · samples, paced by the answers · inject off

The board hears an injection as its microphone, from sample 0 on, and time is the count of samples; so what it says does
not depend on the link. What it decides meanwhile are events like any other, with numbers: they belong to the test, and
a `Claim` tells them from those that the microphone gave, which are published as always.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edged.errors import BoardRefused, ModelError, Unavailable
from edged.mcu import group
from edged.mcu.asking import ERASE_S, told
from edged.mcu.deploy import slots_of
from edged.mcu.group import Heartbeat, Injected, Selftest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from edged.mcu.asking import Asks
    from edged.mcu.board import BoardEvent

RATE_HZ: Final = 16_000
PIECE_BYTES: Final = 1024
"""512 samples, as PROTOCOL.md reckons with."""
HEAR_S: Final = 10.0
"""For a board to hear 32 ms of sound and answer: a board that takes longer ends the injection by itself."""
SELFTEST_S: Final = 60.0
EVENTS_S: Final = 10.0
"""For its events to arrive: each is sent again after 1 s."""
KEPT_SPANS: Final = 16
"""Tests whose events may still come, late."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the board made of some samples."""

    runs: int
    outputs: bytes
    """Of each run, one after the other."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """What came of one recording."""

    samples: int
    took_s: float
    events: tuple[BoardEvent, ...]
    """In the order of their numbers."""
    lost: int
    """Events that the board decided and that did not arrive."""


@dataclass(slots=True)
class Claim:
    """Which events of one boot belong to tests; called with each event of the board."""

    boot: int
    taken: dict[int, BoardEvent] = field(default_factory=dict)
    """By number."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever one is taken."""
    _spans: list[range] = field(default_factory=list)
    _first: int | None = None
    """Of the test that is on: everything from here on may be its."""
    _ending: bool = False

    def __call__(self, event: BoardEvent) -> bool:
        """Whether it is taken, and not to be published.

        Raises:
            Unavailable: It is not known yet; the board sends it again.
        """
        if event.boot != self.boot or event.number is None:
            return False
        if any(event.number in span for span in self._spans):
            return self._take(event, event.number)
        if self._first is None or event.number < self._first:
            return False
        if self._ending:
            raise Unavailable("a test is about to end")
        return self._take(event, event.number)

    def _take(self, event: BoardEvent, number: int) -> bool:
        self.taken[number] = event
        self.came.set()
        return True

    def begin(self, first: int) -> None:
        """Events from this number on are the test's."""
        self._first, self._ending = first, False
        self.taken.clear()

    def ending(self) -> None:
        """The microphone is on again, and the number of its first event is not known yet."""
        self._ending = self._first is not None

    def end(self, after: int) -> range:
        """Events from this number on are the microphone's; those of the test."""
        span = range(self._first or after, after)
        self._spans = [*self._spans[-KEPT_SPANS:], span]
        self._first, self._ending = None, False
        return span

    def give_up(self) -> None:
        """Nobody knows what became of the board."""
        self._first, self._ending = None, False


async def check(client: Asks, plan_sha256: bytes) -> Selftest:
    """See that the board runs that plan, and how fast.

    Raises:
        ModelError: It runs another one.
        BoardRefused: It runs none, or one on trial.
    """
    found = await slots_of(client)
    if found.active is None:
        raise BoardRefused("the board runs no model; give it one with `edged deploy`")
    if found.trial:
        raise BoardRefused("a model is on trial there; try again when it is over")
    runs = found.slots[found.active]
    if runs.sha256 != plan_sha256:
        hash_ = "" if runs.sha256 is None else f" (plan {runs.sha256.hex()[:12]}…)"
        what = f"is not what the board runs, which is {runs.name}{hash_}; compiled here it is {plan_sha256.hex()[:12]}…"
        raise ModelError(what, way_out="Name the model that it runs, or give it this one with `edged deploy`")
    return await told(client, Selftest, group.selftest(), timeout_s=SELFTEST_S, tries=1)


async def sit(client: Asks, sound: AsyncIterator[bytes], claim: Claim) -> AsyncGenerator[Answered | Sitting, None]:
    """Have the board hear one recording; the last item is what came of it.

    Args:
        client: To the board.
        sound: s16 little-endian, 16 kHz, in any pieces of whole samples.
        claim: Is asked about every event of the board.
    """
    await client.ask(group.injection(on=True), timeout_s=ERASE_S)
    ended = False
    try:
        claim.begin((await told(client, Heartbeat, group.heartbeat())).next)
        offset, began_s = 0, time.monotonic()
        async for piece in _cut(sound):
            answer = await told(client, Injected, group.inject(piece, offset=offset), timeout_s=HEAR_S, tries=1)
            offset = answer.offset
            yield Answered(answer.runs, answer.outputs)
        took_s = time.monotonic() - began_s
        claim.ending()
        await client.ask(group.injection(on=False), timeout_s=ERASE_S)
        span = claim.end((await told(client, Heartbeat, group.heartbeat())).next)
        ended = True
    finally:
        if not ended:
            await asyncio.shield(_break_off(client, claim))
    await _arrived(claim, span)
    events = tuple(claim.taken[number] for number in span if number in claim.taken)
    yield Sitting(offset, took_s, events, len(span) - len(events))


async def _cut(sound: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of the size that a message carries."""
    rest = b""
    async for some in sound:
        rest += some
        whole = len(rest) // PIECE_BYTES * PIECE_BYTES
        for at in range(0, whole, PIECE_BYTES):
            yield rest[at : at + PIECE_BYTES]
        rest = rest[whole:]
    if len(rest) > 1:
        yield rest[: len(rest) // 2 * 2]


async def _arrived(claim: Claim, span: range) -> None:
    """Wait for the test's events, which come one after the other."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EVENTS_S):
            while any(number not in claim.taken for number in span):
                claim.came.clear()
                await claim.came.wait()


async def _break_off(client: Asks, claim: Claim) -> None:
    """Give the board its microphone back; 10 s without sound do it as well."""
    claim.ending()
    with contextlib.suppress(Unavailable):
        await client.ask(group.injection(on=False), timeout_s=ERASE_S)
        claim.end((await told(client, Heartbeat, group.heartbeat())).next)
        return
    claim.give_up()
