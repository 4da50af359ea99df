"""How long to wait before the next try: longer each time, up to a bound, and never twice the same.

Each wait is twice the one before, shortened at random by up to half, so that thirty boards behind one hub that lost its
power do not come back as one.
"""

from __future__ import annotations

import random


class Backoff:
    """Waits of one thing that is tried again and again.

    Args:
        first_s: The first, before it is shortened.
        last_s: None is longer.
    """

    def __init__(self, first_s: float, last_s: float) -> None:
        self._first_s, self._last_s = first_s, last_s
        self._next_s = first_s

    def next(self) -> float:
        """Give the next wait, in seconds."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 - to spread boards, not to hide anything
        self._next_s = min(self._last_s, 2 * self._next_s)
        return wait_s

    def reset(self) -> None:
        """Begin anew."""
        self._next_s = self._first_s
