"""What feeds systemd's watchdog: progress on the road, and where there is no road, that the loop turns.

Boards are no walkers of the road: each has a supervisor whose waits are bounded, and a board that hangs is no reason to
restart the daemon that brings it back.
"""

from __future__ import annotations

import asyncio
import time

from edged import systemd
from edged.watch import Progress


class Feeder:
    """Feeds the watchdog while nobody is stuck, a few times in its interval."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._interval_s = systemd.watchdog_interval_s()
        self._fed_s = 0.0

    def moved(self, walker: str) -> None:
        """Note that a walker has made progress."""
        now_s = time.monotonic()
        self._progress.move(walker, now_s)
        due = self._interval_s is not None and now_s - self._fed_s > self._interval_s / 4
        if due and not self._progress.stuck(now_s):
            self._fed_s = now_s
            systemd.watchdog()

    def left(self, walker: str) -> None:
        """Note that a walker is off the road."""
        self._progress.leave(walker)

    async def feed_when_idle(self) -> None:
        """Feed the watchdog while nobody walks: there are only boards, or every source was a file, and has ended."""
        while self._interval_s is not None:
            await asyncio.sleep(self._interval_s / 4)
            if not self._progress.moved_s:
                systemd.watchdog()
