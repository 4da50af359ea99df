"""What the control socket can be asked; docs/CONTROL.md is the contract."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged import __version__, installed
from edged.control.protocol import audio
from edged.control.server import Verb
from edged.errors import UserError, WorkerLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from edged.control.protocol import Request
    from edged.control.server import Peer
    from edged.daemon import Daemon
    from edged.records import Chunk

TAP_CHUNKS = 64
"""Chunks that wait for a slow tap; then the oldest go, and the next one is marked fresh."""


def verbs(daemon: Daemon) -> Mapping[str, Verb]:
    """Give every verb, with who may use it."""
    return {
        "status": Verb(partial(_status, daemon), "read"),
        "reload": Verb(partial(_reload, daemon), "write"),
        "tap": Verb(partial(_tap, daemon), "write", frozenset({"source"})),
        "install": Verb(partial(_install, daemon), "write", frozenset({"name", "path"})),
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
    """Give a model another file: looked at, opened beside the old one, kept, and swapped in between two windows."""
    name, path = request.text("name"), Path(request.text("path"))
    async with daemon.changing:
        return await _installed(daemon, name, path)


async def _installed(daemon: Daemon, name: str, path: Path) -> dict[str, Any]:
    old = daemon.plan
    if name not in old.models:
        known = ", ".join(old.models)
        raise UserError("the config has no such model", key="name", value=name, way_out=f"Name any of {known}")
    new = await asyncio.to_thread(old.with_model, name, path)
    listeners = [station.listeners[name] for station in daemon.stations if name in station.listeners]
    heirs = []
    try:
        for _ in listeners:  # one by one, so that those already open are closed if the next one fails
            heir = await asyncio.to_thread(new.open_lane, name)
            heirs.append(heir)
        kept = await asyncio.to_thread(
            installed.keep, old.config.state_dir, name, path, configured=old.configured(name)
        )
    except BaseException:
        for heir in heirs:
            heir.close()
        raise
    new = new.with_copy(name, kept)  # the note is written and the older copy gone: from here on nothing may fail
    for listener, heir in zip(listeners, heirs, strict=True):
        listener.swap(heir, partial(new.open_lane, name))
    daemon.adopt(new)
    bundle = new.bundles[name]
    return {"name": name, "path": str(kept), "sha256": "" if isinstance(bundle, WorkerLost) else bundle.sha256}
