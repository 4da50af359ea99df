"""A threshold for one room: from the room's own ordinary sound, and no more promised than so much of it allows.

The room's sound goes down the lane once, and the production decider is asked at every threshold that would change
anything: the peaks of the smoothed scores, from the highest down. At the r-th highest peak r - 1 alarms are left, and
their true rate is, with 95 % confidence, below Poisson's upper bound for r - 1 events in the hours heard. That holds
although the threshold was chosen after the fact: the rate over the r-th of all peaks is distributed as the bound says
(Gamma with r events), whatever the scores are. The lowest threshold whose bound keeps to the rate asked is the one.

Where not even silence would do, because too little was heard, nothing is promised: the threshold that raised no alarm
is given with the rate it *can* vouch for, and with the hours that would be needed, -ln(0.05) over the rate, without
one alarm in them. One threshold holds for all the labels asked about, as their alarms come out of one budget.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from edged.errors import ConfigError
from edged.mistakes import nearest
from edged.workshop.poisson import cdf, dispersion, exposure_needed, predicted, upper
from edged.workshop.scoring import at_threshold, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.classify.bundle import Bundle
    from edged.records import Policy
    from edged.workshop.scoring import Scored

    Room: TypeAlias = Sequence[Sequence[Scored]]
    """What was heard of a room: of each speaker, session or file its stretches."""

DAY_H: Final = 24.0
CONFIDENCE: Final = 0.95
ACTIVATIONS: Final = frozenset({"detection", "start"})
DIGITS: Final = 4
"""A threshold has four digits."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what can be said of it."""

    threshold: float
    labels: tuple[str, ...]
    """It holds for these."""
    hours: float
    """How much of the room was heard."""
    alarms: int
    """That this threshold raised in it."""
    asked_per_day: float
    vouched_per_day: float
    """95 % upper bound of the true rate."""
    hours_needed: float
    """That would have to pass without an alarm for the rate asked to be vouched for."""

    burst: float
    """By how much the alarms of groups vary more than by chance alone: about how many come at once."""

    @property
    def promised(self) -> bool:
        """Whether the rate asked is vouched for."""
        return self.vouched_per_day <= self.asked_per_day

    def predicted(self, hours: float) -> tuple[int, int]:
        """Fewest and most alarms to expect in so many other hours of the same room, at 95 %."""
        return predicted(self.alarms, heard=self.hours, to_come=hours, confidence=CONFIDENCE, burst=self.burst)


def calibrate(room: Room, *, policies: Mapping[str, Policy], alarms_per_day: float) -> Calibration:
    """Find the lowest threshold that keeps to a rate of alarms, as far as the sound heard can vouch for it.

    Args:
        room: Its ordinary sound, in which the labels' own words are not said.
        policies: Of the labels that share the budget; all but their threshold (and a release above it) stays.
        alarms_per_day: The budget.

    Raises:
        ConfigError: The budget is not above 0, nothing was heard, or there is no label.
    """
    hours = _hours(room)
    if not alarms_per_day > 0 or not np.isfinite(alarms_per_day):
        way_out = "Give a number above 0, such as 1, or 0.14 for one a week"
        raise ConfigError("is no rate", key="--alarms-per-day", value=alarms_per_day, way_out=way_out)
    if not policies:
        raise ConfigError("the model reports no label", way_out="Name a model with a label that is not background")
    if hours == 0:
        raise ConfigError("nothing was heard", way_out="Give recordings of the room's ordinary sound")
    threshold = _lowest(room, policies, _allowed(alarms_per_day * hours / DAY_H))
    counts = [alarms_at(threshold, [group], policies=policies) for group in room]
    alarms = sum(counts)
    return Calibration(
        threshold=threshold,
        labels=tuple(policies),
        hours=hours,
        alarms=alarms,
        asked_per_day=alarms_per_day,
        vouched_per_day=upper(alarms, confidence=CONFIDENCE) / hours * DAY_H,
        hours_needed=exposure_needed(alarms_per_day / DAY_H, confidence=CONFIDENCE),
        burst=dispersion(counts, [_hours([group]) for group in room]),
    )


def policies_of(bundle: Bundle, labels: Sequence[str] = ()) -> dict[str, Policy]:
    """The policies of these labels, or of all that the model reports.

    Raises:
        ConfigError: It does not report one of them.
    """
    for label in labels:
        if label not in bundle.policies:
            way_out = f"It reports {', '.join(bundle.policies) or 'none'}{nearest(label, bundle.policies)}"
            raise ConfigError("is no label that the model reports", key="--label", value=label, way_out=way_out)
    return {label: policy for label, policy in bundle.policies.items() if not labels or label in labels}


def alarms_at(threshold: float | None, room: Room, *, policies: Mapping[str, Policy]) -> int:
    """How many alarms the production decider raises at a threshold, or at each label's own where it is None.

    In a room where no label's word is said, every detection and every start of a sound is one.
    """
    moved = _moved(policies, threshold)
    return sum(decision.kind in ACTIVATIONS for group in room for scored in group for decision in decide(scored, moved))


