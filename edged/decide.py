"""Scores over time become decisions. Pure: the only time is the sample index that the scores carry.

Three things happen to the scores of a window, label by label, each with the label's own policy:

1. Smoothing: the mean of the last `mean_of` posteriors, 0 until there are so many.
2. Voting: the label is *voted* when `n` of the last `of_m` smoothed scores are strictly greater than `threshold`.
3. The state, a table for each kind. A label *falls* when it is not voted and its smoothed score is at or below
   `release`; between the two it stays as it is (hysteresis).

    detection   voted                                      falls     stream breaks
    idle        → on, says `detection`; in the refractory    -          -
                time of the last one → muted, says nothing
    on, muted   -                                          → idle     → idle

    sound       voted, or has not fallen                   falls     stream breaks
    idle        → pending (only if voted), then as below     -          -
    pending     lasted min_s, refractory time over:        → idle     → idle
                → on, says `start`
    on          lasted max_s: says `end`, → pending;       → idle,    → idle,
                else update_s since last word: `update`    says `end` says `end`

A wake word that rises again within the refractory time is the same word: it is swallowed, even if it outlasts that
time. A sound is still there: it is told as soon as the time is over, with its real beginning.

A quiet window must cost next to nothing, so smoothing and voting are done for all labels at once, and the table is
looked at only for labels that are voted or not idle. A posterior that is no finite number counts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from edged.errors import ConfigError
from edged.records import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edged.records import EventKind, Policy, Scores

MAX_MEAN_OF: Final = 1000
"""Bounds the posteriors kept: 1000 windows of 521 labels are 4 MB."""
MAX_OF_M: Final = 62
"""The votes of a label are the bits of an int64."""


class Decider:
    """Turns one model's scores into decisions.

    Args:
        labels: Every label of the model, in the order of its scores.
        policies: By label; a label without one is background and never decided, a policy without a label has no effect.
        rate_hz: Rate of the sample indices that the scores carry.

    Raises:
        ConfigError: A policy that contradicts itself.
    """

    def __init__(self, *, labels: Sequence[str], policies: Mapping[str, Policy], rate_hz: int) -> None:
        watched = {column: (label, policies[label]) for column, label in enumerate(labels) if label in policies}
        for label, policy in watched.values():
            _check(label, policy)
        chosen = [policy for _, policy in watched.values()]
        everything = len(watched) == len(labels)
        self._columns = slice(None) if everything else np.array(list(watched), dtype=np.intp)
        self._means = _Means([policy.mean_of for policy in chosen])
        self._thresholds = np.array([policy.threshold for policy in chosen], dtype=np.float64)
        self._masks = np.array([(1 << policy.of_m) - 1 for policy in chosen], dtype=np.int64)
        self._needed = [policy.n for policy in chosen]
        self._tracks = [_track(label, policy, rate_hz=rate_hz) for label, policy in watched.values()]
        self._votes = np.zeros(len(chosen), dtype=np.int64)
        self._voting = False
        self._awake: set[int] = set()
        self.smoothed: NDArray[np.float64] = np.zeros(len(chosen))
        """Smoothed posteriors of the last window, of the labels that have a policy, in the model's order."""

    @property
    def active(self) -> frozenset[str]:
        """Labels that are ON now: sounds told and not ended, detections that have not fallen."""
        return frozenset(self._tracks[i].label for i in self._awake if self._tracks[i].state == "on")

    def step(self, scores: Scores) -> list[Decision]:
        """What the scores of the next window decide, in the order of the labels."""
        smoothed = self.smoothed = self._means.step(scores.values[self._columns])
        over = smoothed > self._thresholds
        if not (self._awake or self._voting or np.logical_or.reduce(over)):
            return []
        self._votes = (self._votes << 1 | over & (smoothed < np.inf)) & self._masks
        self._voting = bool(self._votes.any())
        decisions = []
        for i in sorted(self._awake.union(np.flatnonzero(self._votes).tolist())):
            voted = int(self._votes[i]).bit_count() >= self._needed[i]
            decisions += self._tracks[i].step(_Moment(_number(smoothed[i]), scores.ends, voted))
            (self._awake.discard if self._tracks[i].state == "idle" else self._awake.add)(i)
        return decisions

    def reset(self, ends: int) -> list[Decision]:
        """The stream broke after sample `ends`: end the sounds that are on, and be as new for the next stream."""
        decisions = [decision for i in sorted(self._awake) for decision in self._tracks[i].broken(ends)]
        self._means.reset()
        self._votes.fill(0)
        self._voting = False
        self._awake.clear()
        for track in self._tracks:
            track.reset()
        return decisions


def _check(label: str, policy: Policy) -> None:
    release = policy.threshold if policy.release is None else policy.release
    bounds = (
        ("mean_of", policy.mean_of, 1, MAX_MEAN_OF),
        ("of_m", policy.of_m, 1, MAX_OF_M),
        ("n", policy.n, 1, policy.of_m),
        ("threshold", policy.threshold, 0.0, 1.0),
        ("release", release, 0.0, policy.threshold),
    )
    for key, value, low, high in bounds:
        if not low <= value <= high:
            way_out = f"Give a number from {low:g} to {high:g}"
            raise ConfigError(f"out of range for label {label!r}", key=key, value=value, way_out=way_out)


