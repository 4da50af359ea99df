"""A listener: keeps one lane alive, and its trouble to itself.

Each lane of a source has a listener with an inbox of its own, so that a model that hangs, dies or is slow costs its
neighbours nothing. The inbox is bounded: when it is full the oldest chunk goes, is counted, and the stream counts as
broken there, because no window may span a hole.

    inbox ──chunk──▶ lane.hear in a worker thread ──▶ decided(lane, decisions)
      ▲ feed()                     │ WorkerLost
                                   └──▶ failed ──back-off──▶ open again ──▶ running

Another lane may take over, between two windows and on trial: the old one stands by, and when the new one fails in its
first windows it hears on from the very window that failed.

A chunk goes over to the thread, and nothing comes back unless there is something to tell: the worker stays, and hears
chunk after chunk. To come back for each would cost as much again as to go: a fifth of what the daemon costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from edged.errors import ModelError, WorkerLost
from edged.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from edged.lane import Lane
    from edged.records import Chunk, Event, ModelState

INBOX_S = 2.0
"""Audio that may wait for a lane."""
STAY_S = 1.0
"""So long a worker hears without a word; then it comes back to show that it moves."""
DRAIN_S = 5.0
"""Longest wait for what has been fed to be classified."""
RETRY_S = (0.2, 0.5, 1.0, 2.0)
"""Waits between attempts to bring a model back; the last one is repeated, for ever, with jitter."""
STEADY_S = 10.0
"""A model that is lost sooner after it came up does not work: it is brought back no faster than one that never came."""
Result = TypeVar("Result")


class Listener:
    """Keeps one lane fed and alive.

    Args:
        name: ``<source>/<model>``.
        open_lane: Opens the lane; blocking, called in a worker thread; raises ModelError or WorkerLost.
        decided: Called on the loop with the lane and what it has just decided; also when only a label has changed.
        changed: Called on the loop when the model starts, runs or fails, with plain words.
        moved: Called on the loop every `STAY_S` while the lane works, and at each attempt at recovery: watchdog's food.
    """

    def __init__(
        self,
        name: str,
        *,
        open_lane: Callable[[], Lane],
        decided: Callable[[Lane, list[Event]], None],
        changed: Callable[[ModelState, str], None],
        moved: Callable[[], None],
    ) -> None:
        self.name = name
        self.lane: Lane | None = None
        self._open = open_lane
        self._decided, self._changed, self._moved = decided, changed, moved
        self._inbox = _Inbox()
        self._windows_before = 0
        self._down = self._leaving = False
        self._idle = asyncio.Event()
        """Set while nobody need wait for this lane: all is classified, or the model is down."""
        self._idle.set()
        self._awaited = 0
        """How many wait for that."""
        self._heir: Lane | None = None
        self._trial: Trial | None = None
        self._retired: Lane | None = None
        """Stood by, and is to be closed."""
        self._recalled = False
        self._behind = False
        """The lane was left windows that another failed to classify."""

    @property
    def windows(self) -> int:
        """Windows classified, also by lanes that are lost."""
        return self._windows_before + (0 if self.lane is None else self.lane.windows)

    @property
    def dropped_s(self) -> float:
        """Audio that went unclassified because the lane was slow or down, s."""
        return self._inbox.dropped_ns / 1e9

    def start(self) -> None:
        """Open the lane now, blocking; a dead worker is left for `run` to bring back, a bad model raises ModelError."""
        with contextlib.suppress(WorkerLost):
            self.lane = self._open()

    def feed(self, chunk: Chunk | None) -> None:
        """Hand over a chunk, or None where the stream breaks; never blocks."""
        self._inbox.put(chunk)
        if not self._down:
            self._idle.clear()

    def swap(self, heir: Lane, open_lane: Callable[[], Lane]) -> None:
        """Have another lane take over between two windows; from now on `open_lane` is the way to bring it back."""
        if self._heir is not None:  # its turn has not come: the lane is busy, or down
            self._heir.close()
        self._open, self._heir = open_lane, heir
        self._idle.clear()
        self._inbox.ring()

    def try_out(self, heir: Lane, open_lane: Callable[[], Lane]) -> Trial:
        """Have another lane take over on trial: should it fail before `keep`, the old one hears on where it failed.

        Await the trial's verdict, then `keep` the new lane and `settle`, or `hand_back` to the old one.
        """
        trial = Trial(self._open)
        self.swap(heir, open_lane)
        self._trial = trial
        return trial

    def keep(self) -> None:
        """Trust the lane on trial: should it fail from now on, it is opened anew. The old one still stands by."""
        if self._trial is not None:
            self._trial.passed = True

    def settle(self, open_lane: Callable[[], Lane]) -> None:
        """End the trial: the old lane is let go, and `open_lane` is the way to bring the new one back."""
        trial, self._trial = self._trial, None
        self._open = open_lane
        if trial is not None:
            self._retired = trial.old
            self._inbox.ring()

    def hand_back(self) -> None:
        """End the trial: the old lane takes over again, unless it has already."""
        trial, self._trial = self._trial, None
        if trial is None:
            return
        if trial.old is not None:
            self.swap(trial.old, trial.opening)
            return
        self._open = trial.opening
        if self._heir is not None:  # it never came to its turn
            self._heir.close()
            self._heir = None
        self._recalled = trial.begun
        self._inbox.ring()

    async def drained(self) -> None:
        """Wait until everything fed has been classified, but not for a model that is down."""
        self._awaited += 1
        self._inbox.ring()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            self._awaited -= 1

    def hurry(self) -> None:
        """Have a model that is still at work give up, before `run` is cancelled; one that is idle is not disturbed."""
        if self.lane is not None and not self._idle.is_set():
            self.lane.interrupt()

    async def run(self, pool: Executor) -> None:
        """Listen for ever. Cancelled, it ends every sound that is still on, and closes the lane."""
        now, failures = asyncio.get_running_loop().time, 0
        try:
            while True:
                steady_s = math.inf
                try:
                    await self._revive(pool)
                    steady_s = now() + STEADY_S
                    await self._listen(pool)
                except (WorkerLost, ModelError) as error:
                    if await self._restore(error, pool):
                        continue
                    failures = 0 if now() >= steady_s else failures
                    self._fail(str(error))
                    await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * random.uniform(0.75, 1.0))  # noqa: S311 - jitter
                    failures += 1
        finally:
            if self.lane is not None:
                self._decided(self.lane, self.lane.resign())
            await _hop(pool, self.close)  # a model's process may take its time to end, and others are still heard

    def close(self) -> None:
        """Close the model; `run` does it at its end."""
        standing_by = None if self._trial is None else self._trial.old
        for lane in (self.lane, self._heir, self._retired, standing_by):
            if lane is not None:
                lane.close()

    async def _revive(self, pool: Executor) -> None:
        if self.lane is None:
            self.lane, self._heir = self._heir, None
            if self.lane is not None and self._trial is not None:
                self._trial.begin(None, self.lane)
        if self.lane is None:
            await _hop(pool, self._bring_up)
        self._down = False
        if self._inbox:
            self._idle.clear()
        self._changed("running", "")

    def _bring_up(self) -> None:
        """In the worker thread: should `run` be cancelled meanwhile, it finds the lane here and closes it."""
        self.lane = self._open()

    async def _listen(self, pool: Executor) -> None:
        while True:
            if self._heir is not None:
                await self._succeed(pool)
            if self._retired is not None:
                retired, self._retired = self._retired, None
                await _hop(pool, retired.close)
            if self._recalled:
                self._recalled = False
                raise WorkerLost("the model before it is brought back")
            lane = self.lane
            assert lane is not None  # noqa: S101 - _revive came before
            self._decided(lane, await _hop(pool, self._hear, lane, recall=self._leave))
            self._moved()
            if self._trial is not None and self._trial.proves(lane):
                self._trial.end()
            if not self._inbox:
                self._idle.set()

    def _hear(self, lane: Lane) -> list[Event]:
        """In the worker thread: hear what comes, until there is something to tell, or we are wanted back."""
        active, until_s = lane.active, time.monotonic() + STAY_S
        if self._behind:
            self._behind = False
            return lane.catch_up()
        while not self._wanted:
            if self._inbox:
                chunk = self._inbox.take()
                events = lane.finish() if chunk is None else lane.hear(chunk)
                if events or lane.active != active or time.monotonic() >= until_s or self._proves(lane):
                    return events
            elif self._awaited or not self._inbox.wait(until_s - time.monotonic()):
                break
        return []

    @property
    def _wanted(self) -> bool:
        """Whether the worker is to come back at once."""
        return self._heir is not None or self._retired is not None or self._recalled or self._leaving

    def _proves(self, lane: Lane) -> bool:
        trial = self._trial
        return trial is not None and trial.proves(lane)

    def _leave(self) -> None:
        self._leaving = True
        self._inbox.ring()

    async def _succeed(self, pool: Executor) -> None:
        """Let the heir take over; between two hops nobody else is using either lane."""
        old, self.lane, self._heir = self.lane, self._heir, None
        assert self.lane is not None  # noqa: S101 - only called when there is an heir
        if old is not None:
            self._decided(old, old.resign())
            old.succeed(self.lane)
        self._changed("running", "")
        if self._trial is not None:
            self._trial.begin(old, self.lane)
        elif old is not None:
            await _hop(pool, old.close)

    async def _restore(self, error: WorkerLost | ModelError, pool: Executor) -> bool:
        """When a lane on trial has failed, let the old one hear on at the window that failed; whether it could."""
        trial, failed = self._trial, self.lane
        if trial is None or failed is None or not trial.begun or trial.passed:
            return False
        self._trial, self._open = None, trial.opening
        trial.end(error)
        if trial.old is None:
            return False
        self._decided(failed, failed.resign())
        failed.succeed(trial.old)
        self.lane, self._behind = trial.old, True
        await _hop(pool, failed.close)
        return True

    def _fail(self, why: str) -> None:
        self._down = True
        self._idle.set()
        if self.lane is not None:
            self._decided(self.lane, self.lane.resign())
            self._windows_before += self.lane.windows
            self.lane.close()
            self.lane = None
        self._changed("failed", why)
        self._moved()


class _Inbox:
    """Audio that waits: the loop puts it in, a worker thread takes it out. When it is full the oldest goes."""

    def __init__(self) -> None:
        self.dropped_ns = 0
        self._chunks: deque[Chunk | None] = deque()
        self._waiting_ns = 0
        self._broken = False
        self._lock = threading.Lock()
        self._bell = threading.Lock()
        """Open while there may be news; the quickest thing there is for one thread to wake another."""

    def __len__(self) -> int:
        return len(self._chunks)

    def put(self, chunk: Chunk | None) -> None:
        with self._lock:
            if chunk is None and self._chunks and self._chunks[-1] is None:
                return  # a source that stays away says so again and again: they must not pile up
            self._chunks.append(chunk)
            self._waiting_ns += _length_ns(chunk)
            while self._waiting_ns > INBOX_S * 1e9 and len(self._chunks) > 1:
                lost = self._chunks.popleft()
                self._waiting_ns -= _length_ns(lost)
                self.dropped_ns += _length_ns(lost)
                self._broken = True
        self.ring()

    def take(self) -> Chunk | None:
        with self._lock:
            chunk = self._chunks.popleft()
            self._waiting_ns -= _length_ns(chunk)
            if chunk is not None and self._broken:
                self._broken = False
                return replace(chunk, fresh=True)
            return chunk

    def ring(self) -> None:
        """Wake whoever waits, or who will wait next."""
        if self._bell.locked():
            self._bell.release()

    def wait(self, longest_s: float) -> bool:
        """Wait for a ring; False when there was none in time."""
        return self._bell.acquire(timeout=max(0.0, longest_s))


def _length_ns(chunk: Chunk | None) -> int:
    """How much audio it is; in whole ns, so that adding and taking away leaves nothing over."""
    return 0 if chunk is None else len(chunk.samples) * 1_000_000_000 // chunk.rate_hz


async def _hop(
    pool: Executor, call: Callable[..., Result], *args: object, recall: Callable[[], None] = lambda: None
) -> Result:
    """Run a blocking call in a worker thread; even when cancelled, recall it and wait it out: it is using the lane."""
    # `run_in_executor` under `shield` would take two more turns of the loop: a tenth of what hearing a chunk costs.
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
            loop.call_soon_threadsafe(done.set)

    job = pool.submit(call, *args)
    job.add_done_callback(tell)
    try:
        await done.wait()
    except asyncio.CancelledError:
        recall()
        await done.wait()
        raise
    return job.result()
