"""A child process that delivers bytes: watched from the event loop, never waited for, always ended.

Plain file descriptors instead of asyncio's subprocess, whose streams cost a multiple per chunk, and which on Python
3.11 waits for each child in a thread of its own. The process gets a session of its own: the terminal's Ctrl-C is not
for it, and killing its group takes along whatever it started. Its stdin is a pipe that stays open as long as we live.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

READ_BYTES = 1 << 16
"""As much as a pipe holds."""
TAIL_BYTES = 2048
"""Of stderr only this much is kept, the newest: it is there for the reason in words."""
SECRET = re.compile(r"://[^\s/]*@")
"""User and password in a URL: ffmpeg says ``rtsp://admin:secret@camera/1: Connection refused``, and we publish it."""
REAP_PAUSES_S = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.5)
"""A killed process is gone within milliseconds; one stuck in the kernel is left to `subprocess` to reap later."""


class Process:
    """One running child process. Call `end` when done with it, come what may.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=env, start_new_session=True
        )
        self.pid = self._popen.pid
        self._tail = b""
        self._out = unblocked(self._popen.stdout)
        self._err = unblocked(self._popen.stderr)
        self._loop.add_reader(self._err, self._drain)

    def attach(self, hear: Callable[[bytes], None]) -> None:
        """Call `hear` with whatever comes, as it comes; with nothing at the end, until `detach`."""
        self._loop.add_reader(self._out, self._pump, hear)

    def detach(self) -> None:
        """Call `hear` no more."""
        self._loop.remove_reader(self._out)

    async def read(self, most: int, *, timeout_s: float) -> bytes:
        """Return the next bytes, at most so many; none at the end. Unread, the pipe fills, and the process waits.

        Raises:
            TimeoutError: Nothing came in time.
        """
        await asyncio.sleep(0)  # a process that always has something must not hold up the loop
        while True:
            try:
                return os.read(self._out, most)
            except BlockingIOError:
                await self._readable(timeout_s)

    @property
    def last_words(self) -> str:
        """Return the last line that the process wrote to stderr, or nothing; without the passwords of its URLs."""
        self._drain()
        lines = self._tail.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return SECRET.sub("://…@", last)

    async def end(self) -> int | None:
        """Kill it with all that it started and reap it; return its exit status, None if the kernel still holds it."""
        status = self._popen.poll()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for fd in (self._out, self._err):
            self._loop.remove_reader(fd)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()
        for pause_s in REAP_PAUSES_S:
            if status is not None:
                return status
            await asyncio.sleep(pause_s)
            status = self._popen.poll()
        return status

    async def status(self) -> str:
        """Say how it ended, in words, once its stdout did; it may take a moment longer than its output."""
        for pause_s in REAP_PAUSES_S:
            if (code := self._popen.poll()) is not None:
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
                return f"{how}: {self.last_words}" if self.last_words else how
            await asyncio.sleep(pause_s)
        return "it closed its output"

    async def _readable(self, timeout_s: float) -> None:
        waiter = self._loop.create_future()
        self._loop.add_reader(self._out, _settle, waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        finally:
            self._loop.remove_reader(self._out)

    def _pump(self, hear: Callable[[bytes], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            hear(os.read(self._out, READ_BYTES))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            data = os.read(self._err, READ_BYTES)
            if not data:
                self._loop.remove_reader(self._err)
            self._tail = (self._tail + data)[-TAIL_BYTES:]


def unblocked(stream: IO[bytes] | None) -> int:
    """Make a pipe's end that we read non-blocking and return its descriptor."""
    if stream is None:
        raise AssertionError("asked for with PIPE")
    os.set_blocking(stream.fileno(), False)
    return stream.fileno()


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
