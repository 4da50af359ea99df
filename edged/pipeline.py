"""THE ROAD: from a source's audio to the outbox.

    source.listen() ──chunk──▶ every lane's listener ──(thread: features, window, classify, decide)──▶ events ──▶ outbox

What comes behind the outbox is `mqtt.py`'s; what goes on inside a lane is `lane.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from edged import clock
from edged.messages import Heard, Stream
from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edged.audio.sources import Source
    from edged.lane import Lane
    from edged.listener import Listener
    from edged.messages import Messages
    from edged.outbox import Outbox
    from edged.records import Event, Publication, SourceState

BREAKS: frozenset[SourceState] = frozenset({"absent", "busy", "wrong-rate", "ended"})
"""States of a source after which what it says next has nothing to do with what it said before."""


async def road(
    source: Source,
    listeners: Sequence[Listener],
    *,
    condition: Callable[[Condition], None],
    tapped: Callable[[Chunk], None],
) -> None:
    """Carry a source's audio to its listeners, until it ends; say how it is."""
    async for heard in source.listen():
        match heard:
            case Chunk():
                for listener in listeners:
                    listener.feed(heard)
                tapped(heard)
            case Condition():
                if heard.state in BREAKS:
                    for listener in listeners:
                        listener.feed(None)
                if heard.state == "ended":
                    for listener in listeners:
                        await listener.drained()
                condition(heard)


class Reporter:
    """The road's last stretch, one per lane: events into the outbox, labels' ON and OFF to whoever keeps them."""

    def __init__(
        self, source: str, model: str, *, messages: Messages, outbox: Outbox, retain: Callable[[Publication], None]
    ) -> None:
        self._source, self._model = source, model
        self._messages, self._outbox, self._retain = messages, outbox, retain
        self._on: frozenset[str] = frozenset()

    def all_off(self, lane: Lane) -> None:
        """Say OFF for every label that could be on: nothing is left over from an earlier run."""
        self._on = frozenset()
        self._say(lane, lane.bundle.policies, "OFF")

    def report(self, lane: Lane, events: Iterable[Event]) -> None:
        """Commit what was decided, then show which labels are on now."""
        for event in events:
            heard = Heard(at_ns=event.at_ns, stream_ns=event.stream_ns, level_dbfs=event.level_dbfs)
            draft = self._messages.event(self._stream(lane), event.decision, heard, moment=clock.now())
            self._outbox.offer(draft)
        on = lane.active
        if on != self._on:
            self._say(lane, self._on - on, "OFF")
            self._say(lane, on - self._on, "ON")
            self._on = on

    def _say(self, lane: Lane, labels: Iterable[str], state: Literal["ON", "OFF"]) -> None:
        for label in labels:
            self._retain(self._messages.label_state(self._stream(lane), label, state))

    def _stream(self, lane: Lane) -> Stream:
        return Stream(
            source=self._source,
            model=self._model,
            version=lane.bundle.version,
            sha256=lane.bundle.sha256,
            rate_hz=lane.rate_hz,
        )
