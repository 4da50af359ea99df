"""The road's last stretch: what a lane decides goes into the outbox, its labels' ON and OFF to whoever keeps them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal

from edged import clock
from edged.errors import StorageFull
from edged.messages import Heard, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edged.lane import Lane
    from edged.messages import Messages
    from edged.outbox import Outbox
    from edged.records import Draft, Event, Publication


class Reporter:
    """Reports what one lane decides."""

    def __init__(
        self, source: str, model: str, *, messages: Messages, outbox: Outbox, retain: Callable[[Publication], None]
    ) -> None:
        self._source, self._model = source, model
        self._messages, self._outbox, self._retain = messages, outbox, retain
        self._on: frozenset[str] = frozenset()
        """Labels that are on, as of the last report."""
        self._shown: frozenset[str] = frozenset()
        """Labels that were said to be on."""
        self._unsure: frozenset[str] = frozenset()
        """Labels of which an earlier run or lane may have said anything."""
        self._commits = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def all_off(self, lane: Lane) -> None:
        """Say OFF for every label that could be on, once all reported before is committed: nothing is left over."""
        self._on, self._unsure = frozenset(), self._unsure | lane.bundle.policies.keys()
        if not self._commits:
            self._show(lane)

    def report(self, lane: Lane, events: Sequence[Event]) -> None:
        """Commit what was decided; nobody sees anything of it before it is committed."""
        self._on = lane.active  # now, between two hops: after the commit the lane is already hearing on
        if events:
            drafts = [self._draft(lane, event) for event in events]
            self._commits += 1
            task = asyncio.create_task(self._commit(lane, drafts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not self._commits:
            self._show(lane)

    async def settled(self) -> None:
        """Wait until all that was reported is committed, or was dropped for lack of room."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _commit(self, lane: Lane, drafts: Sequence[Draft]) -> None:
        with contextlib.suppress(StorageFull):  # dropped and counted by the outbox, which also says why
            await self._outbox.put(drafts)
        self._commits -= 1
        if not self._commits:
            self._show(lane)

    def _show(self, lane: Lane) -> None:
        """Say which labels are on now, where that has changed."""
        self._say(lane, (self._shown | self._unsure) - self._on, "OFF")
        self._say(lane, self._on - (self._shown - self._unsure), "ON")
        self._shown, self._unsure = self._on, frozenset()

    def _say(self, lane: Lane, labels: Iterable[str], state: Literal["ON", "OFF"]) -> None:
        for label in labels:
            self._retain(self._messages.label_state(self._stream(lane), label, state))

    def _draft(self, lane: Lane, event: Event) -> Draft:
        heard = Heard(at_ns=event.at_ns, stream_ns=event.stream_ns, level_dbfs=event.level_dbfs)
        return self._messages.event(self._stream(lane), event.decision, heard, moment=clock.now())

    def _stream(self, lane: Lane) -> Stream:
        return Stream(
            source=self._source,
            model=self._model,
            version=lane.bundle.version,
            sha256=lane.bundle.sha256,
            rate_hz=lane.rate_hz,
        )
