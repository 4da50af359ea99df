"""The gateway's own client on a board's port, as the daemon has it, for what commands do with it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from edged.errors import Unavailable
from edged.mcu import group
from edged.mcu.client import SmpClient
from edged.mcu.drivers import said
from edged.mcu.group import Command, Event
from edged.mcu.link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from edged.mcu.board import BoardEvent
    from edged.mcu.smp import Message


@contextlib.asynccontextmanager
async def client_of(device: Path, *, heard: Callable[[BoardEvent], object] = bool) -> AsyncIterator[SmpClient]:
    """Speak to a board; what it asks is answered, its events are told, and acknowledged unless that raises."""

    async def asked(message: Message) -> Message | None:
        if message.command == Command.EVENT:
            try:
                heard(said.event_of(group.read(Event, message.body)))
            except Unavailable:
                return None
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
