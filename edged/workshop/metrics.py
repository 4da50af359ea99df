"""What was decided against what was said: hits, misses, false alarms, latency, near misses. Pure.

A detection of a label is a *hit* when it falls between the beginning of an event of that label and `tolerance_s` past
the event's end, and that event has none yet; if every such event has one, it is a *duplicate*: counted, and no false
alarm. Anything else is a *false alarm*, laid at the door of what was being said at that time, in the same window. An
event without a hit is a *miss*. Latency is counted from the event's end, so it is negative where a model knows the word
before it is over.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOLERANCE_S: Final = 0.75
"""A window of a second that is moved on by a quarter, and two of them averaged, decide within this."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One thing that is known to sound, and when."""

    label: str
    """As the model names it; what the model has no word for begins with an underscore."""
    start_s: float
    end_s: float
    said: str = ""
    """What it was, where that says more than the label: ``alexa``, for an event that is `_unknown_` to this model."""

    @property
    def name(self) -> str:
        """What was said."""
        return self.said or self.label


@dataclass(frozen=True, slots=True)
class Detection:
    """One activation of a label."""

    label: str
    at_s: float
    """Just past the last sample that the decision rests on."""
    score: float
    """The smoothed posterior that decided, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A detection of what was not there."""

    detection: Detection
    said: str
    """What was said then; empty where nothing known was."""
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class Matching:
    """Detections of one stream, held against what is known of it."""

    hits: tuple[tuple[Truth, Detection], ...]
    misses: tuple[Truth, ...]
    duplicates: tuple[Detection, ...]
    alarms: tuple[Alarm, ...]

    def latencies_s(self, label: str) -> list[float]:
        """From the end of each recognised event of this label to its detection."""
        return [hit.at_s - truth.end_s for truth, hit in self.hits if truth.label == label]


def match(
    detections: Iterable[Detection],
    truths: Sequence[Truth],
    *,
    labels: Iterable[str],
    tolerance_s: float = TOLERANCE_S,
) -> Matching:
    """Hold detections against what is known.

    Args:
        detections: In any order.
        truths: In any order; those whose label is not among `labels` can be neither hit nor missed.
        labels: What the model decides about.
        tolerance_s: How long past an event's end its detection may come.
    """
    known = sorted(truths, key=lambda truth: truth.start_s)
    starts = [truth.start_s for truth in known]
    longest = max((truth.end_s - truth.start_s for truth in known), default=0.0) + tolerance_s
    wanted = set(labels)
    hit: dict[int, Detection] = {}
    duplicates, alarms = [], []
    for detection in sorted(detections, key=lambda each: each.at_s):
        first = bisect_right(starts, detection.at_s - longest - 1e-9)
        last = bisect_right(starts, detection.at_s)
        near = [i for i in range(first, last) if detection.at_s <= known[i].end_s + tolerance_s]
        own = [i for i in near if known[i].label == detection.label]
        free = next((i for i in own if i not in hit), None)
        if free is not None:
            hit[free] = detection
        elif own:
            duplicates.append(detection)
        else:
            truth = known[near[-1]] if near else None
            alarms.append(Alarm(detection, truth.name if truth else "", truth))
    return Matching(
        hits=tuple((known[i], detection) for i, detection in sorted(hit.items())),
        misses=tuple(truth for i, truth in enumerate(known) if truth.label in wanted and i not in hit),
        duplicates=tuple(duplicates),
        alarms=tuple(alarms),
    )


def accepted(matching: Matching, truths: Iterable[Truth]) -> dict[str, tuple[int, int]]:
    """By what was said: how often it was, and how often that raised a false alarm."""
    raised = {id(alarm.truth) for alarm in matching.alarms if alarm.truth is not None}
    table: dict[str, tuple[int, int]] = {}
    for truth in truths:
        clips, accepts = table.get(truth.name, (0, 0))
        table[truth.name] = (clips + 1, accepts + (id(truth) in raised))
    return table


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all do not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
