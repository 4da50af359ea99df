"""The sound around events and near misses, kept on this machine for the next training. Off unless the config says so.

    source ─ chunk ─▶ Ear: the last seconds, in memory
    lane ── events, near misses ─▶ Ear ── when the post-roll is heard ─▶ queue ─▶ a thread ─▶ ClipStore

Nothing here is published, and nothing waits: an ear only remembers chunks that are there anyway, the queue is short,
and what finds no room in it is lost and counted. A disk that cannot be written is said once; clips are lost and counted
until it can, and the road notices nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from edged import clock
from edged.audio.resample import Converter
from edged.clipstore import RATE_HZ, ClipStore, name, unusable, usable
from edged.nearmiss import NearMisses
from edged.outage import Outage
from edged.schemas import ClipsHealth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.lane import Lane
    from edged.records import Chunk, Event, Pcm, Scores

log = logging.getLogger(__name__)

NEAR_MISS: Final = "_near_miss_"
"""The label of what was not decided: background, until somebody has listened to it."""
LICENCE: Final = "private"
MAX_WAITING: Final = 16
"""Clips that wait for their post-roll at one source, or for the disk."""
LATE_S: Final = 6.0
"""Audio kept beyond the pre-roll: a decision may come so long after what it rests on was heard."""
MAY_COME_BACK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What is wrong with the disk, and not with the folder."""
CLOSE_S: Final = 5.0
"""Longest wait at the end for what is still to be written."""
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rolls:
    """How much is kept."""

    pre_s: float
    post_s: float
    near: float
    """Share of a threshold from which on a near miss is one."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A clip whose end may not have been heard yet."""

    label: str
    heard: str
    """What was decided, or nearly."""
    model: str
    score: float
    at_ns: int
    """CLOCK_MONOTONIC of the decision."""
    source: str = ""
    chunks: tuple[Chunk, ...] = ()
    """Its audio, once that is all there."""


class Clips:
    """Keeps the clips of all sources, from `start` to `close`.

    Args:
        folder: Where; see `edged.clipstore`.
        quota_bytes: It never holds more.
        rolls: How much of each is kept.
        gateway: With the day, the clips' group.

    Raises:
        StateError: The folder cannot be used.
    """

    def __init__(self, folder: Path, *, quota_bytes: int, rolls: Rolls, gateway: str) -> None:
        self.rolls, self._gateway = rolls, gateway
        self._folder, self._quota_bytes = folder, quota_bytes
        self._store: ClipStore | None = None
        try:
            usable(folder)
        except OSError as error:
            if error.errno not in MAY_COME_BACK:
                raise unusable(folder, error) from None
        self._state, self._lost = "ok", 0
        self._outage = Outage()
        self._queue: queue.Queue[_Wanted | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name="clips", daemon=True)

    def start(self) -> None:
        """Keep clips from now on; whoever kept them in the same folder is closed."""
        self._thread.start()

    @property
    def health(self) -> ClipsHealth:
        """How it is, in numbers."""
        store = self._store
        kept = {"kept": 0, "bytes": 0, "dropped": 0}
        if store is not None:
            kept = {"kept": store.count, "bytes": store.bytes, "dropped": store.dropped}
        return ClipsHealth(state=self._state, lost=self._lost, **kept)

    def ear(self, source: str) -> Ear:
        """Make the ear of one source."""
        return Ear(source, self)

    def keep(self, wanted: _Wanted) -> None:
        """Hand a clip over to the thread; never blocks."""
        try:
            self._queue.put_nowait(wanted)
        except queue.Full:
            self.lose()

    def lose(self) -> None:
        """Count a clip that is not kept."""
        self._lost += 1

    def close(self) -> None:
        """Write what is still to be written, within `CLOSE_S`, and end; blocking."""
        if self._thread.ident is None:  # never started
            return
        until_s = time.monotonic() + CLOSE_S
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_S)
        self._thread.join(max(0.0, until_s - time.monotonic()))

    def _write(self) -> None:
        """In the thread: open the store, then keep what comes."""
        self._attempt(None)
        while (wanted := self._queue.get()) is not None:
            self._attempt(wanted)

    def _attempt(self, wanted: _Wanted | None) -> None:
        kept = wanted is None
        try:
            store = self._store = self._store or ClipStore(self._folder, quota_bytes=self._quota_bytes)
            if wanted is not None:
                kept = store.add(*self._clip(wanted))
        except OSError as error:
            self._trouble((error.strerror or str(error)).lower())
        else:
            self._well()
        if not kept:
            self.lose()

    def _clip(self, wanted: _Wanted) -> tuple[Pcm, dict[str, str]]:
        start_ns = wanted.at_ns - round(self.rolls.pre_s * _NS)
        samples = _between(wanted.chunks, start_ns, wanted.at_ns + round(self.rolls.post_s * _NS))
        at = datetime.fromtimestamp(clock.now().utc_of(wanted.at_ns) / 1e9, UTC)
        row = {
            "path": name(f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}", wanted.source, wanted.model, wanted.label),
            "label": wanted.label,
            "source": wanted.source,
            "group": f"{self._gateway}-{at:%Y-%m-%d}",
            "licence": LICENCE,
            "sha256": hashlib.sha256(samples.astype("<i2", copy=False).tobytes()).hexdigest(),
            "at": at.isoformat(timespec="milliseconds"),
            "model": wanted.model,
            "heard": wanted.heard,
            "score": f"{wanted.score:.4f}",
        }
        return samples, row

    def _trouble(self, why: str) -> None:
        self._state = why
        if self._outage.trouble(why, time.monotonic()):
            log.warning("clips are lost, because %s cannot be written: %s", self._folder, why)

    def _well(self) -> None:
        was, self._state = self._state, "ok"
        if was != "ok" and self._outage.recovery(time.monotonic()):
            log.info("clips are kept again in %s", self._folder)


