"""A control server in a thread of its own, and what its verbs do; for the tests of both of its sides."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edged.control.protocol import Request, audio
from edged.control.server import ControlServer, Peer, Verb
from edged.errors import SourceLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

DEADLINE_S = 10.0


class Daemon:
    """What the verbs of these tests do."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.tapped = 0
        self.taps_ended = threading.Event()
        self.quiet = threading.Event()

    async def status(self, request: Request, peer: Peer) -> Mapping[str, Any]:
        return {"uid": peer.uid, "pid": peer.pid, "args": dict(request.args)}

    async def install(self, request: Request, _peer: Peer) -> Mapping[str, Any]:
        self.installed.append(request.text("name"))
        return {}

    async def lost(self, _request: Request, _peer: Peer) -> Mapping[str, Any]:
        raise SourceLost("no such device")

    async def bug(self, _request: Request, _peer: Peer) -> Mapping[str, Any]:
        raise ZeroDivisionError

    async def tap(self, _request: Request, _peer: Peer) -> AsyncIterator[Mapping[str, Any]]:
        try:
            while not self.quiet.is_set():
                self.tapped += 1
                yield audio(bytes(32_000), rate_hz=16_000, channels=1, ended_ns=self.tapped, fresh=self.tapped == 1)
                await asyncio.sleep(0.001)
            await asyncio.Event().wait()
        finally:
            self.taps_ended.set()

    async def count(self, request: Request, _peer: Peer) -> AsyncIterator[Mapping[str, Any]]:
        for number in range(request.args["to"]):
            yield {"number": number}

    def verbs(self) -> dict[str, Verb]:
        return {
            "status": Verb(self.status, "read", frozenset({"a"})),
            "install": Verb(self.install, "write", frozenset({"name"})),
            "lost": Verb(self.lost, "read"),
            "bug": Verb(self.bug, "read"),
            "tap": Verb(self.tap, "read"),
            "count": Verb(self.count, "read", frozenset({"to"})),
        }


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


@contextmanager
def serving(path: Path, verbs: Mapping[str, Verb], **bounds: Any) -> Iterator[None]:
    """Run a server in a thread of its own, as the daemon runs it in its loop, and see it end cleanly."""
    control = ControlServer(path, verbs, **bounds)
    control.bind()
    loop = asyncio.new_event_loop()
    task = loop.create_task(control.run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({task})), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the server does not end"
        loop.close()
    if not task.cancelled():
        raise task.exception() or AssertionError("the server ended by itself")


@contextmanager
def raw(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(DEADLINE_S)
        peer.connect(str(path))
        yield peer


def rest(peer: socket.socket) -> list[dict[str, Any]]:
    data = b""
    while piece := peer.recv(65536):
        data += piece
    return [json.loads(line) for line in data.splitlines()]
