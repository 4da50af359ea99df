"""The gateway's own client on a board's port, as the daemon has it, for what commands do with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from edged.mcu import group
from edged.mcu.client import SmpClient
from edged.mcu.group import Command, Event
from edged.mcu.link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from edged.mcu.smp import Message


@contextlib.asynccontextmanager
async def client_of(device: Path, *, events: list[Event] | None = None) -> AsyncIterator[SmpClient]:
    """Speak to a board; what it asks is answered, and its events are kept."""

    async def asked(message: Message) -> Message:
        if message.command == Command.EVENT and events is not None:
            events.append(group.read(Event, message.body))
        return message.response()

    def ignored(_: str = "") -> None:
        """Not what these tests are about."""

    link = Link.open(device, baud=1_000_000, dtr=None, rts=None)
    client = SmpClient(link, asked=asked, text=ignored, wrong=ignored, understood=ignored)
    running = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        link.close()
