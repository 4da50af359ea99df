"""Supervisors at work in the test's own loop: real boards or peers before them, a real outbox file behind them.

async with seeing_to({"attic": board}, tmp_path) as seen: …
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edged.mcu.crew import Crew
from edged.mcu.health import State
from edged.mcu.teller import Surroundings
from edged.messages import Messages
from edged.outbox import Outbox
from edged.settings import Board

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from pathlib import Path

    from boards import HostBoard

    from edged.records import Publication

SECONDS = 30.0
"""For whatever should happen soon: this machine may be busy."""
HEARTBEAT_S = 0.2
QUIET = ("--silence", "--watchdog-ms", "0")
"""A busy machine must not be a board that hangs."""
UID, OTHER_UID = "5a" * 12, "77" * 12
SOON = {State.ABSENT: (0.05, 0.2), State.BUSY: (0.05, 0.2), State.QUARANTINED: (0.2, 0.4)}
"""As supervisor.WAITS."""
BOOT_ID = "5b7c1a3e-0000-4000-8000-000000000000"


def table(port: Path, **more: Any) -> Board:
    """A board's settings."""
    return Board(**{"port": str(port), "heartbeat_s": HEARTBEAT_S, **more})


@dataclass
class Seen:
    """A crew, and what it says."""

    crew: Crew
    outbox: Outbox
    group: asyncio.TaskGroup
    health_s: float
    messages: Messages = field(default_factory=lambda: Messages(gateway="test", boot_id=BOOT_ID, version="1"))
    retained: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By board: each state that was published, and why."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Board and line of what was published of their logs."""

    def retain(self, message: Publication) -> None:
        self.retained[message.topic] = message.payload
        *_, board, kind = message.topic.split("/")
        if kind == "state" and message.payload:
            told = json.loads(message.payload)
            self.states.setdefault(board, []).append((told["state"], told["why"]))

    def say(self, message: Publication) -> None:
        assert not message.retain
        assert message.qos == 0
        self.lines.append((message.topic.split("/")[-2], json.loads(message.payload)["line"]))

    def last(self, board: str) -> tuple[str, str]:
        return self.states.get(board, [("", "")])[-1]

    def told(self, board: str, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.retained[f"edged/test/mcu/{board}/{kind}"])
        return found

    async def until(self, true: Callable[[], object], what: str = "it is so", seconds: float = SECONDS) -> None:
        deadline_s = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline_s, f"not in {seconds} s: {what}; {self.states}"
            await asyncio.sleep(0.01)

    async def until_state(self, board: str, state: str, seconds: float = SECONDS) -> None:
        await self.until(lambda: self.last(board)[0] == state, f"{board} is {state}", seconds)

    async def man(self, boards: Mapping[str, Board], *, find: bool = False) -> None:
        around = Surroundings(
            messages=self.messages,
            outbox=self.outbox,
            retain=self.retain,
            say=self.say,
            changed=lambda: None,
            health_s=self.health_s,
        )
        await self.crew.man(boards, find=find, around=around, group=self.group)

    async def events(self) -> list[dict[str, Any]]:
        """What is in the outbox."""
        return [json.loads(stored.body) for stored in await self.outbox.next_batch(after=0, limit=10_000)]


@asynccontextmanager
async def seeing_to(
    boards: Mapping[str, Board], folder: Path, *, crew: Crew | None = None, find: bool = False, health_s: float = 3600
) -> AsyncIterator[Seen]:
    """See to boards; at the end they are let go."""
    outbox = Outbox.open(folder / "outbox.sqlite")
    try:
        async with asyncio.TaskGroup() as group:
            seen = Seen(Crew() if crew is None else crew, outbox, group, health_s)
            await seen.man(boards, find=find)
            try:
                yield seen
            finally:
                await seen.crew.dismiss()
    finally:
        outbox.close()


def loud(records: list[logging.LogRecord], board: str) -> list[str]:
    """What the journal got of a board at INFO and above."""
    return [
        record.getMessage()
        for record in records
        if record.levelno >= logging.INFO and getattr(record, "EDGED_BOARD", None) == board
    ]


def run(doing: Coroutine[Any, Any, None]) -> None:
    """Run a test's own coroutine; it must not hang."""
    asyncio.run(asyncio.wait_for(doing, 4 * SECONDS))


def pid(board: HostBoard) -> int:
    """Of a board that is switched on."""
    assert board.process is not None
    return board.process.pid


def pull(board: HostBoard) -> None:
    """End it without warning, its device first: the number of a pty that is gone may be anybody's the next moment."""
    board.device.unlink()
    board.kill()
