"""What the control socket can be asked; docs/CONTROL.md is the contract."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged import __version__
from edged.board_loans import board_loans
from edged.board_verbs import board_verbs, told_of
from edged.control.protocol import audio
from edged.control.server import Verb
from edged.errors import UserError
from edged.messages import utc
from edged.report import model_healths
from edged.swap import swap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from edged.control.protocol import Request
    from edged.control.server import Peer
    from edged.daemon import Daemon
    from edged.plan import Plan
    from edged.records import Chunk
    from edged.station import Station

TAP_CHUNKS = 64
"""Chunks that wait for a slow tap; then the oldest go, and the next one is marked fresh."""


def verbs(daemon: Daemon) -> Mapping[str, Verb]:
    """Give every verb, with who may use it."""
    return {
        "status": Verb(partial(_status, daemon), "read"),
        "reload": Verb(partial(_reload, daemon), "write"),
        "tap": Verb(partial(_tap, daemon), "write", frozenset({"source"})),
        "models": Verb(partial(_models, daemon), "read"),
        "install": Verb(partial(_install, daemon), "write", frozenset({"name", "path"})),
        **board_verbs(lambda: daemon.crew),
        **board_loans(lambda: daemon.crew),
    }


async def _status(daemon: Daemon, _request: Request, _peer: Peer) -> dict[str, Any]:
    return {
        "version": __version__,
        "process": os.getpid(),
        "gateway": daemon.plan.config.gateway,
        "config": str(daemon.plan.file),
        "in_words": daemon.in_words(),
        "broker": daemon.broker_in_words(),
        "vitals": asdict(daemon.vitals()),
        "boards": [told_of(board) for board in daemon.crew],
    }


async def _reload(daemon: Daemon, _request: Request, _peer: Peer) -> dict[str, Any]:
    await daemon.reload()
    return {"in_words": daemon.in_words()}


async def _tap(daemon: Daemon, request: Request, _peer: Peer) -> AsyncIterator[dict[str, Any]]:
    """Hand on a source's audio as it comes, until the peer hangs up."""
    name = request.text("source")
    station = next((station for station in daemon.stations if station.name == name), None)
    if station is None:
        known = ", ".join(station.name for station in daemon.stations)
        raise UserError("there is no such source", key="source", value=name, way_out=f"Name any of {known}")
    waiting: deque[Chunk] = deque()
    came = asyncio.Event()

    def take(chunk: Chunk) -> None:
        waiting.append(chunk)
        if len(waiting) > TAP_CHUNKS:
            waiting.popleft()
            waiting[0] = replace(waiting[0], fresh=True)
        came.set()

    station.taps.add(take)
    try:
        while True:
            await came.wait()
            came.clear()
            while waiting:
                chunk = waiting.popleft()
                yield audio(
                    chunk.samples.astype("<i2").tobytes(),
                    rate_hz=chunk.rate_hz,
                    channels=chunk.samples.shape[1],
                    ended_ns=chunk.ended_ns,
                    fresh=chunk.fresh,
                )
    finally:
        station.taps.discard(take)


async def _install(daemon: Daemon, request: Request, _peer: Peer) -> dict[str, Any]:
    """Give a model another file; `edged.swap` says how."""
    name, path = request.text("name"), Path(request.text("path"))
    async with daemon.changing:
        done = await swap(daemon.plan, daemon.stations, name, path, stopping=daemon.stopping)
        daemon.adopt(done.plan)
    told = _model(done.plan, daemon.stations, name)
    return told | {"golden": None if done.proof is None else asdict(done.proof), "tried": done.tried}


async def _models(daemon: Daemon, _request: Request, _peer: Peer) -> dict[str, Any]:
    return {"models": [_model(daemon.plan, daemon.stations, name) for name in daemon.plan.models]}


def _model(plan: Plan, stations: Sequence[Station], name: str) -> dict[str, Any]:
    """Tell what runs under a model's name."""
    heard = [station for station in stations if name in station.listeners]
    health = model_healths(heard).get(name)
    lanes = [lane for station in heard if (lane := station.listeners[name].lane) is not None]
    told = plan.told(name, lanes[0].bundle if lanes else None)
    return told | {
        "sources": [station.name for station in heard],
        "state": "unheard" if health is None else health.state,
        "why": "no source is heard by it" if health is None else health.why,
        "since": None if health is None else utc(health.since.utc_ns),
    }
