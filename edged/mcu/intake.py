"""What a board has heard goes into the outbox: each event once, at its time, and stored before it is answered.

A board sends its oldest event again and again until it is acknowledged. While the disk is full that may take minutes,
and each repetition would be another event for the outbox to hold in memory; so whatever comes meanwhile waits for the
one commit that is under way. What is committed is remembered by its name: it may come once more, when the
acknowledgement was lost on the line. After a restart of edged the outbox itself knows the last one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeAlias

from edged import clock
from edged.errors import StorageFull
from edged.mcu.board import Placed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.clock import Moment
    from edged.mcu.board import BoardEvent
    from edged.mcu.ticks import Ticks
    from edged.outbox import Outbox
    from edged.records import Draft

COMMIT_S = 10.0
"""For so long somebody waits for a commit; then the board is left to ask again, and the commit goes on."""
STORING = 4
"""Events of one board that are being committed: it sends one at a time, and after a reset perhaps another first."""
Name: TypeAlias = tuple[str, str]
"""Of an event, by which the outbox knows it too (`edged.records.Draft.once`)."""


class Intake:
    """The way of one board's events.

    Args:
        outbox: Where they go.
        ticks: The board's clock.
        draft: Makes the message of an event, from when it was and the reading of our clocks.
    """

    def __init__(self, outbox: Outbox, ticks: Ticks, draft: Callable[[BoardEvent, Placed, Moment], Draft]) -> None:
        self.events = 0
        """Stored."""
        self.duplicates = 0
        """Came again, and were known."""
        self._outbox, self._ticks, self._draft = outbox, ticks, draft
        self._stored: Name | None = None
        """The last one."""
        self._storing: dict[Name, asyncio.Task[None]] = {}

    async def take(self, event: BoardEvent) -> None:
        """Return when it is committed, or was before.

        Raises:
            StorageFull: It is not, so far.
        """
        draft = self._drafted(event)
        if (name := draft.once) is None:
            await self._outbox.put([draft])
            self.events += 1
            return
        if name == self._stored:
            self.duplicates += 1
            return
        if (task := self._storing.get(name)) is not None:
            self.duplicates += 1
        elif len(self._storing) < STORING:
            task = self._storing[name] = asyncio.create_task(self._store(name, draft), name="a board's event")
            task.add_done_callback(_heeded)
        else:
            raise StorageFull(f"{STORING} events of this board are not committed yet")
        await asyncio.wait([task], timeout=COMMIT_S)
        if not task.done():
            raise StorageFull("the event is not committed yet")
        task.result()

    async def settled(self, within_s: float) -> None:
        """Wait until what was taken in is committed, or for so long."""
        if self._storing:
            await asyncio.wait(self._storing.values(), timeout=within_s)
        for task in self._storing.values():
            task.cancel()

    async def _store(self, name: Name, draft: Draft) -> None:
        try:
            await self._outbox.put([draft])
        finally:
            del self._storing[name]
        self._stored = name
        self.events += 1

    def _drafted(self, event: BoardEvent) -> Draft:
        return self._draft(event, self._placed(event, time.monotonic_ns()), clock.now())

    def _placed(self, event: BoardEvent, now_ns: int) -> Placed:
        """Find when it was; a time that has not come yet is a lie, or a clock that we have lost: then it is now."""
        if event.at_ms is not None and event.boot is not None:
            placed = self._ticks.place(event.boot, event.at_ms)
            if placed is not None and placed.error_ms is not None:
                if placed.monotonic_ns <= now_ns:
                    return placed
                if placed.monotonic_ns - now_ns <= placed.error_ms * 1e6:
                    return Placed(now_ns, placed.error_ms)
        return Placed(now_ns if event.arrived_ns is None else event.arrived_ns)


def _heeded(task: asyncio.Task[None]) -> None:
    """Take note of how it went, for nobody may have waited so long: the outbox has said it, the board asks again."""
    if not task.cancelled():
        task.exception()
