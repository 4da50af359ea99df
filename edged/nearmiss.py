"""Near misses: a label whose smoothed posterior came close to its threshold, and of which nothing was decided. Pure.

An episode begins when the posterior reaches `share` of the threshold, and ends when it is below that again. It is a
near miss unless the label was active in it. The rise before a decision is part of the decision's own episode, and what
comes within a few seconds of a decision, or of the last near miss, is an echo of it: neither counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edged.records import Policy

REST_S: Final = 5.0
"""After a decision or a near miss of a label, no near miss of it; longer where its refractory time is."""


@dataclass(frozen=True, slots=True)
class Miss:
    """What nearly was decided."""

    label: str
    score: float
    """The highest smoothed posterior of the episode, 0 to 1."""
    at: int
    """Sample index (model's rate) of that window's end."""


@dataclass(slots=True)
class _Episode:
    score: float
    at: int
    decided: bool = False


class NearMisses:
    """Watches one lane.

    Args:
        policies: By label, in the order of the smoothed posteriors.
        share: Of each threshold, above 0 and at most 1.
        rate_hz: Of the sample indices.
    """

    def __init__(self, policies: Mapping[str, Policy], *, share: float, rate_hz: int) -> None:
        self._labels = tuple(policies)
        self._bounds = np.array([share * policy.threshold for policy in policies.values()])
        self._rests = [round(max(REST_S, policy.refractory_s) * rate_hz) for policy in policies.values()]
        self._not_before = [0] * len(self._labels)
        self._open: dict[int, _Episode] = {}
        self._last = 0

    def step(self, smoothed: NDArray[np.float64], *, ends: int, active: Callable[[], frozenset[str]]) -> list[Miss]:
        """Take the posteriors of the next window; return the near misses that have just ended.

        Args:
            smoothed: Of each label, shape (labels,).
            ends: Sample index just past the window; where it falls back, the stream began anew.
            active: Tells which labels are active after this window; asked only when that matters.
        """
        if ends < self._last:
            self._open.clear()
            self._not_before = [0] * len(self._labels)
        self._last = ends
        near = smoothed >= self._bounds
        if not (self._open or np.logical_or.reduce(near)):
            return []
        now_active = active()
        for column in np.flatnonzero(near).tolist():
            episode = self._open.setdefault(column, _Episode(0.0, ends))
            if smoothed[column] > episode.score:
                episode.score, episode.at = float(smoothed[column]), ends
            episode.decided |= self._labels[column] in now_active
        return [miss for column in [*self._open] if not near[column] for miss in self._close(column, ends)]

    def _close(self, column: int, ends: int) -> list[Miss]:
        episode = self._open.pop(column)
        too_soon = episode.at < self._not_before[column]
        if episode.decided or not too_soon:
            self._not_before[column] = ends + self._rests[column]
        if episode.decided or too_soon:
            return []
        return [Miss(self._labels[column], episode.score, episode.at)]