@dataclass(frozen=True, slots=True)
class Held:
    """A fold: calibrated on the others, and what came in it."""

    calibration: Calibration
    hours: float
    """Of this fold."""
    alarms: int
    """That came in it."""
    expected: tuple[int, int]
    """Fewest and most that were predicted for it."""

    @property
    def inside(self) -> bool:
        """Whether the prediction held."""
        return self.expected[0] <= self.alarms <= self.expected[1]


def cross_checked(parts: Sequence[Room], *, policies: Mapping[str, Policy], alarms_per_day: float) -> tuple[Held, ...]:
    """Calibrate on all parts but one, and count the alarms in that one; for each in turn.

    Raises:
        ConfigError: As `calibrate`.
    """
    held = []
    for number, part in enumerate(parts):
        rest = [group for other, each in enumerate(parts) if other != number for group in each]
        found = calibrate(rest, policies=policies, alarms_per_day=alarms_per_day)
        hours = _hours(part)
        alarms = alarms_at(found.threshold, part, policies=policies)
        held.append(Held(found, hours, alarms, found.predicted(hours)))
    return tuple(held)


def recalled(clips: Sequence[tuple[str, Scored]], threshold: float | None, *, policies: Mapping[str, Policy]) -> int:
    """How many clips, each with its label, the decider recognises at a threshold; None for each label's own."""
    moved = _moved(policies, threshold)
    return sum(
        any(decision.label == label and decision.kind in ACTIVATIONS for decision in decide(scored, moved))
        for label, scored in clips
    )


def snippet(found: Calibration, *, name: str, policies: Mapping[str, Policy]) -> str:
    """The lines for the config that set the threshold, with what it was found by."""
    lines = [
        f"# edged calibrate: heard {found.hours:.2f} hours of this room, {found.alarms} alarms; vouches for at most",
        f"# {found.vouched_per_day:.3g} a day (95 % upper bound).",
    ]
    for label in found.labels:
        lines += [f"[models.{name}.policies.{label}]", f"threshold = {found.threshold:g}"]
        release = policies[label].release
        if release is not None and release > found.threshold:
            lines.append(f"release = {found.threshold:g}")
    return "\n".join(lines) + "\n"


def _moved(policies: Mapping[str, Policy], threshold: float | None) -> dict[str, Policy]:
    if threshold is None:
        return dict(policies)
    return {label: at_threshold(policy, threshold) for label, policy in policies.items()}


def _hours(room: Room) -> float:
    return sum(scored.seconds for group in room for scored in group) / 3600


def _allowed(expected: float) -> int:
    """The most alarms in the hours heard whose upper bound keeps to the budget for them; 0 if not even none does."""
    # The bound of a count keeps to it just where so few are that improbable; and that grows with the count.
    within = bisect_right(range(math.ceil(expected) + 1), 1 - CONFIDENCE, key=lambda count: cdf(count, expected))
    return max(0, within - 1)


def _lowest(room: Room, policies: Mapping[str, Policy], allowed: int) -> float:
    """The lowest peak that leaves no more alarms than allowed, as every higher one does; rounded up to four digits."""
    found = 1.0
    every = [(_highest(scored, policies), scored) for scored in chain.from_iterable(room)]
    for threshold in _peaks(room, policies, most=allowed + 1):
        loud = [scored for highest, scored in every if highest > threshold]
        if alarms_at(threshold, [loud], policies=policies) > allowed:
            break
        found = threshold
    nearest = round(found, DIGITS)
    return min(1.0, nearest if nearest >= found else round(nearest + 10**-DIGITS, DIGITS))


def _highest(scored: Scored, policies: Mapping[str, Policy]) -> float:
    """At or over it nothing is ever voted, so that a stretch need not be looked at."""
    columns = [column for column, label in enumerate(scored.decided) if label in policies]
    return float(np.nan_to_num(scored.smoothed[:, columns]).max(initial=0.0))


def _peaks(room: Room, policies: Mapping[str, Policy], *, most: int) -> list[float]:
    """Thresholds worth asking about, from the highest down: a grid, and the highest local peaks of the scores.

    Between two neighbouring peaks nothing changes but the release, so that peaks are all there is; but a model that is
    never quiet has very many, and each costs a pass. `most` alarms are spread over no more peaks than that, times the
    windows that vote; beyond it the grid goes on.
    """
    peaks: set[float] = set()
    for scored in chain.from_iterable(room):
        columns = [column for column, label in enumerate(scored.decided) if label in policies]
        smoothed = np.pad(np.nan_to_num(scored.smoothed[:, columns], posinf=0.0, neginf=0.0), ((1, 1), (0, 0)))
        middle = smoothed[1:-1]
        tops = (middle > smoothed[:-2]) & (middle >= smoothed[2:])
        peaks.update(middle[tops].tolist())
    votes = max(policy.n for policy in policies.values())
    highest = sorted((peak for peak in peaks if 0 < peak <= 1), reverse=True)[: 8 * most * votes + 64]
    grid = [round(0.01 * step, 2) for step in range(1, 101)]
    return sorted({*highest, *grid}, reverse=True)
