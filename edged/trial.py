"""A trial: a lane that has taken over from another has a few windows to prove itself, while the other stands by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.errors import EdgedError
    from edged.lane import Lane

TRIAL_WINDOWS = 3
"""A lane has proven itself when it has classified so many."""


class Trial:
    """A lane that takes over from another, and may have to give back to it.

    Args:
        opening: How the old lane is opened, should it have been down when the new one came.
    """

    def __init__(self, opening: Callable[[], Lane]) -> None:
        self.opening = opening
        self.old: Lane | None = None
        """Stands by, once the trial has begun; None where it was down."""
        self.begun = self.passed = False
        self.error: EdgedError | None = None
        """Why the new lane failed."""
        self._until = 0
        self._over = asyncio.Event()

    def begin(self, old: Lane | None, new: Lane) -> None:
        """The new lane has taken over."""
        self.old, self.begun, self._until = old, True, new.windows + TRIAL_WINDOWS

    def proves(self, lane: Lane) -> bool:
        """Whether this lane, which is on trial, has classified enough, and that is not known yet."""
        return self.begun and not self._over.is_set() and lane.windows >= self._until

    def end(self, error: EdgedError | None = None) -> None:
        """It is over, one way or the other."""
        self.error = error
        self._over.set()

    async def verdict(self) -> None:
        """Wait for the end; raises what the new lane failed with."""
        await self._over.wait()
        if self.error is not None:
            raise self.error