class Ear:
    """Remembers the last seconds of one source, and cuts the clips out of them. Lives on the loop, but for `_watch`.

    Args:
        source: The source's name.
        clips: Where they go.
    """

    def __init__(self, source: str, clips: Clips) -> None:
        self._source, self._clips = source, clips
        self._keep_ns = round((clips.rolls.pre_s + clips.rolls.post_s + LATE_S) * _NS)
        self._chunks: deque[Chunk] = deque()
        self._waiting: deque[_Wanted] = deque()
        self._missed: deque[_Wanted] = deque(maxlen=MAX_WAITING)
        """Near misses, from the lanes' threads."""
        self._watches: dict[str, tuple[Lane, Callable[[Scores, NDArray[np.float64]], None]]] = {}
        """By the model's name, of its present lane."""

    def take(self, chunk: Chunk) -> None:
        """Hear the next chunk: a tap of the station."""
        if chunk.fresh:
            self._settle(all_of_them=True)
            self._chunks.clear()
        self._chunks.append(chunk)
        while self._chunks[0].ended_ns < chunk.ended_ns - self._keep_ns:
            self._chunks.popleft()
        while self._missed:
            self._want(self._missed.popleft())
        self._settle()

    def finish(self) -> None:
        """Hand over what there is: nothing more will be heard."""
        self._settle(all_of_them=True)

    def decided(self, model: str, lane: Lane, events: list[Event]) -> Callable[[Scores, NDArray[np.float64]], None]:
        """Take note of what a lane has decided; give what is to watch its posteriors from now on."""
        for event in events:
            decision = event.decision
            if decision.kind in ("detection", "start"):
                self._want(_Wanted(decision.label, decision.label, model, decision.score, event.at_ns))
        known = self._watches.get(model)
        if known is None or known[0] is not lane:
            bundle = lane.bundle
            watched = {label: bundle.policies[label] for label in bundle.labels if label in bundle.policies}
            misses = NearMisses(watched, share=self._clips.rolls.near, rate_hz=lane.rate_hz)
            self._watches[model] = known = (lane, partial(self._watch, model, lane, misses))
        return known[1]

    def _watch(self, model: str, lane: Lane, misses: NearMisses, scores: Scores, smoothed: NDArray[np.float64]) -> None:
        """In the lane's thread: look at one window."""
        for miss in misses.step(smoothed, ends=scores.ends, active=lambda: lane.active):
            self._missed.append(_Wanted(NEAR_MISS, miss.label, model, miss.score, lane.heard_ns(miss.at)))

    def _want(self, wanted: _Wanted) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._clips.lose()
        else:
            self._waiting.append(replace(wanted, source=self._source))

    def _settle(self, *, all_of_them: bool = False) -> None:
        """Hand over the clips that are all there; at the end of a stream, all as far as they are."""
        heard_ns = self._chunks[-1].ended_ns if self._chunks else 0
        rolls = self._clips.rolls
        for wanted in tuple(self._waiting):
            start_ns, stop_ns = wanted.at_ns - round(rolls.pre_s * _NS), wanted.at_ns + round(rolls.post_s * _NS)
            if all_of_them or stop_ns <= heard_ns:
                self._waiting.remove(wanted)
                chunks = tuple(each for each in self._chunks if _begun_ns(each) < stop_ns and each.ended_ns > start_ns)
                if chunks:
                    self._clips.keep(replace(wanted, chunks=chunks))
                else:
                    self._clips.lose()


def _begun_ns(chunk: Chunk) -> int:
    return chunk.ended_ns - len(chunk.samples) * _NS // chunk.rate_hz


def _between(chunks: tuple[Chunk, ...], start_ns: int, stop_ns: int) -> Pcm:
    """Cut what was heard between two times out of consecutive chunks, and convert it to 16 kHz mono."""
    rate_hz, channels = chunks[0].rate_hz, chunks[0].samples.shape[1]
    whole = np.concatenate([chunk.samples for chunk in chunks])
    ended_ns = chunks[-1].ended_ns
    first, last = (len(whole) - round((ended_ns - at_ns) * rate_hz / _NS) for at_ns in (start_ns, stop_ns))
    converter = Converter(rate_hz, channels, RATE_HZ)
    cut = whole[max(0, first) : max(0, min(last, len(whole)))]
    return np.concatenate([converter.push(cut), converter.flush()])
