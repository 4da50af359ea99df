"""Events of a board that says each of them once: on their way, while reading from its link goes on.

Such a board cannot be asked to send an event again, so what cannot be stored now waits here, in order, up to
MAX_WAITING; then the oldest is dropped, and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edged.errors import BoardAway, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edged.mcu.board import BoardEvent
    from edged.mcu.driver import Ears
    from edged.mcu.judge import Judge
    from edged.mcu.link import Link

MAX_WAITING: Final = 1000
AGAIN_S: Final = 1.0
"""From one attempt to store an event to the next."""
LAST_S: Final = 2.0
"""For what still waits when the board is gone."""
NOT_STORED: Final = "an event that could not be stored"
TOO_MANY: Final = "a label too many"


class Handover:
    """Takes what was heard at once, and hands on what is decided of it, one event after the other.

    Args:
        link: The board's.
        ears: Who hears of it.
        judge: Decides about scores.
    """

    def __init__(self, link: Link, ears: Ears, judge: Judge) -> None:
        self.dropped = 0
        """Events that found no room."""
        self._link, self._ears, self._judge = link, ears, judge
        self._waiting: deque[BoardEvent] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._lost: BoardAway | None = None

    def see_to_link(self) -> None:
        """Raise BoardAway where it is lost: who asks nothing would not notice."""
        if self._lost is not None:
            raise BoardAway(str(self._lost))

    def scored(self, scores: Mapping[str, float], now_ns: int) -> None:
        """Take scores that came at this moment, by CLOCK_MONOTONIC."""
        refused = self._judge.refused
        self._take(self._judge.scores(scores, at_ms=now_ns // 1_000_000), now_ns)
        for _ in range(self._judge.refused - refused):
            self.refuse(TOO_MANY)

    def told(self, event: BoardEvent, now_ns: int) -> None:
        """Take an event that the board itself decided, and that came at this moment."""
        self._take(self._judge.told(event), now_ns)

    def refuse(self, why: str) -> None:
        """Count something that no such board says, and tell of it."""
        self._link.counts.refuse(why)
        self._ears.wrong(why)

    def _take(self, events: list[BoardEvent], now_ns: int) -> None:
        for event in events:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(replace(event, arrived_ns=now_ns))
            self._idle.clear()
            self._more.set()

    async def reading(self, take: Callable[[bytes, int], None]) -> None:
        """Read until cancelled, and hand on what comes of it.

        Args:
            take: Gets what came, and when by CLOCK_MONOTONIC, ns.

        Raises:
            BoardAway: The link is lost.
        """
        tasks = [asyncio.create_task(_read(self._link, take)), asyncio.create_task(self._hand_on())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except BoardAway as away:
            self._lost = away
            raise
        finally:
            tasks[0].cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), LAST_S)
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._left()

    async def _hand_on(self) -> None:
        while True:
            while self._waiting:
                await self._event(self._waiting.popleft())
            self._idle.set()
            self._more.clear()
            await self._more.wait()

    async def _event(self, event: BoardEvent) -> None:
        while True:
            try:
                await self._ears.event(event)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def _left(self) -> None:
        """Count what could not be stored before the link was lost."""
        if not self._idle.is_set():
            for _ in range(1 + len(self._waiting)):
                self.refuse(NOT_STORED)


async def _read(link: Link, take: Callable[[bytes, int], None]) -> None:
    while True:
        data = await link.read()
        take(data, time.monotonic_ns())
