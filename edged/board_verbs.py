"""What the control socket can be asked about boards; docs/CONTROL.md is the contract."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from edged.control.server import Verb
from edged.messages import utc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from edged.control.protocol import Request
    from edged.control.server import Peer
    from edged.mcu.boardlog import Line
    from edged.mcu.crew import Crew
    from edged.mcu.supervisor import Supervisor

LOG_LINES = 256
"""Lines that wait for a slow listener; then the oldest go, and the next item says how many."""


def board_verbs(crew: Callable[[], Crew]) -> Mapping[str, Verb]:
    """Give every verb about boards, with who may use it; `crew` gives who sees to them."""
    return {
        "boards": Verb(partial(_boards, crew), "read"),
        "board_log": Verb(partial(_log, crew), "read", frozenset({"board"})),
        "board_reset": Verb(partial(_reset, crew), "write", frozenset({"board"})),
    }


def told_of(board: Supervisor) -> dict[str, Any]:
    """Tell how a board is, for machines."""
    health, vitals = board.health, asdict(board.vitals())
    return {
        "name": board.name,
        "port": board.settings.port,
        "path": board.path,
        "driver": board.settings.driver,
        "why": health.why,
        "since": utc(health.since.utc_ns),
        **vitals,
    }


async def _boards(crew: Callable[[], Crew], _request: Request, _peer: Peer) -> dict[str, Any]:
    return {"boards": [told_of(board) for board in crew()]}


async def _log(crew: Callable[[], Crew], request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
    """Hand on what a board has printed last, and then what it prints, until the peer hangs up."""
    log = crew()[request.text("board")].log
    waiting: deque[Line] = deque(log.last)
    left_out = 0
    came = asyncio.Event()
    came.set()

    def take(line: Line) -> None:
        nonlocal left_out
        waiting.append(line)
        if len(waiting) > LOG_LINES:
            waiting.popleft()
            left_out += 1
        came.set()

    log.listeners.add(take)
    try:
        while True:
            await came.wait()
            came.clear()
            while waiting:
                line, missing, left_out = waiting.popleft(), left_out, 0
                yield {"at": utc(line.at_ns), "line": line.text} | ({"left_out": missing} if missing else {})
    finally:
        log.listeners.discard(take)


async def _reset(crew: Callable[[], Crew], request: Request, _peer: Peer) -> dict[str, Any]:
    """Have a board begin anew, and say who it is then."""
    board = crew()[request.text("board")]
    await board.reset()
    return told_of(board)