class _Means:
    """Moving means of columns, each over its own number of rows; columns of equal number are computed together."""

    def __init__(self, lengths: Sequence[int]) -> None:
        distinct = sorted(set(lengths))
        self._groups = [(np.flatnonzero(np.array(lengths) == length), _MovingMean(length)) for length in distinct]
        self._columns = len(lengths)

    def step(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        if len(self._groups) == 1:
            return self._groups[0][1].step(values)
        means = np.zeros(self._columns)
        for columns, mean in self._groups:
            means[columns] = mean.step(values[columns])
        return means

    def reset(self) -> None:
        for _, mean in self._groups:
            mean.reset()


class _MovingMean:
    """The sum is taken anew each time, in float64: exact for 8-bit posteriors, and without drift for all others."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.reset()

    def reset(self) -> None:
        self._heard = 0
        self._rows: NDArray[np.float64] | None = None

    def step(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._length == 1:
            return values.astype(np.float64)
        if self._rows is None:
            self._rows = np.zeros((self._length, len(values)))
        self._rows[self._heard % self._length] = values
        self._heard += 1
        if self._heard < self._length:
            return np.zeros(len(values))
        return np.asarray(np.add.reduce(self._rows, axis=0) / self._length)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a label's table is asked with."""

    score: float
    at: int
    voted: bool


def _track(label: str, policy: Policy, *, rate_hz: int) -> _Track:
    match policy.kind:
        case "detection":
            return _Detection(label, policy, rate_hz=rate_hz)
        case "sound":
            return _Sound(label, policy, rate_hz=rate_hz)


class _Detection:
    """The table of a label that is told once, at the rising edge."""

    def __init__(self, label: str, policy: Policy, *, rate_hz: int) -> None:
        self.label = label
        self._release = policy.threshold if policy.release is None else policy.release
        self._refractory = round(policy.refractory_s * rate_hz)
        self.reset()

    def reset(self) -> None:
        self.state: Literal["idle", "on", "muted"] = "idle"
        self._last: int | None = None

    def step(self, now: _Moment) -> list[Decision]:
        if self.state != "idle":
            if _falls(now, release=self._release):
                self.state = "idle"
            return []
        if not now.voted:
            return []
        if self._last is not None and now.at - self._last < self._refractory:
            self.state = "muted"
            return []
        self.state, self._last = "on", now.at
        return [Decision("detection", self.label, now.score, now.score, now.score, began=now.at, at=now.at)]

    def broken(self, ends: int) -> list[Decision]:  # noqa: ARG002 - the twin of _Sound.broken; a detection has no end
        return []


class _Sound:
    """The table of a label that is told from its start to its end."""

    def __init__(self, label: str, policy: Policy, *, rate_hz: int) -> None:
        self.label = label
        self._release = policy.threshold if policy.release is None else policy.release
        self._refractory = round(policy.refractory_s * rate_hz)
        self._min = round(policy.min_s * rate_hz)
        self._max = None if policy.max_s is None else round(policy.max_s * rate_hz)
        self._update = round(policy.update_s * rate_hz)
        self.reset()

    def reset(self) -> None:
        self.state: Literal["idle", "pending", "on"] = "idle"
        self._last_start: int | None = None

    def step(self, now: _Moment) -> list[Decision]:
        if self.state == "idle":
            return self._rise(now) if now.voted else []
        if _falls(now, release=self._release):
            return self._fall(now)
        self._hear(now)
        if self.state == "pending":
            return self._start(now)
        if self._max is not None and now.at - self._began >= self._max:
            return [self._say("end", now.score, now.at), *self._rise(now)]
        if now.at - self._said >= self._update:
            return [self._say("update", now.score, now.at)]
        return []

    def broken(self, ends: int) -> list[Decision]:
        return [self._say("end", self._score, max(ends, self._at))] if self.state == "on" else []

    def _rise(self, now: _Moment) -> list[Decision]:
        self.state, self._began = "pending", now.at
        self._peak, self._sum, self._count = now.score, 0.0, 0
        self._hear(now)
        return self._start(now)

    def _hear(self, now: _Moment) -> None:
        self._score, self._at = now.score, now.at
        self._peak = max(self._peak, now.score)
        self._sum += now.score
        self._count += 1

    def _start(self, now: _Moment) -> list[Decision]:
        rested = self._last_start is None or now.at - self._last_start >= self._refractory
        if not rested or now.at - self._began < self._min:
            return []
        self.state, self._last_start = "on", now.at
        return [self._say("start", now.score, now.at)]

    def _fall(self, now: _Moment) -> list[Decision]:
        was, self.state = self.state, "idle"
        return [self._say("end", now.score, now.at)] if was == "on" else []

    def _say(self, kind: EventKind, score: float, at: int) -> Decision:
        self._said = at
        mean = min(self._peak, self._sum / self._count)  # rounding must not lift the mean over the peak
        return Decision(kind, self.label, score, self._peak, mean, began=self._began, at=at)


_Track: TypeAlias = _Detection | _Sound


def _falls(now: _Moment, *, release: float) -> bool:
    return not now.voted and now.score <= release


def _number(score: np.float64) -> float:
    return float(score) if np.isfinite(score) else 0.0
