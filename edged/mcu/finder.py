"""Boards that no config names: each USB port that nobody uses is asked once whether a board of ours is there.

Opening a port resets many boards, and whoever owns one may not like that; so this is done only where the config says
`find_boards`, and a port that does not answer as edged's own firmware does is left alone until something else is
plugged in there. A port that another program holds is asked again, seldom.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from edged.errors import PortBusy, Unavailable
from edged.mcu.board import LinkCounts
from edged.mcu.conversation import begin, plugged
from edged.mcu.driver import Ears
from edged.settings import Board

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from edged.mcu.board import BoardEvent, Identity
    from edged.mcu.ports import Port

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""From one look at all ports to the next."""
BUSY_S: Final = 60.0
"""Until a port that another program had is asked again."""
ASK_S: Final = 8.0
UID_DIGITS: Final = 6
"""Of a board's number, in its name."""


Asked: TypeAlias = dict[tuple[Path, int], float]
"""Ports that shall be left alone, as they are plugged in now, and until when by time.monotonic()."""


def usb_ports() -> tuple[Port, ...]:
    """Give the USB ones of this machine's serial ports."""
    from edged.mcu import ports  # noqa: PLC0415 - only where boards are looked for

    return tuple(port for port in ports.ports() if port.vid is not None)


class Finder:
    """Looks for boards.

    Args:
        used: Gives the paths of ports that are somebody's.
        found: Takes the settings of a board of ours that was found, and who it is.
        ports: Gives the ports that may be asked.
        asked: What a finder before this one left alone, and this one then too.
    """

    def __init__(
        self,
        *,
        used: Callable[[], Awaitable[Collection[Path]]],
        found: Callable[[Board, Identity], Awaitable[None]],
        ports: Callable[[], tuple[Port, ...]] = usb_ports,
        asked: Asked,
    ) -> None:
        self._used, self._found, self._ports, self._asked = used, found, ports, asked

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask whoever has not been asked."""
        there = await asyncio.to_thread(self._plugged)
        used = await self._used()
        now_s = time.monotonic()
        for plug in [plug for plug, until_s in self._asked.items() if plug not in there or until_s <= now_s]:
            del self._asked[plug]
        for plug, port in there.items():
            if plug not in self._asked and port.path.resolve() not in used:
                await self._ask(plug, port)

    def _plugged(self) -> dict[tuple[Path, int], Port]:
        found = {}
        for port in self._ports():
            try:
                found[port.path, port.path.stat().st_ctime_ns] = port
            except OSError:
                continue  # it has just gone
        return found

    async def _ask(self, plug: tuple[Path, int], port: Port) -> None:
        self._asked[plug] = float("inf")
        settings = Board(port=_name(port))
        try:
            identity = await _who(settings)
        except PortBusy:
            self._asked[plug] = time.monotonic() + BUSY_S
        except Unavailable as other:
            log.debug("%s is left alone: %s", port.path, other)
        else:
            if identity.speaks == "edged":
                await self._found(settings, identity)
            else:
                log.debug("%s is left alone: it speaks %s", port.path, identity.speaks)


def name_of(identity: Identity) -> str:
    """Name a board that nobody has named."""
    return f"{identity.board}-{identity.uid[-UID_DIGITS:]}"


async def _who(settings: Board) -> Identity:
    """Ask who is there; raises Unavailable where nobody answers, or somebody else."""

    async def event(_: BoardEvent) -> None:
        raise Unavailable("nobody listens yet")

    ears = Ears(event=event, text=_ignored, understood=lambda: None, wrong=_ignored)
    conversation = await begin(settings, ears, counts=LinkCounts(), plug=await plugged(settings))
    try:
        return await conversation.bounded(conversation.driver.identify(), within_s=ASK_S)
    finally:
        await conversation.end(politely=False)


def _ignored(_: str) -> None:
    """What a board prints is nobody's business before it is one of ours."""


def _name(port: Port) -> str:
    """Name a port in the way that finds it again wherever it comes back."""
    if port.usb_serial:
        return f"usb:{port.usb_serial}" + ("" if port.interface is None else f":{port.interface}")
    return str(port.by_id or port.path)
