"""The outbox: a durable, bounded, first-in first-out queue of events.

    offer ──▶ inbox (memory, bounded) ──▶ owner's thread ──▶ event file ──▶ next_batch ──▶ delete

An event is committed to the file before anything else sees it, and stays until it is deleted. A commit is synced, and
on an SD card that takes milliseconds, now and then seconds: one thread owns the file, the loop never waits for it,
and whatever gathers while a commit runs shares the next one.

How much it holds. At most `cap_messages` events and about `cap_bytes` of file: over either the oldest go, in the
transaction that brings in the new, and `lost` counts them. Before they are committed events wait in memory, at most
`waiting_cap`; while the disk is full that is where they stay, tried again each second, the oldest dropped and
counted. A lost event leaves a gap in the sequence of its stream.

What comes twice. An event whose sender repeats it until it is stored (`Draft.once`) is stored once: if it is the last
one that was stored under its key, it is dropped, and counted in `duplicates`, and whoever put it there is told the same
as the first time. Dropped from memory for lack of room it is no loss, since its sender still has it.

How long deletions wait. A deletion only keeps an event from being sent twice, so it waits up to a second for other
work to share a commit with, and reading skips what is deleted already. SIGKILL in that second means that some events
are delivered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from edged.errors import StateError, StorageFull
from edged.eventfile import Caps, Damaged, EventFile, set_aside
from edged.inbox import Inbox, Question, Work, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edged.records import Draft, Stored

log = logging.getLogger(__name__)

CAP_MESSAGES = 100_000
CAP_BYTES = 256 * 2**20
WAITING_CAP = 1000
CLOSE_S = 5.0


class Outbox:
    """The queue. Its methods belong to the event loop's thread. Make one with `Outbox.open`."""

    def __init__(self, path: Path, *, caps: Caps, waiting_cap: int) -> None:
        self.state = "ok"
        """``ok``, or what keeps the file from being written, for a person."""
        self.set_aside: Path | None = None
        """Where a damaged file was put."""
        self._path = path
        self._caps = caps
        self._inbox = Inbox(cap=waiting_cap)
        self._file: EventFile | None = None
        self._former: EventFile | None = None
        self._tell: Callable[[], None] = lambda: None
        self._fallen: Future[None] = Future()
        self._fallen.set_running_or_notify_cancel()  # whoever waits for it may be cancelled, it not
        self._owner = threading.Thread(target=self._own, name="outbox", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        cap_messages: int = CAP_MESSAGES,
        cap_bytes: int = CAP_BYTES,
        waiting_cap: int = WAITING_CAP,
    ) -> Outbox:
        """Open the file, or make it; where the disk is full, `state` says so and it is tried again.

        Raises:
            StateError: The directory cannot be written, another daemon holds the file, or it is not an outbox of ours.
        """
        outbox = cls(path, caps=Caps(messages=cap_messages, bytes=cap_bytes), waiting_cap=waiting_cap)
        try:
            outbox._open()
        except StorageFull as full:
            outbox._say(str(full))
        outbox._owner.start()
        return outbox

    @property
    def depth(self) -> int:
        """Events stored and not deleted."""
        return 0 if self._file is None else max(0, self._file.depth - len(self._inbox.deleted))

    @property
    def lost(self) -> int:
        """Events dropped for lack of room since the file was made."""
        return self._inbox.dropped + (0 if self._file is None else self._file.lost)

    @property
    def duplicates(self) -> int:
        """Events dropped because they were stored before, since the file was made."""
        return 0 if self._file is None else self._file.duplicates

    @property
    def waiting(self) -> int:
        """Events not committed yet."""
        return self._inbox.waiting

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called on the running loop whenever events were committed; there is one watcher."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                loop.call_soon_threadsafe(callback)

        self._tell = tell

    async def guard(self) -> None:
        """Wait until the outbox is closed; raise whatever ends its thread before, which is a bug of ours.

        Somebody must wait here: events of a daemon whose outbox has died in silence would be lost in silence.
        """
        await asyncio.wrap_future(self._fallen)

    def offer(self, *drafts: Draft) -> None:
        """Take events in, and return at once; if too many are waiting, the oldest of those are dropped and counted.

        Raises:
            StorageFull: The outbox is closed.
        """
        self._inbox.offer(drafts)

    async def put(self, drafts: Sequence[Draft]) -> None:
        """Take events in, at most `waiting_cap`, and return when the last is committed, now or before (`Draft.once`).

        Raises:
            StorageFull: The last was dropped, or the outbox is closed.
        """
        if drafts:
            committed: Future[None] = Future()
            self._inbox.offer(drafts, committed)
            await asyncio.wrap_future(committed)

    async def next_batch(self, *, after: int, limit: int) -> list[Stored]:
        """Give the oldest events with a number above `after`, at most `limit`, and fewer only if there are no more.

        One that was given before, or stored by an earlier run, is marked `again`.

        Raises:
            StorageFull: The file cannot be read now, or the outbox is closed.
        """
        question = Question(after=after, limit=limit)
        self._inbox.ask(question)
        return await asyncio.wrap_future(question.answer)

    def delete(self, numbers: Iterable[int]) -> None:
        """Forget events: at once for `next_batch`, in the file a moment later."""
        self._inbox.delete(numbers)

    def close(self, *, timeout_s: float = CLOSE_S) -> int:
        """Commit what waits and close the file; blocks, within a bound. Return how many events could not be saved."""
        self._inbox.close(by=time.monotonic() + timeout_s)
        self._owner.join(timeout_s + 1)
        return self.waiting

    # From here on: the owner's thread.

    def _own(self) -> None:
        why, work = f"{self._path}: the thread that owns it has died", None
        try:
            while (work := self._inbox.take()) is not None:
                self._do(work)
            why = f"{self._path} is closed"
            self._fallen.set_result(None)
        except BaseException as error:
            self.state = why
            self._fallen.set_exception(error)
            raise
        finally:
            self._inbox.end(why, unfinished=work)
            if self._file is not None:
                self._file.close()

    def _do(self, work: Work) -> None:
        if work.commits:
            self._commit(work)
        for question in work.questions:
            try:
                settle(question.answer, self._read(question))
            except StorageFull as full:
                settle(question.answer, full)

    def _commit(self, work: Work) -> None:
        try:
            self._write(work)
        except StorageFull as full:
            self._say(str(full))
            self._inbox.put_back(work)
            return
        self._say("ok")
        self._inbox.done(work)
        if work.entries:
            self._tell()

    def _write(self, work: Work) -> None:
        file = self._opened()
        try:
            file.write([draft for draft, _ in work.entries], deleted=work.deleted, skipped=work.skipped)
        except Damaged as damaged:
            self._replace(file, damaged)
            raise StorageFull(f"{self._path} was damaged") from damaged

    def _read(self, question: Question) -> list[Stored]:
        file = self._opened()
        try:
            return file.read(after=question.after, limit=question.limit, without=self._inbox.deleted)
        except Damaged as damaged:
            self._replace(file, damaged)
            raise StorageFull(f"{self._path} was damaged") from damaged

    def _opened(self) -> EventFile:
        """Give the file, made now if it could not be before; what the user must mend is by now waited for as well."""
        try:
            return self._file or self._open()
        except StateError as error:
            raise StorageFull(str(error)) from error

    def _open(self) -> EventFile:
        try:
            self._file = EventFile(self._path, caps=self._caps, former=self._former)
        except Damaged as damaged:
            self._put_aside(damaged)
            try:
                self._file = EventFile(self._path, caps=self._caps, former=self._former)
            except Damaged as again:
                raise StorageFull(f"{self._path}: a new one is damaged too ({again})") from again
        return self._file

    def _replace(self, file: EventFile, why: Damaged) -> None:
        self._file, self._former = None, file
        file.close()
        self._put_aside(why)

    def _put_aside(self, why: Damaged) -> None:
        try:
            self.set_aside = set_aside(self._path)
        except OSError as error:  # such as a card that has gone read-only
            what = f"{self._path} is damaged, and cannot be set aside: {(error.strerror or str(error)).lower()}"
            raise StorageFull(what) from why
        log.error("%s is damaged (%s): kept as %s, and a new one begun", self._path, why, self.set_aside.name)

    def _say(self, state: str) -> None:
        if state != self.state:
            if state == "ok":
                log.info("outbox: ok")
            else:
                log.warning("outbox: %s; events wait in memory until it can be written", state)
            self.state = state
