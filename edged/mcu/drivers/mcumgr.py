"""What any Zephyr board with an SMP server tells of itself: groups 0 and 1 of mcumgr, each of them optional.

Such a board says nothing by itself and numbers no events. It is seen to live by echo; where it has task statistics, the
share of its idle task between two questions and the least room on its stacks are known besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edged.errors import BoardRefused
from edged.mcu.board import Identity, Pulse
from edged.mcu.drivers import said
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.mcu.client import SmpClient

WORD_BYTES: Final = 4
"""Stacks are counted in words."""
OS, ECHO, TASKS, RESET, INFORMATION = 0, 0, 2, 5, 7
IMAGE, IMAGES = 1, 0


def reset() -> Message:
    """Begin anew, after the answer."""
    return Message(Op.WRITE, OS, RESET)


@dataclass(slots=True)
class Zephyr:
    """One board, while it is on the link."""

    client: SmpClient
    _has_tasks: bool = True
    _before: tuple[int, int] | None = None
    """Runtime of the idle task, and of all."""

    async def identify(self) -> Identity:
        """Ask what it can tell; nothing of it is required."""
        images = (await self._perhaps(Message(Op.READ, IMAGE, IMAGES))).get("images")
        return Identity(
            speaks="mcumgr",
            board=await self._information("i"),
            chip=await self._information("p"),
            firmware=_active_version(images),
        )

    async def pulse(self) -> Pulse:
        """See that it is alive; a refusal is an answer, too."""
        try:
            exchange = await self.client.exchange(Message(Op.WRITE, OS, ECHO, {"d": "edged"}))
        except BoardRefused:
            return Pulse(round_trip_ms=None)
        rows = await self._tasks()
        return Pulse(
            round_trip_ms=(exchange.answered_ns - exchange.asked_ns) / 1e6,
            answered_ns=exchange.answered_ns,
            idle=self._idle(rows),
            stack_free_bytes=_stack_free_bytes(rows),
        )

    async def _information(self, letter: str) -> str:
        output = (await self._perhaps(Message(Op.READ, OS, INFORMATION, {"format": letter}))).get("output")
        return said.name(output) if isinstance(output, str) else ""

    async def _perhaps(self, request: Message) -> Mapping[str, Any]:
        try:
            return (await self.client.ask(request)).body
        except BoardRefused:
            return {}

    async def _tasks(self) -> dict[str, Mapping[str, Any]]:
        """Statistics by task, until they are refused."""
        tasks = (await self._perhaps(Message(Op.READ, OS, TASKS))).get("tasks") if self._has_tasks else None
        self._has_tasks = isinstance(tasks, dict)
        if not isinstance(tasks, dict):
            return {}
        return {str(name): row for name, row in tasks.items() if isinstance(row, dict)}

    def _idle(self, rows: Mapping[str, Mapping[str, Any]]) -> float | None:
        """The idle task is named `idle`, or `idle 00` and so on where there are several cores."""
        spent = {name: int(row["runtime"]) for name, row in rows.items() if type(row.get("runtime")) is int}
        idle, every = sum(ticks for name, ticks in spent.items() if name.startswith("idle")), sum(spent.values())
        before, self._before = self._before, (idle, every)
        if before is None or every <= before[1] or not 0 <= idle - before[0] <= every - before[1]:
            return None
        return (idle - before[0]) / (every - before[1])


def _stack_free_bytes(rows: Mapping[str, Mapping[str, Any]]) -> int | None:
    free = [
        WORD_BYTES * (row["stksiz"] - row["stkuse"])
        for row in rows.values()
        if type(row.get("stksiz")) is int and type(row.get("stkuse")) is int
    ]
    return min(free, default=None)


def _active_version(images: object) -> str:
    """The version of the firmware that runs."""
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and image.get("active") is True and isinstance(image.get("version"), str):
            return said.name(image["version"])
    return ""
