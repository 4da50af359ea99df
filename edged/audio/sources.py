"""Where audio comes from: a microphone, a recording, or a command. All of them `listen`; what can go wrong differs.

A recording ends. A command that ends, hangs or cannot be started is absent, and is started again, for ever.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edged.audio.ear import Ear
from edged.audio.files import open_audio
from edged.audio.ledger import Ledger
from edged.audio.level import SILENT_AFTER_S
from edged.audio.process import Process
from edged.audio.wire import AUDIO, Frame
from edged.errors import AudioFileError
from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from edged.records import Heard

REPLAY_CHUNK_MS = 256
"""Without a clock there is no latency to keep short, and long chunks cost less."""
CHUNK_MS = 64
FILE_RETRY_S = 2.0
"""Between two looks at a recording that has become unreadable."""


class Source(Protocol):
    """What the daemon can listen to."""

    ledger: Ledger
    waits: bool
    """Whether it loses nothing when its listeners take their time: a file read as fast as it goes."""

    def listen(self) -> AsyncGenerator[Heard, None]:
        """Yield audio and news of it; live sources without end. Closing it ends whatever it started."""
        ...


class FileSource:
    """A recording: WAV, FLAC or OGG.

    Args:
        path: The file.
        paced: Whether `listen` takes the time that the recording lasts, or goes as fast as it can.
        chunk_ms: Length of a chunk; by default 64 when paced and 256 when not.
        loop: Whether `listen` begins again at the end; each time anew, so that no sound spans the joint.

    Raises:
        AudioFileError: It cannot be read.
    """

    def __init__(
        self, path: str | Path, *, paced: bool = False, chunk_ms: int | None = None, loop: bool = False
    ) -> None:
        self.path = Path(path)
        self.ledger = Ledger()
        self.waits = not paced
        self._paced = paced
        self._loop = loop
        self._chunk_ms = chunk_ms or (CHUNK_MS if paced else REPLAY_CHUNK_MS)
        with open_audio(self.path) as file:
            self.rate_hz = file.rate_hz
            self.channels = file.channels

    def chunks(self) -> Iterator[Chunk]:
        """Yield the recording once, as fast as it is taken, without clock or event loop."""
        with open_audio(self.path) as file:
            first = 0
            for samples in file.blocks(max(1, file.rate_hz * self._chunk_ms // 1000)):
                yield Chunk(samples, rate_hz=file.rate_hz, first=first, ended_ns=0, fresh=not first)
                first += len(samples)

    async def listen(self) -> AsyncGenerator[Heard, None]:
        """Yield the recording, then `ended`; with `loop`, for ever.

        One that has become unreadable is absent, and is tried again, unless part of it was heard that shall be heard
        only once: then it has ended there.
        """
        hearing = Condition("hearing", f"{self.path}: {self.rate_hz} Hz, {_channels(self.channels)}")
        yield hearing
        began_ns = time.monotonic_ns()
        trouble = None
        while True:
            heard_ns = 0
            try:
                for chunk in self.chunks():
                    if trouble is not None:
                        trouble, began_ns = None, time.monotonic_ns()
                        yield hearing
                    heard_ns = (chunk.first + len(chunk.samples)) * 1_000_000_000 // chunk.rate_hz
                    # From the beginning, not from the last chunk: oversleeping must not add up.
                    due_ns = began_ns + heard_ns if self._paced else time.monotonic_ns()
                    await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
                    self.ledger.heard_s += len(chunk.samples) / chunk.rate_hz
                    yield replace(chunk, ended_ns=due_ns)
            except AudioFileError as error:
                trouble = error.what
            except OSError as error:
                trouble = f"cannot be read any further: {error.strerror}"
            began_ns += heard_ns
            if heard_ns and not self._loop:
                break
            if trouble is not None:
                yield Condition("absent", f"{self.path}: {trouble}")
                await asyncio.sleep(FILE_RETRY_S)
        yield Condition("ended", f"{self.path}: {trouble or 'played to its end'}, {heard_ns / 1e9:.1f} s")


FIRST_AUDIO_S = 8.0
"""A command may have to find a camera first; one that has not delivered by then hangs."""
STALL_S = 1.5
"""No audio for so long, after there was some: it hangs."""
BACK_OFF_S = (0.5, 1.0, 2.0)
"""Before the next start, after so many in a row that did not deliver for `STEADY_S`."""
STEADY_S = 10.0
"""A command that ends sooner than that after its first audio does not work; it must not be started in a frenzy."""


class CommandSource:
    """A command that writes PCM to its stdout in real time: `arecord -t raw -f S16_LE -r 16000`, `ffmpeg -i rtsp://…`.

    Little-endian int16, channels interleaved. Audio that is not taken waits in the pipe, and the command with it; a
    recorder then counts an overrun of its own, and the clock tells us.

    Args:
        argv: The command and its arguments; no shell. Killed with all that it started.
        rate_hz: What it delivers.
        channels: What it delivers.
        chunk_ms: Length of a chunk.
    """

    def __init__(
        self, argv: Sequence[str], *, rate_hz: int = 16000, channels: int = 1, chunk_ms: int = CHUNK_MS
    ) -> None:
        self.argv = tuple(argv)
        self.rate_hz = rate_hz
        self.channels = channels
        self.ledger = Ledger()
        self.waits = False
        self._name = Path(self.argv[0]).name
        self._chunk_bytes = max(1, rate_hz * chunk_ms // 1000) * channels * 2

    async def listen(self) -> AsyncGenerator[Heard, None]:
        """Yield audio and news of the command, without end."""
        ear = Ear(self._name, ledger=self.ledger, silent_after_s=SILENT_AFTER_S)
        ear.opened(f"{self.rate_hz} Hz, {_channels(self.channels)}")
        failures = 0
        yield Condition("starting", f"{self._name}: starting")
        while True:
            steady_s = math.inf
            try:
                process = Process(self.argv)
            except OSError as error:
                yield ear.lose("absent", f"the command cannot be started: {error.strerror}")
            else:
                try:
                    while True:
                        patience_s = STALL_S if ear.phase == "hearing" else FIRST_AUDIO_S
                        for heard in ear.take(await self._frame(process, patience_s)):
                            yield heard
                        steady_s = min(steady_s, time.monotonic() + STEADY_S)
                except TimeoutError:
                    yield ear.lose("absent", f"no audio for {patience_s:g} s")
                except EOFError:
                    yield ear.lose("absent", f"the command ended, {await process.status()}")
                finally:
                    await process.end()
            failures = 0 if time.monotonic() >= steady_s else failures
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1
            self.ledger.replaced += 1

    async def _frame(self, process: Process, patience_s: float) -> Frame:
        """Return the next chunk, shorter only at the end.

        Raises:
            TimeoutError: Nothing came in time.
            EOFError: Nothing will come.
        """
        data = b""
        until_s = time.monotonic() + patience_s  # for the whole: a trickle is no audio, and would starve the watchdog
        while len(data) < self._chunk_bytes:
            more = await process.read(self._chunk_bytes - len(data), timeout_s=until_s - time.monotonic())
            if not more:
                break
            data += more
        whole = len(data) - len(data) % (2 * self.channels)
        if not whole:
            raise EOFError
        now_ns = time.monotonic_ns()
        return Frame(AUDIO, data[:whole], stamp_ns=now_ns, rate_hz=self.rate_hz, channels=self.channels)


def _channels(count: int) -> str:
    return f"{count} channel{'s' * (count > 1)}"
