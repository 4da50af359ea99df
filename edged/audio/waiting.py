"""Things that wait for one consumer: bounded, the oldest go first, and every loss is handed back to be counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """A queue from callbacks of the event loop to one task. `asyncio.Queue` can neither drop the oldest nor end."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: T) -> T | None:
        """Add the newest; return the oldest if it had to make room."""
        dropped = self._items.popleft() if len(self._items) >= self._most else None
        self._items.append(item)
        self._wake()
        return dropped

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    async def get(self, *, timeout_s: float) -> T:
        """Return the oldest; wait for it.

        Raises:
            TimeoutError: Nothing came in time.
            EOFError: Nothing will come.
        """
        if not self._items and not self._ended:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            self._deadline_s = loop.time() + timeout_s
            if self._timer is None or self._timer.when() > self._deadline_s:
                self._set_timer(loop)
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._items:
            raise EOFError
        return self._items.popleft()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at the deadline when it may have come."""
        # One timer a second, not one a chunk: `asyncio.timeout` would cost a tenth of all that listening costs here.
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._deadline_s, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if loop.time() >= self._deadline_s:
            self._waiter.set_exception(TimeoutError())
        else:
            self._set_timer(loop)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
