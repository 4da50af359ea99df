"""All supervisors: one for each board that the config names, and one for each of ours that is found, where it may look.

A board that is reset for another's sake would be a bug. So a new config replaces only the supervisors whose own table
has changed; all others go on without noticing, even when the broker is another one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edged.errors import UserError
from edged.mcu.finder import Finder, name_of, usb_ports
from edged.mcu.health import CLOSED
from edged.mcu.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from edged.mcu.board import Identity
    from edged.mcu.finder import Asked
    from edged.mcu.ports import Port
    from edged.mcu.teller import Surroundings
    from edged.settings import Board

log = logging.getLogger(__name__)

MAX_FOUND: Final = 64
"""Boards that no config names; of those that are found when there are so many, nobody takes care."""


@dataclass(frozen=True, slots=True)
class _Post:
    """A supervisor, at work."""

    supervisor: Supervisor
    task: asyncio.Task[None]
    found: bool
    """No config names its board."""


class Crew:
    """The supervisors. Without boards it costs nothing but its name.

    Args:
        ports: Gives the ports at which boards that nobody names may be looked for.
    """

    def __init__(self, *, ports: Callable[[], tuple[Port, ...]] = usb_ports) -> None:
        self._ports = ports
        self._posts: dict[str, _Post] = {}
        self._finding: asyncio.Task[None] | None = None
        self._asked: Asked = {}

    def __getitem__(self, name: str) -> Supervisor:
        """Give the supervisor of that name; UserError where there is none."""
        if (post := self._posts.get(name)) is None:
            known = ", ".join(self._posts)
            way_out = f"Name any of {known}" if known else "Add it to the config as [boards.NAME]"
            raise UserError("there is no such board", key="board", value=name, way_out=way_out)
        return post.supervisor

    def __iter__(self) -> Iterator[Supervisor]:
        """Give every supervisor."""
        return iter([post.supervisor for post in self._posts.values()])

    def __len__(self) -> int:
        """Count them."""
        return len(self._posts)

    async def man(
        self, boards: Mapping[str, Board], *, find: bool, around: Surroundings, group: asyncio.TaskGroup
    ) -> None:
        """See to these boards from now on, and to no others; those whose table is the same notice nothing.

        Args:
            boards: By name.
            find: Also see to boards of ours that are found at USB ports that none of these names.
            around: What supervisors speak to.
            group: Where they work.
        """
        await self._stop_finding()
        claimed = {board.port for board in boards.values()}
        gone = [name for name, post in self._posts.items() if not _stays(name, post, boards, claimed, find=find)]
        await self.dismiss(gone, clear=True)
        for supervisor in self:
            supervisor.move(around)
        for name, board in boards.items():
            if name not in self._posts:
                self._start(name, board, found=False, around=around, group=group)
        if find:
            self._finding = group.create_task(self._find(around, group), name="find boards")

    async def dismiss(self, names: Iterable[str] | None = None, *, clear: bool = False) -> None:
        """End supervisors, all of them where none is named; `clear`: and take back what they have said."""
        if names is None:
            await self._stop_finding()
        posts = [self._posts.pop(name) for name in (list(self._posts) if names is None else list(names))]
        for post in posts:
            post.task.cancel()
        await asyncio.gather(*(post.task for post in posts), return_exceptions=True)
        if clear:
            for post in posts:
                post.supervisor.teller.clear()

    def _start(self, name: str, board: Board, *, found: bool, around: Surroundings, group: asyncio.TaskGroup) -> None:
        supervisor = Supervisor(name, board, around=around)
        self._posts[name] = _Post(supervisor, group.create_task(supervisor.run(), name=f"board {name}"), found)

    # Boards that nobody names.

    async def _find(self, around: Surroundings, group: asyncio.TaskGroup) -> None:
        async def found(board: Board, identity: Identity) -> None:
            name = name_of(identity)
            if (post := self._posts.get(name)) is not None:
                if not post.found or post.supervisor.health.state not in CLOSED:
                    log.warning(
                        "at %s there is another board that would be named %s; it is left alone", board.port, name
                    )
                    return
                await self.dismiss([name])  # it has come back at a port that its name does not lead to
            elif sum(post.found for post in self._posts.values()) >= MAX_FOUND:
                log.warning("%s was found at %s, and left alone: %d others were", name, board.port, MAX_FOUND)
                return
            log.info("found %s at %s", name, board.port, extra={"EDGED_BOARD": name})
            self._start(name, replace(board, uid=identity.uid), found=True, around=around, group=group)

        await Finder(used=self._used, found=found, ports=self._ports, asked=self._asked).run()

    async def _used(self) -> set[Path]:
        """Paths of ports that somebody sees to, or would if they were not away."""
        from edged.mcu import ports  # noqa: PLC0415 - only where boards are looked for

        wanted = [supervisor.settings.port for supervisor in self]
        found = await asyncio.to_thread(lambda: [ports.find(port) for port in wanted])
        return {path for path in found if path is not None}

    async def _stop_finding(self) -> None:
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)
            self._finding = None


def _stays(name: str, post: _Post, boards: Mapping[str, Board], claimed: set[str], *, find: bool) -> bool:
    """Whether a supervisor goes on under a new config."""
    if post.found:
        return find and name not in boards and post.supervisor.settings.port not in claimed
    return boards.get(name) == post.supervisor.settings
