"""How good a model is: on clips, and on streams.

What comes of it are counts, kept apart by the signal-to-noise ratio, from which every rate, interval and curve is
derived when it is shown. Counts can be added up: that of the folds of a cross-validation, each heard by its own model,
is `merge` of `edged.workshop.results`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.resample import Converter
from edged.errors import DatasetError
from edged.features.frontend import open_front_end
from edged.workshop.dataset import RATE_HZ, read_audio
from edged.workshop.metrics import TOLERANCE_S, Detection, accepted, match
from edged.workshop.noise import Noise
from edged.workshop.results import OTHER, ClipResult, Counts, Excerpt, Point, StreamResult, merged_streams, worst
from edged.workshop.scoring import at_threshold, decide, score_all
from edged.workshop.snr import active_rms, to_pcm
from edged.workshop.streams import HISS, said_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Pcm, Policy
    from edged.workshop.dataset import Clip
    from edged.workshop.metrics import Matching
    from edged.workshop.scoring import Scored
    from edged.workshop.streams import Stream

GRID: Final = (
    *(0.001, 0.002, 0.005, 0.01),
    *(round(0.02 * step, 2) for step in range(1, 50)),
    *(0.99, 0.995, 0.998, 0.999),
)
"""Thresholds of a DET curve; the same for every model, so that curves can be added up."""
AROUND_S: Final = 2.0
"""So much is shown before and after a miss or a false alarm."""
TAIL_S: Final = 0.75
"""So much is heard after a clip, which may end with its word."""


def evaluate_streams(
    bundle: Bundle,
    streams: Sequence[Stream],
    *,
    tolerance_s: float = TOLERANCE_S,
    jobs: int = 1,
    library: Library | None = None,
    kernels: Kernels = "default",
    advanced: Callable[[float], None] | None = None,
) -> tuple[StreamResult, ...]:
    """Hear streams with the production lane, and hold what it decides against what is known.

    Args:
        bundle: The model, with the policies that decide.
        streams: From `edged.workshop.streams`.
        tolerance_s: How long past an event's end its detection may come.
        jobs: Processes that hear side by side; see `edged.workshop.scoring.score_all`.
        library: Which TFLite runtime; None for the platform's own.
        kernels: The runtime's fast kernels, or its reference ones.
        advanced: Called after each stream with how many were heard so far.

    Returns:
        A result for each ratio of sound to noise among the streams; without noise first, then from the highest.

    Raises:
        ModelError, AudioFileError, DatasetError: The model, a recording or a clip cannot be used.
    """
    results = []
    sounds = (stream.sound for stream in streams)
    scores = score_all(bundle, sounds, jobs=jobs, library=library, kernels=kernels)
    for done, (stream, scored) in enumerate(zip(streams, scores, strict=True), start=1):
        results.append(judge(scored, stream, policies=bundle.policies, tolerance_s=tolerance_s))
        if advanced is not None:
            advanced(done)
    return merged_streams(results)


def judge(
    scored: Scored, stream: Stream, *, policies: Mapping[str, Policy], tolerance_s: float = TOLERANCE_S
) -> StreamResult:
    """Hold what these policies decide of a stream's scores against what is known of it."""
    matching = _matched(scored, stream, policies, tolerance_s)
    counts = {label: _counts(matching, label) for label in policies}
    return StreamResult(
        snr_db=stream.snr_db,
        seconds=scored.seconds,
        counts=counts,
        latencies_s={label: tuple(round(s, 4) for s in matching.latencies_s(label)) for label in policies},
        said=accepted(matching, stream.truths),
        det=tuple(_point(scored, stream, policies, threshold, tolerance_s) for threshold in GRID),
        misses=worst(_misses(scored, stream, policies, matching, tolerance_s), lowest=True),
        alarms=worst(_alarms(scored, stream, policies, matching), lowest=False),
    )


