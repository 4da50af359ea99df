"""The control socket's listening end: who may connect, what they may ask, and how much of them we bear.

The socket is a UNIX one of mode 0660 in the runtime directory: whoever may open it may ask what a `read` verb tells;
what a `write` verb does is for root and for the daemon's own user, as the kernel names the peer (SO_PEERCRED).

A peer costs at most one line of input and `MAX_UNSENT_BYTES` of output. Its requests are answered one after another.
An item that a slow peer has no room for is dropped and counted, and the count stands in the next one that gets
through; so nobody who listens can hold up what he listens to. A peer that is silent, or does not take the end of an
answer, is hung up on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from edged.control.address import bound
from edged.control.protocol import (
    MAX_LINE_BYTES,
    Done,
    Fault,
    Item,
    Lines,
    Refused,
    Request,
    encode,
    parse_request,
)
from edged.errors import Unavailable, UserError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PEERS: Final = 16
MAX_UNSENT_BYTES: Final = 256 * 1024
"""Eight seconds of 16 kHz mono in base64, beside what the kernel holds."""
READ_BYTES: Final = 64 * 1024
IDLE_S: Final = 60.0
"""A peer that has asked nothing for so long is hung up on."""
TAKE_S: Final = 5.0
"""A peer that has not taken the end of an answer by then is hung up on."""
GONE_S: Final = 1.0
"""How often a peer that gets items is looked after: it may have gone while there was nothing to send."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says."""

    pid: int
    uid: int
    gid: int

    def may(self, privilege: Privilege) -> bool:
        """Whether this peer may use a verb of that privilege."""
        return privilege == "read" or self.uid in {0, os.geteuid()}


Privilege: TypeAlias = Literal["read", "write"]
Fields: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Request, Peer], Awaitable[Fields] | AsyncIterator[Fields]]
"""A coroutine function answers once; an async generator function answers with items. Either may raise UserError or
Unavailable, which the peer is told; anything else is a bug and ends the daemon."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What can be asked, and by whom."""

    handler: Handler
    privilege: Privilege
    takes: frozenset[str] = frozenset()
    """Names of the arguments; others are refused."""


