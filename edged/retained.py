"""What the broker keeps of us, noted in the state directory, so that no word outlives both its subject and our memory.

    STATE_DIR/retained.json    {"broker": "host:port", "topics": [every topic that holds what was said of the room]}

A label that was ON when edged was killed, and that the next config no longer knows, would stay ON at the broker for
ever. So the next run reads the note, and once every source is known it clears each noted topic on which it has said
nothing itself. A label of a model that has not come up by then is cleared too: nobody knows how it is until the model
runs, and then it is said.

A topic stays in the note until the broker has acknowledged that it is cleared. The note counts only for the broker,
prefix and gateway that it was written for; one that is damaged is no note. It is renamed into place, and written only
when the topics have changed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING

from edged.mqtt import RETAINED_CAP
from edged.records import Publication

if TYPE_CHECKING:
    from pathlib import Path

    from edged.messages import Messages
    from edged.mqtt import Link

log = logging.getLogger(__name__)


class Note:
    """Which topics hold something at one broker; at most `RETAINED_CAP`, beyond which the last by name are not noted.

    Args:
        file: Where it is kept.
        broker: Which broker: ``host:port``.
        link: Knows what is said in this run.
        messages: Knows which topics may outlive their subject.
    """

    def __init__(self, file: Path, *, broker: str, link: Link, messages: Messages) -> None:
        self._file, self._broker, self._link, self._messages = file, broker, link, messages
        self._left = frozenset(filter(messages.outlives, _read(file, broker)))
        """Topics on which an earlier run has spoken, and that are not swept yet."""
        self._written: frozenset[str] | None = None
        self._writing = asyncio.Lock()
        self._refused = False
        """Whether it could not be written when that was last tried."""

    async def sweep(self) -> None:
        """Clear every topic of an earlier run on which this one has not spoken, and write the note."""
        for topic in sorted(self._left - self._link.retained):
            self._link.retain(Publication(topic=topic, payload=b"", retain=True))
        self._left = frozenset()
        await self.keep()

    async def keep(self) -> None:
        """Write the note where it has changed; a disk that does not take it is complained of once, and tried again."""
        async with self._writing:
            topics = self._left | frozenset(filter(self._messages.outlives, self._link.retained))
            if topics == self._written:
                return
            try:
                await asyncio.to_thread(_write, self._file, self._broker, sorted(topics)[:RETAINED_CAP])
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                level = logging.DEBUG if self._refused else logging.WARNING
                log.log(level, "what the broker keeps of us cannot be noted in %s: %s", self._file, why)
                self._refused = True
            else:
                self._written, self._refused = topics, False


def _read(file: Path, broker: str) -> list[str]:
    """Give the topics noted for this broker; none where there is no such note, or none that can be read."""
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        if note["broker"] != broker:
            return []
        return [topic for topic in note["topics"][:RETAINED_CAP] if isinstance(topic, str)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _write(file: Path, broker: str, topics: list[str]) -> None:
    draft = file.with_suffix(".new")
    try:
        with draft.open("w", encoding="utf-8") as out:
            json.dump({"broker": broker, "topics": topics}, out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)  # half a note on a full disk helps nobody, and takes room
        raise