def detections(scored: Scored, policies: Mapping[str, Policy]) -> list[Detection]:
    """What the production decider activates: detections, and the starts of sounds."""
    return [
        Detection(decision.label, decision.at / scored.rate_hz, decision.score)
        for decision in decide(scored, policies)
        if decision.kind in {"detection", "start"}
    ]


def _matched(scored: Scored, stream: Stream, policies: Mapping[str, Policy], tolerance_s: float) -> Matching:
    return match(detections(scored, policies), stream.truths, labels=policies, tolerance_s=tolerance_s)


def _counts(matching: Matching, label: str) -> Counts:
    hits = sum(truth.label == label for truth, _ in matching.hits)
    return Counts(
        events=hits + sum(truth.label == label for truth in matching.misses),
        hits=hits,
        duplicates=sum(each.label == label for each in matching.duplicates),
        alarms=sum(each.detection.label == label for each in matching.alarms),
    )


def _point(
    scored: Scored, stream: Stream, policies: Mapping[str, Policy], threshold: float, tolerance_s: float
) -> Point:
    moved = {label: at_threshold(policy, threshold) for label, policy in policies.items()}
    matching = _matched(scored, stream, moved, tolerance_s)
    return Point(threshold, len(matching.misses), len(matching.alarms))


def _misses(
    scored: Scored, stream: Stream, policies: Mapping[str, Policy], matching: Matching, tolerance_s: float
) -> Iterator[Excerpt]:
    for truth in matching.misses:
        within = scored.between(truth.label, truth.start_s, truth.end_s + tolerance_s)
        score = float(within.max()) if len(within) else 0.0
        threshold = policies[truth.label].threshold
        yield _excerpt(scored, stream.name, truth.label, truth.end_s, score, threshold=threshold, said=truth.name)


def _alarms(scored: Scored, stream: Stream, policies: Mapping[str, Policy], matching: Matching) -> Iterator[Excerpt]:
    for alarm in matching.alarms:
        label, at_s = alarm.detection.label, alarm.detection.at_s
        score = float(scored.between(label, at_s, at_s + AROUND_S / 2).max())
        threshold = policies[label].threshold
        yield _excerpt(scored, stream.name, label, at_s, score, threshold=threshold, said=alarm.said)


def _excerpt(
    scored: Scored, stream: str, label: str, at_s: float, score: float, *, threshold: float, said: str
) -> Excerpt:
    ends_s = scored.ends / scored.rate_hz
    near = np.flatnonzero(np.abs(ends_s - at_s) <= AROUND_S)
    column = scored.decided.index(label)
    return Excerpt(
        stream=stream,
        label=label,
        at_s=round(at_s, 3),
        score=round(score, 4),
        threshold=threshold,
        said=said,
        times_s=tuple(round(float(each), 3) for each in ends_s[near]),
        scores=tuple(round(float(each), 4) for each in scored.smoothed[near, column]),
    )


# Clips.


