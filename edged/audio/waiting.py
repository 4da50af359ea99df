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
            try:
                async with asyncio.timeout(timeout_s):
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
            except TimeoutError:
                if not self._items and not self._ended:  # it may have come in the very turn in which time ran out
                    raise
            finally:
                self._waiter = None
        if not self._items:
            raise EOFError
        return self._items.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
