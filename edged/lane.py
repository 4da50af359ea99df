"""A lane: one source's audio through one model, from samples to decisions, synchronous and without a clock.

    chunk → converter (mono, the model's rate) → front end → windower → model → decider → decisions

Live, `hear` is called in a worker thread, once a chunk; in replay it is called in line. Both are the same code, so a
replayed file and the same audio at the microphone give the same decisions at the same samples.

A lane counts samples in the model's rate from the start of the present unbroken stream. When the stream breaks, every
stage starts afresh: no window ever spans a gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edged.audio.level import dbfs
from edged.audio.resample import Converter
from edged.decide import Decider
from edged.features.frontend import open_front_end
from edged.features.window import Windower
from edged.records import Event, Scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.model import Model
    from edged.records import Chunk, Decision, Pcm, Window

_NS = 1_000_000_000
_LEVEL_S = 1.0
"""How much audio before a decision its level is measured over."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the last chunk ended: ties a sample index to the clock."""

    end_s: float
    """Seconds of stream heard, by sample count."""
    ended_ns: int
    """CLOCK_MONOTONIC at that point, ns."""


class Lane:
    """One source heard by one model.

    Args:
        bundle: What the model is: front end, window, hop, policies.
        model: The opened model; the lane owns and closes it.
        watch: Called with each window's scores and the smoothed posteriors the decider made of them.
    """

    def __init__(
        self, bundle: Bundle, model: Model, *, watch: Callable[[Scores, NDArray[np.float64]], None] | None = None
    ) -> None:
        self.bundle = bundle
        self.windows = 0
        """Windows classified so far."""
        self._model = model
        self.watch = watch
        """Called with each window's scores and smoothed posteriors, in the thread that hears; None for nobody."""
        self._front_end = open_front_end(bundle.front_end)
        self._windower = Windower(self._front_end, frames=bundle.window_frames, hop=bundle.hop_frames)
        self._decider = Decider(labels=model.labels, policies=bundle.policies, rate_hz=self.rate_hz)
        self._converter: Converter | None = None
        self._pending: deque[Window] = deque()
        """Cut and not classified yet: more than none only when the model has failed."""
        self._recent: deque[Pcm] = deque()
        self._kept = 0
        """Samples in `_recent`."""
        self._origin = 0
        self._stream_ns = 0
        self._heard = 0
        self._anchor = Anchor(0.0, 0)

    @property
    def rate_hz(self) -> int:
        """Samples per second in which this lane counts."""
        return self._front_end.rate_hz

    @property
    def needs_s(self) -> float:
        """Seconds of audio after which the first smoothed score is there."""
        windows = max((policy.mean_of for policy in self.bundle.policies.values()), default=1)
        frames = self.bundle.window_frames + (windows - 1) * self.bundle.hop_frames
        return ((frames - 1) * self._front_end.step + self._front_end.window) / self.rate_hz

    @property
    def active(self) -> frozenset[str]:
        """Labels that are on now."""
        return self._decider.active

    def hear(self, chunk: Chunk) -> list[Event]:
        """Take one chunk, of any length, and return what was decided on hearing it."""
        events = self.finish() if chunk.fresh else []
        if self._converter is None:
            self._begin(chunk)
        assert self._converter is not None  # noqa: S101 - _begin has just set it
        self._anchor = Anchor((chunk.first + len(chunk.samples) - self._origin) / chunk.rate_hz, chunk.ended_ns)
        return events + self._classify(self._converter.push(chunk.samples))

    def finish(self) -> list[Event]:
        """End the stream: what the last samples decide, and an end for every sound that was on. Then as new."""
        converter, self._converter = self._converter, None
        events = self.catch_up() if converter is None else self._classify(converter.flush())
        return events + self.resign()

    def catch_up(self) -> list[Event]:
        """Classify the windows that the lane before, whose model has failed, left behind."""
        events: list[Event] = []
        while self._pending:
            window = self._pending[0]
            scores = Scores(self._model.scores(window.frames), window.ends)
            self._pending.popleft()
            events += self._events(self._decider.step(scores))
            self.windows += 1
            if self.watch is not None:
                self.watch(scores, self._decider.smoothed)
        return events

    def resign(self) -> list[Event]:
        """Give up deciding: an end for every sound that is on."""
        return self._events(self._decider.reset(self._heard))

    def succeed(self, heir: Lane) -> None:
        """Hand over to a lane with another model, between two windows.

        Where it hears through the same front end and window, those stages move over with the audio inside them, so that
        not one window is lost to the change, nor one that failed. Decisions and the model's memory start from nothing.
        """
        heir.windows = self.windows
        heir._model.reset()
        heir._converter = None
        heir._pending.clear()
        old, new = self.bundle, heir.bundle
        same = (old.front_end, old.window_frames, old.hop_frames) == (new.front_end, new.window_frames, new.hop_frames)
        if same:
            heir._pending, self._pending = self._pending, heir._pending
            heir._front_end, heir._windower, heir._converter = self._front_end, self._windower, self._converter
            heir._recent, heir._kept, heir._origin, heir._heard = self._recent, self._kept, self._origin, self._heard
            heir._anchor, heir._stream_ns = self._anchor, self._stream_ns

    def heard_ns(self, sample: int) -> int:
        """Tell when a sample of the present stream was heard: CLOCK_MONOTONIC, ns."""
        return self._anchor.ended_ns - round((self._anchor.end_s - sample / self.rate_hz) * _NS)

    def interrupt(self) -> None:
        """Have `hear` or `finish`, at work in another thread, give up a wait for the model's process: WorkerLost."""
        self._model.interrupt()

    def close(self) -> None:
        """Release the model."""
        self._model.close()

    def _begin(self, chunk: Chunk) -> None:
        self._converter = Converter(chunk.rate_hz, chunk.samples.shape[1], self.rate_hz)
        self._front_end.reset()
        self._windower.reset()
        self._pending.clear()
        self._model.reset()
        self._recent.clear()
        self._kept = 0
        self._origin = chunk.first
        self._stream_ns = chunk.ended_ns - len(chunk.samples) * _NS // chunk.rate_hz
        self._heard = 0

    def _classify(self, samples: Pcm) -> list[Event]:
        self._remember(samples)
        self._pending.extend(self._windower.push(self._front_end.push(samples)))
        return self.catch_up()

    def _remember(self, samples: Pcm) -> None:
        """Keep just the audio whose level may still be asked for: a second before anything in this chunk."""
        self._heard += len(samples)
        self._recent.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._recent[0]) >= len(samples) + _LEVEL_S * self.rate_hz:
            self._kept -= len(self._recent.popleft())

    def _events(self, decisions: list[Decision]) -> list[Event]:
        return [self._event(decision) for decision in decisions]

    def _event(self, decision: Decision) -> Event:
        at_s = decision.at / self.rate_hz
        return Event(
            decision=decision,
            at_s=at_s,
            at_ns=self.heard_ns(decision.at),
            stream_ns=self._stream_ns,
            level_dbfs=self._level_dbfs(decision.at),
        )

    def _level_dbfs(self, at: int) -> float:
        recent = np.concatenate(tuple(self._recent))
        heard = recent[: len(recent) - max(0, self._heard - at)]
        return dbfs(heard[-round(_LEVEL_S * self.rate_hz) :])