def evaluate_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    *,
    seed: int,
    snrs_db: Iterable[float] = (),
    noise: Sequence[Clip] = (),
    jobs: int = 1,
    library: Library | None = None,
    kernels: Kernels = "default",
    advanced: Callable[[float], None] | None = None,
) -> tuple[ClipResult, ...]:
    """Say what each clip is taken for: the label with the highest smoothed score over its threshold, or `OTHER`.

    Args:
        bundle: The model.
        clips: Those whose label the model does not have are `OTHER`.
        seed: Decides which noise each clip gets.
        snrs_db: Ratios at which the clips are heard again, in noise; they are first heard as they are.
        noise: Clips to draw noise from.
        jobs: Processes that hear side by side; see `edged.workshop.scoring.score_all`.
        library: Which TFLite runtime; None for the platform's own.
        kernels: The runtime's fast kernels, or its reference ones.
        advanced: Called after each clip with how many were heard so far.

    Raises:
        ModelError, AudioFileError, DatasetError: The model or a clip cannot be used.
    """
    if not clips:
        raise DatasetError("there are no clips to hear", way_out="Name a dataset with clips in it")
    ratios = (None, *sorted(set(snrs_db), reverse=True))
    if len(ratios) > 1 and not noise:
        raise DatasetError("a ratio needs noise", key="--snr", value=ratios[1], way_out="Add --noise DATASET")
    asked = [(snr_db, clip) for snr_db in ratios for clip in clips]
    shortest = needed(bundle)
    sounds = (
        Alone(clip, shortest, snr_db, tuple(noise) if snr_db is not None else (), (seed, number))
        for number, (snr_db, clip) in enumerate(asked)
    )
    taken: dict[float | None, list[tuple[Clip, str]]] = {snr_db: [] for snr_db in ratios}
    scores = score_all(bundle, sounds, jobs=jobs, library=library, kernels=kernels)
    for done, ((snr_db, clip), scored) in enumerate(zip(asked, scores, strict=True), start=1):
        taken[snr_db].append((clip, taken_for(scored, bundle.policies)))
        if advanced is not None:
            advanced(done)
    return tuple(_clip_result(snr_db, pairs, labels=bundle.policies) for snr_db, pairs in taken.items())


@dataclass(frozen=True, slots=True)
class Alone:
    """The sound of one clip, followed by what was around it: noise, or the faintest hiss, for `TAIL_S` and more."""

    clip: Clip
    shortest: int
    """Samples that the model wants at least."""
    snr_db: float | None
    noise: tuple[Clip, ...]
    seed: tuple[int, ...]

    def blocks(self, rate_hz: int) -> Iterator[Pcm]:
        """Its samples, mono, at this rate, in one block."""
        samples = read_audio(self.clip)
        count = max(len(samples) + round(TAIL_S * RATE_HZ), self.shortest)
        rng = np.random.default_rng(self.seed)
        if self.snr_db is None:
            under = rng.standard_normal(count) * HISS
            under[: len(samples)] = 0
        else:
            level = active_rms(samples, rate_hz=RATE_HZ)
            under = Noise(self.noise, rng=rng).piece(count) * level * 10 ** (-self.snr_db / 20)
        under[: len(samples)] += samples
        converter = Converter(RATE_HZ, 1, rate_hz)
        yield np.concatenate([converter.push(to_pcm(under)[:, None]), converter.flush()])


def needed(bundle: Bundle) -> int:
    """Samples of a clip after which a model has its first smoothed score."""
    front_end = open_front_end(bundle.front_end)
    windows = max((policy.mean_of for policy in bundle.policies.values()), default=1)
    frames = bundle.window_frames + (windows - 1) * bundle.hop_frames
    return round(((frames - 1) * front_end.step + front_end.window) / front_end.rate_hz * RATE_HZ) + 1


def taken_for(scored: Scored, policies: Mapping[str, Policy]) -> str:
    """The label with the highest smoothed score over its threshold, or `OTHER`."""
    peaks = scored.smoothed.max(axis=0, initial=0.0)
    over = {
        label: float(peak)
        for label, peak in zip(scored.decided, peaks, strict=True)
        if label in policies and peak > policies[label].threshold
    }
    return max(over, key=over.__getitem__) if over else OTHER


def _clip_result(snr_db: float | None, pairs: Sequence[tuple[Clip, str]], *, labels: Iterable[str]) -> ClipResult:
    known = (*labels, OTHER)
    confusion = {label: Counter[str]() for label in known}
    said: dict[str, tuple[int, int]] = {}
    for clip, taken in pairs:
        is_known = clip.label in known
        confusion[clip.label if is_known else OTHER][taken] += 1
        if not is_known:
            clips, accepts = said.get(said_in(clip), (0, 0))
            said[said_in(clip)] = (clips + 1, accepts + (taken != OTHER))
    rows = {label: {taken: row[taken] for taken in known if row[taken]} for label, row in confusion.items() if row}
    return ClipResult(snr_db, rows, said)
