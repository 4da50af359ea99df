"""What an evaluation found, as counts that can be added up and kept as JSON.

Rates, intervals and curves are not kept: they are derived when they are shown, so that adding up the folds of a
cross-validation, each heard by its own model, gives what one evaluation of all of it would have given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edged.errors import DatasetError
from edged.workshop.metrics import quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edged.classify.bundle import Bundle

SCHEMA: Final = 1
OTHER: Final = "other"
"""What a clip is taken for where no label passes its threshold, and what a clip is that none of them fits."""
WORST: Final = 6
"""Misses and false alarms of which the scores around them are kept."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The model that was evaluated."""

    name: str
    sha256: str
    bytes: int
    """Of the `.tflite`; of an `.eim`, 0."""
    thresholds: Mapping[str, float]
    """By label that is not background, in the model's order."""


def facts_of(bundle: Bundle) -> Facts:
    """What is to be remembered of a model."""
    thresholds = {label: bundle.policies[label].threshold for label in bundle.labels if label in bundle.policies}
    return Facts(bundle.name, bundle.sha256, len(bundle.model), thresholds)


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What clips were taken for, at one ratio of sound to noise."""

    snr_db: float | None
    """None where no noise was added."""
    confusion: Mapping[str, Mapping[str, int]]
    """How many clips by what they are and what they were taken for; `OTHER` is in both."""
    said: Mapping[str, tuple[int, int]]
    """Of the clips that are `OTHER`, by what was said: how many, and how many were taken for a label."""

    @property
    def total(self) -> int:
        """How many clips."""
        return sum(sum(row.values()) for row in self.confusion.values())

    @property
    def right(self) -> int:
        """How many were taken for what they are."""
        return sum(row.get(label, 0) for label, row in self.confusion.items())


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one label, in streams."""

    events: int = 0
    hits: int = 0
    duplicates: int = 0
    alarms: int = 0
    """False ones."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.events + other.events,
            self.hits + other.hits,
            self.duplicates + other.duplicates,
            self.alarms + other.alarms,
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a DET curve: what all labels would have missed and raised at one threshold."""

    threshold: float
    misses: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The scores around a miss or a false alarm."""

    stream: str
    label: str
    at_s: float
    """Of a miss the event's end; of a false alarm the detection."""
    score: float
    """Highest smoothed score within the event; of a false alarm, within the second that follows."""
    threshold: float
    said: str
    times_s: tuple[float, ...]
    """Of the windows' ends."""
    scores: tuple[float, ...]
    """Smoothed, of `label`."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What was decided in streams, at one ratio of sound to noise."""

    snr_db: float | None
    seconds: float
    counts: Mapping[str, Counts]
    latencies_s: Mapping[str, tuple[float, ...]]
    """By label: of each hit, from the event's end to the detection."""
    said: Mapping[str, tuple[int, int]]
    """By what was said: how often, and how often that raised a false alarm."""
    det: tuple[Point, ...]
    misses: tuple[Excerpt, ...] = ()
    """The worst: lowest score first."""
    alarms: tuple[Excerpt, ...] = ()
    """The worst: highest score first."""

    @property
    def hours(self) -> float:
        """How much was heard."""
        return self.seconds / 3600

    @property
    def total(self) -> Counts:
        """Of all labels together."""
        return sum(self.counts.values(), Counts())

    @property
    def recall(self) -> float | None:
        """Share of the events that were recognised; None where there were none."""
        return self.total.hits / self.total.events if self.total.events else None

    def latency_s(self, share: float) -> float | None:
        """What this share of the latencies does not exceed: 0.5 for the median; None without hits."""
        return quantile([value for values in self.latencies_s.values() for value in values], share)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All of it."""

    models: tuple[Facts, ...]
    clips: tuple[ClipResult, ...] = ()
    streams: tuple[StreamResult, ...] = ()
    tolerance_s: float = field(default=0.75)


def worst(excerpts: Iterable[Excerpt], *, lowest: bool) -> tuple[Excerpt, ...]:
    """Those that are kept; equal ones in the order of stream and time."""
    sign = 1 if lowest else -1
    return tuple(sorted(excerpts, key=lambda each: (sign * each.score, each.stream, each.at_s))[:WORST])


def merge(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Add evaluations up, each with its own model on its own part.

    Raises:
        DatasetError: They are of different labels or tolerances, which cannot be added up.
    """
    if not evaluations:
        raise DatasetError("there is nothing to add up", way_out="Name what `edged evaluate --json` printed")
    labels = [sorted({label for facts in each.models for label in facts.thresholds}) for each in evaluations]
    for each, known in zip(evaluations, labels, strict=True):
        if known != labels[0]:
            what = f"one has the labels {', '.join(known)}, another {', '.join(labels[0])}"
            raise DatasetError(what, way_out="Add up only models of the same labels")
        if each.tolerance_s != evaluations[0].tolerance_s:
            what = f"one allows {each.tolerance_s:g} s, another {evaluations[0].tolerance_s:g} s"
            raise DatasetError(what, key="tolerance", way_out="Evaluate all with one --tolerance")
    models = {facts.sha256: facts for each in evaluations for facts in each.models}
    return Evaluation(
        tuple(models.values()),
        tuple(map(_clips, _by_ratio([result for each in evaluations for result in each.clips]))),
        tuple(map(_streams, _by_ratio([result for each in evaluations for result in each.streams]))),
        evaluations[0].tolerance_s,
    )


def merged_streams(results: Sequence[StreamResult]) -> tuple[StreamResult, ...]:
    """Add up results of streams, by ratio: without noise first, then from the highest."""
    return tuple(map(_streams, _by_ratio(results)))


def _by_ratio(results: Sequence[Any]) -> list[list[Any]]:
    ratios = sorted({result.snr_db for result in results}, key=lambda snr_db: (snr_db is not None, -(snr_db or 0)))
    return [[result for result in results if result.snr_db == snr_db] for snr_db in ratios]


def _clips(results: Sequence[ClipResult]) -> ClipResult:
    confusion: dict[str, Counter[str]] = {}
    for result in results:
        for label, row in result.confusion.items():
            confusion.setdefault(label, Counter()).update(row)
    return ClipResult(results[0].snr_db, {k: dict(v) for k, v in confusion.items()}, _said(results))


def _streams(results: Sequence[StreamResult]) -> StreamResult:
    counts: dict[str, Counts] = {}
    latencies: dict[str, tuple[float, ...]] = {}
    points: dict[float, Point] = {}
    for result in results:
        for label, count in result.counts.items():
            counts[label] = counts.get(label, Counts()) + count
            latencies[label] = latencies.get(label, ()) + tuple(result.latencies_s.get(label, ()))
        for point in result.det:
            old = points.get(point.threshold, Point(point.threshold, 0, 0))
            points[point.threshold] = Point(point.threshold, old.misses + point.misses, old.alarms + point.alarms)
    return StreamResult(
        snr_db=results[0].snr_db,
        seconds=sum(result.seconds for result in results),
        counts=counts,
        latencies_s=latencies,
        said=_said(results),
        det=tuple(points[threshold] for threshold in sorted(points)),
        misses=worst((each for result in results for each in result.misses), lowest=True),
        alarms=worst((each for result in results for each in result.alarms), lowest=False),
    )


def _said(results: Sequence[ClipResult | StreamResult]) -> dict[str, tuple[int, int]]:
    table: dict[str, tuple[int, int]] = {}
    for result in results:
        for name, (clips, accepts) in result.said.items():
            old = table.get(name, (0, 0))
            table[name] = (old[0] + clips, old[1] + accepts)
    return table
