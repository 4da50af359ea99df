"""The SMP driver in a conversation, and all that came to our ears; and a server of few words to have it with."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.errors import StorageFull
from edged.mcu import link
from edged.mcu.driver import Ears
from edged.mcu.drivers import smp
from edged.mcu.drivers.smp import SmpDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from edged.mcu.board import BoardEvent
    from edged.mcu.smp import Message


def run(scenario: Coroutine[object, object, None]) -> None:
    """With a deadline, so that nothing hangs."""

    async def within() -> None:
        async with asyncio.timeout(100):
            await scenario

    asyncio.run(within())


@dataclass
class Talk:
    """Our end, and all that came to our ears."""

    link: link.Link
    lease_s: float = smp.LEASE_S
    refuse: bool = False
    """The outbox is full."""
    events: list[BoardEvent] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    understood: int = 0
    driver: SmpDriver = field(init=False)
    running: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        ears = Ears(event=self.hear, text=self.text.append, understood=self.understand, wrong=self.wrong.append)
        self.driver = SmpDriver(self.link, ears, lease_s=self.lease_s)
        self.running = asyncio.create_task(self.driver.run())

    async def hear(self, event: BoardEvent) -> None:
        if self.refuse:
            raise StorageFull("no room")
        self.events.append(event)

    def understand(self) -> None:
        self.understood += 1

    @property
    def foreign(self) -> dict[str, int]:
        return self.link.counts.foreign


@contextlib.asynccontextmanager
async def talking(device: Path, **how: Any) -> AsyncIterator[Talk]:
    talk = Talk(link.Link.open(device, baud=1_000_000, dtr=False, rts=False), **how)
    try:
        yield talk
    finally:
        talk.running.cancel()
        await asyncio.gather(talk.running, return_exceptions=True)
        talk.link.close()


def zephyr_says(
    answers: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]],
) -> Callable[[Message], list[Message | bytes]]:
    """A server that knows these commands, each with its answers one after the other, and then the last one."""
    known = {key: itertools.chain(each, itertools.repeat(each[-1])) for key, each in answers.items()}

    def answer(message: Message) -> list[Message | bytes]:
        said = known.get((message.group, message.command))
        return [message.response({"rc": 8} if said is None else next(said))]

    return answer
