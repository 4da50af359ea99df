"""A microphone that is listened to for ever, whatever happens to it.

PortAudio lives in a capture child (`edged.audio.capture`), and this is its supervisor. Its one test is whether chunks
come: a server that stalls leaves every flag of PortAudio as it was. A child that has sent nothing for a second is
killed, the source is `absent`, and another child takes its place, for ever. While the device is away the child says so
several times in `ATTEMPT_S`; each of those sayings is yielded, because it is the progress that feeds the watchdog.

    starting ──> hearing <──> silent, clipped, wrong-rate     (chunks come, in all of these)
        └──────────┴─> absent, busy, wrong-rate ──> hearing   (no chunks; said again at every attempt)
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from edged.audio import child, wire
from edged.audio.devices import check_device
from edged.audio.ear import Ear
from edged.audio.ledger import Ledger
from edged.audio.level import SILENT_AFTER_S
from edged.audio.process import Process
from edged.audio.waiting import Waiting
from edged.records import Condition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from edged.records import Heard

STALL_S = 1.0
"""No chunk for so long (or for eight chunks, if that is longer): the stream hangs."""
STALL_CHUNKS = 8
FIRST_CHUNK_S = 3.0
"""From the opening of the device to its first chunk: PortAudio needs up to 1.9 s on an idle PulseAudio sink."""
ATTEMPT_S = 4.0
"""From a child's start, or its last word, to its next word. Interpreter start and a look take 0.1 s on x86-64, and
over a second on the smallest Pi; where a stalled server holds them up, they go on as soon as it does."""
RESTART_S = 0.7
"""Between two starts of a child that dies by itself."""
WAITING_S = 4.0
"""Audio that waits for the consumer; beyond it the oldest is dropped and counted."""


class Microphone:
    """A live source: one input device, in the form in which it delivers (`edged.audio.resample` makes it mono 16 kHz).

    Args:
        device: `default`, `name:…` or `usb:…`, see `edged.audio.identity`.
        rate_hz: Wanted; a device that refuses it is opened as it likes, and its chunks say how.
        channels: Wanted, likewise.
        chunk_ms: Length of a chunk. Long ones cost less CPU: 64 ms half of what 20 ms cost.
        silent_after_s: So long nothing but zeros is `silent`.

    Raises:
        ConfigError: `device` is not a device string.
    """

    def __init__(
        self,
        device: str = "default",
        *,
        rate_hz: int = 16000,
        channels: int = 1,
        chunk_ms: int = 64,
        silent_after_s: float = SILENT_AFTER_S,
    ) -> None:
        check_device(device)
        self.device = device
        self.ledger = Ledger()
        self.waits = False
        self._command = child.listen_command(device, rate_hz=rate_hz, channels=channels, chunk_ms=chunk_ms)
        self._most_waiting = max(2, int(WAITING_S * 1000 / chunk_ms))
        self._silent_after_s = silent_after_s
        self._patience_s = {
            "looking": ATTEMPT_S,
            "opened": FIRST_CHUNK_S,
            "hearing": max(STALL_S, STALL_CHUNKS * chunk_ms / 1000),
        }

    async def listen(self) -> AsyncGenerator[Heard, None]:
        """Yield audio and news of it, without end. Close it (`contextlib.aclosing`), and the child is gone."""
        ear = Ear(self.device, ledger=self.ledger, silent_after_s=self._silent_after_s)
        yield Condition("starting", f"{self.device}: opening")
        while True:
            began_s = time.monotonic()
            try:
                capture = Process(self._command, env=child.environment())
            except OSError as error:  # no memory, process or descriptor is left
                yield ear.lose("absent", f"the capture process cannot be started: {error.strerror}")
                await asyncio.sleep(RESTART_S)
                continue
            try:
                frames = self._attach(capture, ear)
                while True:
                    frame = await frames.get(timeout_s=self._patience_s[ear.phase])
                    for heard in ear.take(frame):
                        yield heard
            except TimeoutError:
                patience_s = self._patience_s[ear.phase]
                what = "audio" if ear.phase == "hearing" else "answer from the sound system"
                yield ear.lose("absent", f"no {what} for {patience_s:.1f} s")
            except EOFError:
                yield ear.lose("absent", f"the capture process ended: {await capture.status()}")
                await asyncio.sleep(max(0.0, began_s + RESTART_S - time.monotonic()))
            finally:
                await capture.end()
            self.ledger.replaced += 1

    def _attach(self, capture: Process, ear: Ear) -> Waiting[wire.Frame]:
        """Let the child's frames wait for us; what cannot wait any longer goes down in the ledger."""
        frames: Waiting[wire.Frame] = Waiting(most=self._most_waiting)
        decoder = wire.Decoder()

        def hear(data: bytes) -> None:
            try:
                for frame in decoder.feed(data):
                    if dropped := frames.put(frame):
                        ear.drop(dropped)
            except ValueError:
                data = b""  # garbage ends it as surely as silence does
            if not data:
                capture.detach()
                frames.end()

        capture.attach(hear)
        return frames