class ControlServer:
    """Listens at `path` and answers with `verbs`.

    `bind` and then `run`, which serves until it is cancelled and removes the socket. A bug in a handler makes `run`
    raise.
    """

    def __init__(
        self, path: Path, verbs: Mapping[str, Verb], *, max_peers: int = MAX_PEERS, idle_s: float = IDLE_S
    ) -> None:
        self.path = path
        self._verbs = verbs
        self._max_peers, self._idle_s = max_peers, idle_s
        self._socket: socket.socket | None = None
        self._peers = 0

    def bind(self) -> None:
        """Take the socket's place in the file system; StateError when another daemon has it, or it cannot be had."""
        self._socket = bound(self.path)
        self._place = self.path.lstat()

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None  # noqa: S101 - bind has just made it
        try:
            async with asyncio.TaskGroup() as peers:
                await self._accept(peers, self._socket)
        finally:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self.path.lstat(), self._place):
                    self.path.unlink()

    async def _accept(self, peers: asyncio.TaskGroup, listening: socket.socket) -> None:
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.create_task(self._meet(reader, writer), name="control peer")

        server = await asyncio.start_unix_server(accepted, sock=listening, limit=READ_BYTES)
        try:
            await asyncio.Event().wait()  # serve_forever would, from 3.12 on, wait for the peers before it ends
        finally:
            server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bear one peer until it goes, or goes too far."""
        writer.transport.set_write_buffer_limits(high=0)  # so that drain waits until all of it is sent
        self._peers += 1
        try:
            if self._peers > self._max_peers:
                await _end(writer, Refused(None, Fault("too-many", f"{self._max_peers} others are connected already")))
            else:
                await self._converse(reader, writer)
        except _GoneError:
            pass  # there is nobody to tell
        finally:
            self._peers -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer_of(writer)
        lines = Lines()
        while True:
            data = await _read(reader, self._idle_s)
            for line in lines.feed(data):
                match parse_request(line):
                    case Request() as request:
                        await _end(writer, await self._answer(request, peer, writer))
                    case refused:
                        await _end(writer, refused)
            if lines.overlong:
                what = f"is longer than {MAX_LINE_BYTES} bytes, or has no line end"
                await _end(writer, Refused(None, Fault("bad-request", what)))
            elif not data and lines.torn:
                await _end(writer, Refused(None, Fault("bad-request", "ends in the middle of a line")))
            if lines.overlong or not data:
                return

    async def _answer(self, request: Request, peer: Peer, writer: asyncio.StreamWriter) -> Done | Refused:
        """Carry out one request; the items go out on the way, the end is what is returned."""
        verb = self._verbs.get(request.verb)
        if verb is None:
            way_out = f"Known are {', '.join(sorted(self._verbs))}"
            fault = Fault("unknown-verb", "there is no such verb", key="verb", value=request.verb, way_out=way_out)
            return Refused(request.id, fault)
        if not peer.may(verb.privilege):
            what, way_out = "is for root and for the daemon's own user", "Ask with sudo"
            fault = Fault("not-allowed", what, key="verb", value=request.verb, way_out=way_out)
            return Refused(request.id, fault)
        if unknown := request.args.keys() - verb.takes:
            way_out = f"It takes {', '.join(sorted(verb.takes)) or 'none'}"
            return Refused(request.id, Fault("user", "is no argument of this verb", key=min(unknown), way_out=way_out))
        try:
            answering = verb.handler(request, peer)
            if isinstance(answering, AsyncIterator):
                return Done(request.id, {"dropped": await _pour(request.id, answering, writer)})
            return Done(request.id, await answering)
        except (UserError, Unavailable) as error:
            return Refused(request.id, Fault.of(error))


class _GoneError(Exception):
    """The peer is no longer there, or does not behave as if it were."""


async def _read(reader: asyncio.StreamReader, idle_s: float) -> bytes:
    try:
        async with asyncio.timeout(idle_s):
            return await reader.read(READ_BYTES)
    except (ConnectionError, TimeoutError):
        raise _GoneError from None


async def _end(writer: asyncio.StreamWriter, message: Done | Refused) -> None:
    """Send the end of an answer, and see it taken."""
    try:
        async with asyncio.timeout(TAKE_S):
            writer.write(encode(message))
            await writer.drain()
    except (ConnectionError, TimeoutError):
        raise _GoneError from None


async def _pour(number: int, items: AsyncIterator[Fields], writer: asyncio.StreamWriter) -> int:
    """Send items as they come, drop those that the peer has no room for, and give the count of them not told yet."""
    dropped = 0
    async with _while_there(writer):
        try:
            async for fields in items:
                if writer.transport.is_closing():  # asyncio would log each further write
                    raise _GoneError
                line = encode(Item(number, {**fields, "dropped": dropped} if dropped else fields))
                full = writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES or len(line) > MAX_LINE_BYTES
                dropped = dropped + 1 if full else 0
                if not full:
                    writer.write(line)
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
    return dropped


@contextlib.asynccontextmanager
async def _while_there(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """End the body when the peer has gone, which it may have while there was nothing to send to it."""
    if writer.transport.is_closing():
        raise _GoneError
    loop, poll = asyncio.get_running_loop(), select.poll()
    poll.register(
        writer.get_extra_info("socket").fileno(), 0
    )  # POLLHUP is always told, and only when both directions are shut

    async def look_after() -> None:
        while not writer.transport.is_closing() and not poll.poll(0):  # noqa: ASYNC110 - asyncio has no such event
            await asyncio.sleep(GONE_S)
        deadline.reschedule(loop.time())

    try:
        async with asyncio.timeout(None) as deadline:
            watch = asyncio.create_task(look_after(), name="control peer's end")
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if deadline.expired():
            raise _GoneError from None
        raise


def _peer_of(writer: asyncio.StreamWriter) -> Peer:
    ucred = struct.Struct("3i")  # struct ucred, unix(7)
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, ucred.size)
    return Peer(*ucred.unpack(peer))
