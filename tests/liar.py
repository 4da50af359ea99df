"""A board on a pty that says of itself what a test wants said, be it true or not."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

from pty_peer import SECONDS, Pty, Speaker, until

from edged.mcu import group
from edged.mcu.group import Command
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HELLO: dict[str, Any] = {
    "proto": 1, "fw": "0.1.0", "board": "host", "chip": "x", "uid": bytes(12), "boot": 3, "reset": "power", "up": 5000,
    "buf": 1280, "baud": 0, "next": 10, "first": 10, "mic": True,
}  # fmt: skip
BEAT: dict[str, Any] = {
    "boot": 3, "up": 5000, "idle": 900, "next": 10, "first": 10, "dropped": 0, "heard": 0, "missed": 0, "runs": 0,
    "lost": 0, "bad": 0, "arena": 0, "stack": 0, "slot": 0, "state": "listening",
}  # fmt: skip
EVENT: dict[str, Any] = {
    "n": 9, "boot": 3, "kind": 0, "label": "yes", "began": 16000, "at": 32000, "ms": 4000, "score": 60000,
    "peak": 65536, "mean": 50000, "model": bytes(8),
}  # fmt: skip


class Liar(Speaker):
    """Says hello, subscribes whoever wants it, and has a heartbeat; the rest is up to the test."""

    def __init__(self) -> None:
        self.beat: dict[str, Any] = dict(BEAT)
        self.sequence = 0
        super().__init__(self._answer)

    def _answer(self, message: Message) -> list[Message | bytes]:
        answers: dict[Command, dict[str, Any]] = {
            Command.HELLO: HELLO,
            Command.SUBSCRIBE: {"lease": 10_000},
            Command.HEARTBEAT: self.beat,
        }
        return [message.response(answers[Command(message.command)])]

    async def tell(self, **differs: Any) -> Message:
        """Tell an event; how it is answered."""
        self.sequence += 1
        body = {key: value for key, value in {**EVENT, **differs}.items() if value is not None}
        told = Message(Op.WRITE, group.GROUP, Command.EVENT, body, sequence=self.sequence)
        await self.say(told)
        await until(lambda: any(response.answers(told) for response in self.responses), what="an answer")
        return next(response for response in self.responses if response.answers(told))

    @property
    def beats_read(self) -> int:
        return sum(message.command == Command.HEARTBEAT for message in self.requests)


class Thread:
    """A peer on a pty in a thread of its own, until the end of the block: `play` says what it does there."""

    def __init__(self, peer: Pty, play: Callable[[], Awaitable[None]]) -> None:
        self._peer, self._play = peer, play
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        playing = asyncio.create_task(self._played())
        await self._over.wait()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        self._peer.unplug()

    async def _played(self) -> None:
        if isinstance(self._peer, Speaker):
            async with self._peer:
                await self._play()
        else:
            await self._play()
