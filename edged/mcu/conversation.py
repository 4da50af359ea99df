"""A conversation: an open link, the driver that speaks on it, and a bound on every wait for the board.

A driver reads in a task of its own for as long as the conversation lasts. When that ends the link is lost, and
whoever waits for an answer is told at once. Silence is told apart from loss by `lost`.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, assert_never

from edged.errors import BoardAway, Unavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from edged.mcu.board import LinkCounts
    from edged.mcu.driver import Driver, Ears
    from edged.mcu.judge import Hearing
    from edged.mcu.link import Link
    from edged.settings import Board

HUSH_S = 1.0
"""For a last word, before a link is closed on purpose; the lease ends by itself."""
NOTICE_S = 0.05
"""A write may meet the loss of a link just before the reader does."""
Result = TypeVar("Result")


class Plug(NamedTuple):
    """What is plugged in at a port: the node of the device, which is made anew each time."""

    path: str
    device: int
    made_ns: int


class Conversation:
    """With whoever is at the other end of the link, from now on; it is no longer worth anything once it is `lost`."""

    def __init__(self, path: Path, link: Link, driver: Driver) -> None:
        self.path, self.link, self.driver = path, link, driver
        self._reading = asyncio.create_task(driver.run(), name=f"read {path}")

    @property
    def lost(self) -> str | None:
        """Why the link is lost, where it is."""
        if not self._reading.done():
            return None
        try:
            self._reading.result()
        except (BoardAway, asyncio.CancelledError) as away:
            return str(away) or "the port was closed"
        return "the port was closed"

    async def last(self, seconds: float, *, unless: asyncio.Event) -> None:
        """Wait so long, or until the link is lost, or the event is set."""
        waiting = asyncio.create_task(unless.wait())
        try:
            await asyncio.wait({waiting, self._reading}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def bounded(self, doing: Coroutine[object, object, Result], *, within_s: float) -> Result:
        """Do something with the board, for so long at most.

        Raises:
            BoardAway: The link is lost, or it takes longer.
            Unavailable: Whatever else it meets.
        """
        task = asyncio.create_task(doing)
        try:
            await asyncio.wait({task, self._reading}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                result = task.result()
                if not self._reading.done():  # what was known of a board that is gone helps nobody
                    return result
        except BoardAway:
            await asyncio.wait([self._reading], timeout=NOTICE_S)
            raise
        finally:
            task.cancel()
            await asyncio.wait([task])
        raise BoardAway(self.lost or f"no answer within {within_s:g} s")

    async def end(self, *, politely: bool) -> None:
        """Close the link; politely, the board is told first."""
        if politely and self.lost is None:
            with contextlib.suppress(Unavailable):
                await self.bounded(self.driver.hush(), within_s=HUSH_S)
        self.link.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


async def begin(settings: Board, ears: Ears, *, counts: LinkCounts, plug: Plug | None) -> Conversation:
    """Open a board's port, and be ready to ask who is there.

    Args:
        settings: Which port, how, and what is spoken on it.
        ears: Who hears what comes.
        counts: Where the link goes on counting.
        plug: What is in the port, as `plugged` has found it.

    Raises:
        PortBusy: Another program has the port.
        BoardAway: There is no such port, or it cannot be opened.
    """
    from edged.mcu import link, ports  # noqa: PLC0415 - pyserial, for which nobody without boards shall pay

    if plug is None:
        raise BoardAway(await asyncio.to_thread(ports.absence, settings.port))
    path = Path(plug.path)
    opened = await link.opened(path, baud=settings.baud, dtr=settings.dtr, rts=settings.rts, counts=counts)
    return Conversation(path, opened, _driver(settings, opened, ears))


async def plugged(settings: Board) -> Plug | None:
    """Tell what is in a board's port now, so that it can be told apart from what is plugged in there later."""
    from edged.mcu import ports  # noqa: PLC0415 - as above

    def look() -> Plug | None:
        try:
            path = ports.find(settings.port)
            found = None if path is None else path.stat()
        except OSError:
            return None
        return None if found is None else Plug(str(path), found.st_rdev, found.st_ctime_ns)

    return await asyncio.to_thread(look)


def _driver(settings: Board, link: Link, ears: Ears) -> Driver:
    match settings.driver:
        case "smp":
            from edged.mcu.drivers.smp import SmpDriver  # noqa: PLC0415 - each only where some board speaks it

            return SmpDriver(link, ears)
        case "edge-impulse":
            from edged.mcu.drivers.edge_impulse import EdgeImpulseDriver  # noqa: PLC0415 - likewise

            return EdgeImpulseDriver(link, ears, hearing=_hearing(settings))
        case "lines":
            from edged.mcu.drivers.lines import LinesDriver  # noqa: PLC0415 - likewise

            return LinesDriver(link, ears, hearing=_hearing(settings))
        case unknown:
            assert_never(unknown)


def _hearing(settings: Board) -> Hearing:
    from edged.mcu.judge import Hearing  # noqa: PLC0415 - likewise

    return Hearing(
        labels=None if settings.labels is None else frozenset(settings.labels),
        background=frozenset(settings.background),
        threshold=settings.threshold,
        refractory_s=settings.refractory_s,
    )
