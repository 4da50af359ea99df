"""The other end of a serial port: a pty, in the test's own event loop, behind which a test says what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edged.mcu import framing, smp

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mcu.smp import Message

SECONDS = 20.0
"""For whatever should happen at once: this machine may be busy."""


async def until(condition: Callable[[], bool], *, what: str = "it") -> None:
    """Wait until it is so."""
    deadline_s = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} does not come in {SECONDS} s"
        await asyncio.sleep(0.002)


class Pty:
    """Bytes, as a board's wire carries them. `unplug` is what its name says."""

    def __init__(self) -> None:
        self.fd, self._outside = os.openpty()
        tty.setraw(self._outside)
        os.set_blocking(self.fd, False)
        self.device = Path(os.ttyname(self._outside))
        self.plugged = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        if self.plugged:
            self.plugged = False
            os.close(self.fd)
            os.close(self._outside)

    async def write(self, data: bytes) -> None:
        """Put bytes on the wire, as fast as they are taken."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)

    async def read(self) -> bytes:
        """Whatever comes."""
        found = b""

        def look() -> bool:
            nonlocal found
            with contextlib.suppress(BlockingIOError):
                found = os.read(self.fd, 65536)
            return bool(found)

        await until(look, what="something")
        return found

    def take(self) -> bytes:
        """What has come already."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.fd, 65536)
        return b""


class Speaker(Pty):
    """A board that speaks SMP as a test wants it to.

    `answer` says what a request is answered with: messages, one after the other, or bytes as they are.
    """

    def __init__(self, answer: Callable[[Message], list[Message | bytes]] = lambda _: []) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[Message] = []
        """Of the gateway."""
        self.responses: list[Message] = []
        """The gateway's, to what we asked."""
        self._reader = framing.Reader()
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fall_silent()
        self.unplug()

    async def fall_silent(self) -> None:
        """Read and answer nothing from now on."""
        assert self._serving is not None
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)

    async def say(self, *messages: Message | bytes) -> None:
        for message in messages:
            await self.write(message if isinstance(message, bytes) else framing.write(smp.write(message)))

    async def _serve(self) -> None:
        while True:
            for found in self._reader.feed(self.take()):
                match found:
                    case framing.Frame(data):
                        await self._took(smp.read(data))
                    case framing.Text(line):
                        raise AssertionError(f"the gateway says {line!r}")
            await asyncio.sleep(0.001)

    async def _took(self, message: Message) -> None:
        if message.is_response:
            self.responses.append(message)
        else:
            self.requests.append(message)
            await self.say(*self.answer(message))
