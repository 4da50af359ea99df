"""What the frames of a capture child mean: audio with its place in the stream, and the state of the source.

No process, no waiting: `edged.audio.microphone` hands in what came, or that nothing came, and yields what it gets back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from edged.audio import wire
from edged.audio.level import Level
from edged.audio.pace import Pace
from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.audio.ledger import Ledger
    from edged.audio.wire import Frame
    from edged.records import Heard, Pcm, SourceState

_PHASE = {wire.OPENED: "opened", wire.AUDIO: "hearing"}
_STATE: dict[str, SourceState] = {wire.ABSENT: "absent", wire.BUSY: "busy", wire.WRONG_RATE: "wrong-rate"}


class Ear:
    """Follows one device or command through any number of processes."""

    def __init__(self, device: str, *, ledger: Ledger, silent_after_s: float) -> None:
        self.phase = "looking"
        """`looking` for the device, `opened` (no chunk yet), or `hearing`."""
        self._device = device
        self._ledger = ledger
        self._silent_after_s = silent_after_s
        self._opened = ""
        self._state: SourceState = "starting"
        self._level: Level | None = None
        self._pace: Pace | None = None
        self._first = 0
        self._until_ns = time.monotonic_ns()
        """Up to here every second is in the ledger, as heard or as missed."""

    def take(self, frame: Frame) -> Iterator[Heard]:
        """Yield what a frame means: a chunk, a condition, or nothing."""
        self.phase = _PHASE.get(frame.kind, "looking")
        if frame.kind == wire.AUDIO:
            yield from self._audio(frame)
        elif frame.kind == wire.OPENED:
            self.opened(frame.text)
        else:
            yield self.lose(_STATE[frame.kind], frame.text)

    def opened(self, words: str) -> None:
        """Note what will be heard, for `hearing`'s words."""
        self._opened = words

    def lose(self, state: SourceState, why: str) -> Condition:
        """Note that there is no audio now; what comes next is a new stream."""
        self.phase = "looking"
        self._state = state
        self._level = self._pace = None
        self._miss_until(time.monotonic_ns())
        return Condition(state, f"{self._device}: {why}")

    def drop(self, frame: Frame) -> None:
        """Note that a frame was thrown away because nobody took it in time."""
        if frame.kind == wire.AUDIO:
            self._ledger.dropped_chunks += 1
            self._pace = None

    def _audio(self, frame: Frame) -> Iterator[Heard]:
        samples: Pcm = np.frombuffer(frame.body, dtype="<i2").reshape(-1, frame.channels)
        fresh = self._pace is None or self._pace.rate_hz != frame.rate_hz
        if fresh:
            self._begin(frame, len(samples))
        if condition := self._judge(samples, frame):
            yield condition
        chunk = Chunk(samples, rate_hz=frame.rate_hz, first=self._first, ended_ns=frame.stamp_ns, fresh=fresh)
        self._first += len(samples)
        self._until_ns = frame.stamp_ns
        self._ledger.heard_s += len(samples) / frame.rate_hz
        yield chunk

    def _begin(self, frame: Frame, count: int) -> None:
        """Start a stream: nothing before this chunk may be joined to it."""
        self._miss_until(frame.stamp_ns - count * 1_000_000_000 // frame.rate_hz)
        self._pace = Pace(rate_hz=frame.rate_hz)
        self._level = self._level or Level(rate_hz=frame.rate_hz, silent_after_s=self._silent_after_s)
        self._first = 0

    def _judge(self, samples: Pcm, frame: Frame) -> Condition | None:
        """Return the state of the source if this chunk changes it."""
        assert self._pace is not None  # noqa: S101 - `_begin` saw to both
        assert self._level is not None  # noqa: S101 - as above
        self._ledger.missed_s += self._pace.hear(samples=len(samples), ended_ns=frame.stamp_ns)
        state: SourceState = "wrong-rate" if self._pace.wrong else self._level.feed(samples)
        if state == self._state:
            return None
        self._state = state
        return Condition(state, f"{self._device}: {self._words(state)}")

    def _words(self, state: SourceState) -> str:
        match state:
            case "silent":
                return f"nothing but one value for {self._silent_after_s:g} s; muted?"
            case "clipped":
                return "over 1 % of the samples are at full scale; turned up too far?"
            case "wrong-rate":
                return f"delivers {self._pace.measured_hz if self._pace else 0:.0f} samples a second: {self._opened}"
            case _:
                return self._opened

    def _miss_until(self, now_ns: int) -> None:
        self._ledger.missed_s += max(0, now_ns - self._until_ns) / 1e9
        self._until_ns = max(now_ns, self._until_ns)
