"""THE ROAD: from a source's audio to the outbox.

source.listen()          a microphone, a file, a command                                       audio/
  └─ chunk ─▶ listener   one for each lane: a bounded inbox, and a thread hop a chunk          listener.py
       └─▶ lane          convert → features → window → classify → decide                       lane.py
            └─ events ─▶ reporter   written as messages, committed to the outbox               reporter.py, messages.py
                 └─▶ outbox         on disk, until the broker has acknowledged them            outbox.py
                      └─▶ link      to the broker, oldest first                                mqtt.py
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edged.audio.sources import Source
    from edged.listener import Listener
    from edged.records import SourceState

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
    async with aclosing(source.listen()) as heard:
        async for item in heard:
            match item:
                case Chunk():
                    for listener in listeners:
                        listener.feed(item)
                    tapped(item)
                    if source.waits:
                        await _drained(listeners)
                case Condition():
                    if item.state in BREAKS:
                        for listener in listeners:
                            listener.feed(None)
                    if item.state == "ended":
                        await _drained(listeners)
                    condition(item)


async def _drained(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        await listener.drained()
