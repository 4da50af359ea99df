"""What tests of boards that print share: ears that remember, a conversation for the length of a block, and a sketch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edged.errors import StorageFull
from edged.mcu.driver import Ears
from edged.mcu.drivers.edge_impulse import EdgeImpulseDriver
from edged.mcu.drivers.lines import LinesDriver
from edged.mcu.judge import Hearing
from edged.mcu.link import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edged.mcu.board import BoardEvent

SECONDS = 30.0
"""For whatever should happen at once: this machine may be busy."""


@dataclass
class Heard:
    """All that a driver has told."""

    events: list[BoardEvent] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    signs: int = 0
    full: bool = False
    """Events cannot be stored now."""

    @property
    def ears(self) -> Ears:
        return Ears(event=self._event, text=self.texts.append, understood=self._understood, wrong=self.wrongs.append)

    @property
    def labels(self) -> list[str]:
        return [event.label for event in self.events]

    async def _event(self, event: BoardEvent) -> None:
        if self.full:
            raise StorageFull("the disk is full")
        self.events.append(event)

    def _understood(self) -> None:
        self.signs += 1


async def until(so: Callable[[], bool], *, what: str = "it") -> None:
    """Wait until it is so."""
    try:
        async with asyncio.timeout(SECONDS):
            while not so():  # noqa: ASYNC110 - what it waits for is in another thread, or has no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} is not so after {SECONDS} s") from None


def opened(path: Path) -> Link:
    return Link.open(path, baud=115_200, dtr=None, rts=None)


@contextlib.asynccontextmanager
async def edge_impulse(path: Path, heard: Heard, hearing: Hearing | None = None) -> AsyncIterator[EdgeImpulseDriver]:
    """A conversation with stock firmware."""
    link = opened(path)
    driver = EdgeImpulseDriver(link, heard.ears, hearing=hearing or Hearing())
    async with _reading(link, driver):
        yield driver


@contextlib.asynccontextmanager
async def lines(path: Path, heard: Heard, hearing: Hearing | None = None) -> AsyncIterator[LinesDriver]:
    """A conversation with a sketch; what it says counts."""
    link = opened(path)
    driver = LinesDriver(link, heard.ears, hearing=hearing or Hearing())
    async with _reading(link, driver):
        await driver.identify()
        await driver.listen()
        yield driver


@contextlib.asynccontextmanager
async def _reading(link: Link, driver: EdgeImpulseDriver | LinesDriver) -> AsyncIterator[None]:
    reading = asyncio.create_task(driver.run())
    try:
        yield
    finally:
        link.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class Sketch:
    """A board with a sketch: a pty, and what a test has it print."""

    def __enter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._silent = threading.Event()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def hush(self) -> None:
        """From now on it says nothing, and who has it say something goes on."""
        self._silent.set()

    def unplug(self) -> None:
        self.hush()
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
            self._master = -1

    async def print(self, *lines: str, end: str = "\r\n") -> None:
        """Print lines, while somebody reads them."""
        await self.send("".join(line + end for line in lines).encode())

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self.say, data)

    def heard(self) -> bytes:
        """What was said to it, up to now."""
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b""

    def say(self, data: bytes) -> None:
        """Print bytes; waits until they are read."""
        while data and not self._silent.is_set():
            if select.select([], [self._master], [], 0.05)[1]:
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self._master, data) :]
