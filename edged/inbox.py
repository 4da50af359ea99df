"""The inbox: what waits in memory between the event loop and the thread that owns the outbox's file.

The loop puts in events, deletions and questions and never waits; the owner takes all that is there at once, so that
whatever gathered while a commit ran shares the next one. Events beyond the cap push out the oldest, which are counted
by stream until the file knows of them; those whose sender will repeat them (`Draft.once`) are not lost by that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from edged.errors import StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.records import Draft, Stored

RETRY_S = 1.0
"""After a commit that failed the next is tried so much later."""
DELETE_AFTER_S = 1.0
DELETE_AT = 500
"""Deletions wait so long, or until there are so many, for other work to share a commit with."""

_T = TypeVar("_T")
Entry: TypeAlias = tuple["Draft", "Future[None] | None"]
"""An event, and who waits for it to be committed."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which events are next, and who wants to know."""

    after: int
    limit: int
    answer: Future[list[Stored]] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Work:
    """What the owner shall do now, in this order: commit, then answer."""

    entries: list[Entry]
    deleted: frozenset[int]
    skipped: Counter[str]
    """Events that were dropped, by stream: their places in the sequence stay empty."""
    questions: list[Question]

    @property
    def commits(self) -> bool:
        """Say whether there is anything to write."""
        return bool(self.entries or self.deleted or self.skipped)


class Inbox:
    """A waiting room with one lock; see the module's docstring."""

    def __init__(self, *, cap: int) -> None:
        self.deleted: set[int] = set()
        """Numbers that are still in the file but shall not be read any more."""
        self._cap = cap
        self._wake = threading.Condition()
        self._entries: deque[Entry] = deque()
        self._taken = 0
        self._skipped: Counter[str] = Counter()
        self._questions: list[Question] = []
        self._delete_at = 0.0
        self._retry_at = 0.0
        self._close_by: float | None = None
        self._ended: str | None = None

    @property
    def waiting(self) -> int:
        """Events not committed yet."""
        return len(self._entries) + self._taken

    @property
    def dropped(self) -> int:
        """Events dropped that the file does not know of yet."""
        return self._skipped.total()

    def offer(self, drafts: Sequence[Draft], committed: Future[None] | None = None) -> None:
        """Put events in; `committed` is settled with the last of them."""
        with self._wake:
            self._check()
            last = len(drafts) - 1
            self._entries.extend((draft, committed if at == last else None) for at, draft in enumerate(drafts))
            self._drop_over_cap()
            self._wake.notify()

    def ask(self, question: Question) -> None:
        """Put a question in."""
        with self._wake:
            self._check()
            self._questions.append(question)
            self._wake.notify()

    def delete(self, numbers: Iterable[int]) -> None:
        """Put deletions in."""
        with self._wake:
            first = not self.deleted
            if first:
                self._delete_at = time.monotonic() + DELETE_AFTER_S
            self.deleted.update(numbers)
            if first or len(self.deleted) >= DELETE_AT:  # in between, waking the owner would only cost time
                self._wake.notify()

    def close(self, *, by: float) -> None:
        """Let the owner finish what is here, until `by` (monotonic, s) at the latest."""
        with self._wake:
            self._close_by = by
            self._retry_at = 0.0
            self._wake.notify()

    def take(self) -> Work | None:
        """Wait for work and take it, leaving nothing; None when it is time to end."""
        with self._wake:
            while (wait_s := self._due_in()) != 0:
                self._wake.wait(wait_s)
            if self._over():
                return None
            questions, self._questions = self._questions, []
            ready = time.monotonic() >= self._retry_at
            entries = list(self._entries) if ready else []
            if ready:
                self._entries.clear()
                self._taken = len(entries)
            deleted = frozenset(self.deleted) if ready and (entries or self._deletions_due()) else frozenset[int]()
            return Work(entries, deleted, self._skipped.copy() if entries else Counter(), questions)

    def done(self, work: Work) -> None:
        """Strike off what was committed."""
        with self._wake:
            self._taken = 0
            self.deleted -= work.deleted
            self._skipped -= work.skipped
        for _, committed in work.entries:
            settle(committed)

    def put_back(self, work: Work) -> None:
        """Keep what could not be committed, for another try in `RETRY_S`."""
        with self._wake:
            self._taken = 0
            self._entries.extendleft(reversed(work.entries))
            self._drop_over_cap()
            self._retry_at = time.monotonic() + RETRY_S

    def end(self, why: str, *, unfinished: Work | None = None) -> None:
        """Take nothing in any more, and let nobody wait for what was not done."""
        with self._wake:
            self._ended = why
            given = Work([], frozenset(), Counter(), []) if unfinished is None else unfinished
            for question in (*given.questions, *self._questions):
                settle(question.answer, StorageFull(why))
            for _, committed in (*given.entries, *self._entries):
                settle(committed, StorageFull(why))

    def _check(self) -> None:
        if self._ended is not None:
            raise StorageFull(self._ended)

    def _drop_over_cap(self) -> None:
        while len(self._entries) > self._cap:
            draft, committed = self._entries.popleft()
            if draft.once is None:
                self._skipped[draft.stream] += 1
            settle(committed, StorageFull("dropped: too many events are waiting for the disk"))

    def _due_in(self) -> float | None:
        """Seconds until there is something to do; None for never, as things are."""
        if self._questions or self._over():
            return 0
        dues = [] if self._close_by is None else [self._close_by]
        if self._entries:
            dues.append(self._retry_at)
        if self.deleted:
            dues.append(self._retry_at if self._deletions_due() else max(self._retry_at, self._delete_at))
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _deletions_due(self) -> bool:
        if not self.deleted:
            return False
        return len(self.deleted) >= DELETE_AT or self._close_by is not None or time.monotonic() >= self._delete_at

    def _over(self) -> bool:
        if self._close_by is None:
            return False
        return not (self._entries or self.deleted) or time.monotonic() >= self._close_by


def settle(future: Future[_T] | None, outcome: _T | StorageFull | None = None) -> None:
    """Give an answer to whoever still waits for it."""
    if future is None or future.done() or not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, StorageFull):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)  # type: ignore[arg-type]  # a Future[None] is settled with None
