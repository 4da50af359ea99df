"""Teaching: a dozen clips of each sound, and the embedding that edged ships, make a detector in seconds.

Nothing is trained here but a head (`edged.workshop.head`): each clip is heard a few times over
(`edged.workshop.views`), its points are put beside those of the shipped background and of the user's own negatives,
and the planes between them are found. What comes of it is a bundle as any other.

How good it is, and which threshold it gets, is judged by clips that it has not learnt from: the clips are dealt out to
a few folds, each is heard by a head that was taught with the others, exactly as the road would hear it, and so are the
negatives. Where every sound has clips of enough groups the folds are of groups, and the answer holds for a new voice;
otherwise it holds for the voices heard, and says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from edged.classify.bundle import write_bundle
from edged.classify.labels import slug
from edged.errors import DatasetError
from edged.features.frontend import open_front_end
from edged.records import Policy
from edged.workshop.dataset import MANIFEST, folds, read_audio
from edged.workshop.head import Examples, balanced, fit_head, posteriors
from edged.workshop.views import Ear, heard, rougher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.head import Head
    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.embedder import Embedder

LEAST_CLIPS: Final = 4
"""Of a sound: with fewer, none could be held back to judge by."""
BACKGROUND: Final = "_background_"
BACKGROUND_SHARE: Final = 0.5
"""Of the examples' weight: so sure must a head be against the background before it says anything."""
MAX_NEGATIVE_WINDOWS: Final = 60
"""Of one recording: an hour of it must not outweigh all others, nor fill the memory."""
FOLDS: Final = 4
MEAN_OF: Final = 2
REFRACTORY_S: Final = 1.0
THRESHOLDS: Final = np.round(np.arange(0.50, 0.951, 0.01), 2)
FALSE_SHARE: Final = 0.002
"""The threshold is the lowest at which at most this share of the windows of unheard background is over it."""
SILENT: Final = 33
"""-60 dBFS: a clip whose highest sample is lower holds nothing."""

HeldBack: TypeAlias = Literal["groups", "clips"]
Points: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One clip, as points."""

    clip: Clip
    learnt: Points
    """Shape (views, size): to learn from; empty for a negative, which is learnt as it is heard."""
    heard: Points
    """Shape (windows, size): what the road would meet, in order."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a label does on clips that were held back."""

    label: str
    clips: int
    groups: int
    recognised: int
    """Of the clips: those whose highest score, over all their windows, is their own label's."""
    detected: int
    """Of these: those over the threshold."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A head, and how it was judged."""

    labels: tuple[str, ...]
    """The background last."""
    head: Head
    policy: Policy
    judged: tuple[Judged, ...]
    held_back: HeldBack
    negatives: int
    """Clips of the user's own background that were held back."""
    false_accepts: int
    """Of these: those in which something was detected."""
    background: int
    """Windows of the shipped background that were held back."""
    false_windows: int
    """Of these: those over the threshold."""


def teach(
    clips: Sequence[Clip],
    *,
    embedder: Embedder,
    seed: int = 0,
    advanced: Callable[[int], None] | None = None,
) -> Taught:
    """Learn the sounds of some clips.

    Args:
        clips: Of each sound `LEAST_CLIPS` at least; those whose label begins with `_` are negatives.
        embedder: What hears them.
        seed: The same clips and seed give the same head.
        advanced: Called with how many clips have been heard, for a progress bar.

    Raises:
        DatasetError: A sound has too few clips, a clip is silent, of another rate, or unreadable.
        AudioFileError: A clip is not audio.
    """
    labels = _labels(clips)
    lessons = []
    for number, clip in enumerate(clips):
        lessons.append(_lesson(clip, embedder, rng=np.random.default_rng((seed, number))))
        if advanced is not None:
            advanced(number + 1)
    return _Course(lessons, labels, embedder.background).taught(seed=seed)


def write_taught(path: Path, taught: Taught, *, embedder: Embedder, notes: str) -> Bundle:
    """Write what was learnt as a bundle, whole or not at all.

    Raises:
        ModelError: The place cannot be written.
    """
    embedding = embedder.bundle
    return write_bundle(
        path,
        model=embedding.model,
        name=slug(path.stem),
        labels=taught.labels,
        background=taught.labels[-1:],
        front_end=embedding.front_end,
        window_frames=embedding.window_frames,
        hop_frames=embedding.hop_frames,
        output="softmax",
        head=taught.head,
        policy=taught.policy,
        description=f"Taught: {', '.join(taught.labels[:-1])}",
        provenance={"trained_by": f"edged teach, over {embedding.name} {embedding.version}", "notes": notes},
    )


def _labels(clips: Sequence[Clip]) -> tuple[str, ...]:
    counts = Counter(clip.label for clip in clips)
    words = sorted(label for label in counts if not label.startswith("_"))
    if not words:
        manifest = clips[0].path.parent / MANIFEST if clips else None
        way_out = "Give clips of a sound to detect a label that does not begin with _"
        raise DatasetError("holds background only", file=manifest, key="label", way_out=way_out)
    for label in words:
        if counts[label] < LEAST_CLIPS:
            clip = next(clip for clip in clips if clip.label == label)
            what = f"has {counts[label]} clip{'s' * (counts[label] > 1)}, and {LEAST_CLIPS} is the least to learn from"
            way_out = "Record more with `edged collect`, a dozen is a good beginning"
            raise DatasetError(what, file=clip.path.parent, key="label", value=label, way_out=way_out)
    return (*words, BACKGROUND)


def _lesson(clip: Clip, embedder: Embedder, *, rng: np.random.Generator) -> Lesson:
    samples = read_audio(clip)
    ear = ear_of(embedder)
    if clip.is_background:
        windows = heard(samples, ear, rng=rng)
        kept = np.sort(rng.permutation(len(windows))[:MAX_NEGATIVE_WINDOWS])
        return Lesson(clip, np.empty((0, embedder.size), np.float32), embedder.points(windows[kept]))
    _refuse_silence(samples, clip)
    learnt = embedder.points(rougher(samples, ear, rng=rng))
    return Lesson(clip, learnt, embedder.points(heard(samples, ear, rng=rng)))


def ear_of(embedder: Embedder) -> Ear:
    """How the embedding hears."""
    bundle = embedder.bundle
    geometry = open_front_end(bundle.front_end)
    return Ear(embedder.frames, geometry, bundle.rate_hz, bundle.window_frames, bundle.hop_frames)


def _refuse_silence(samples: Pcm, clip: Clip) -> None:
    if np.abs(samples.astype(np.int32)).max() < SILENT:
        way_out = "Record it anew, or take it out of the manifest"
        raise DatasetError(
            "nothing is to be heard in it", file=clip.path, key="label", value=clip.label, way_out=way_out
        )


class _Course:
    """All lessons, and the heads that can be taught with some of them."""

    def __init__(self, lessons: Sequence[Lesson], labels: tuple[str, ...], background: Points) -> None:
        self._words = [lesson for lesson in lessons if not lesson.clip.is_background]
        self._negatives = [lesson for lesson in lessons if lesson.clip.is_background]
        self._labels = labels
        self._background = background
        self._centre = background.mean(axis=0)

    def taught(self, *, seed: int) -> Taught:
        held_back, fold_of = self._dealt(seed)
        deal = np.arange(len(self._background)) % FOLDS
        words: list[tuple[Lesson, NDArray[np.float64]]] = []
        negatives: list[NDArray[np.float64]] = []
        strangers: list[NDArray[np.float64]] = []
        for fold in range(FOLDS):
            head = self._head(
                [each for each in self._all if fold_of[each.clip.path] != fold], self._background[deal != fold]
            )
            words += [(each, peaks_of(head, each.heard)) for each in self._words if fold_of[each.clip.path] == fold]
            negatives += [peaks_of(head, each.heard) for each in self._negatives if fold_of[each.clip.path] == fold]
            strangers.append(posteriors(head, self._background[deal == fold])[:, :-1].max(axis=1))
        false = np.concatenate(strangers)
        threshold = _threshold(false)
        return Taught(
            labels=self._labels,
            head=self._head(self._all, self._background),
            policy=Policy(threshold=threshold, mean_of=MEAN_OF, refractory_s=REFRACTORY_S),
            judged=tuple(self._judged(label, words, threshold) for label in self._labels[:-1]),
            held_back=held_back,
            negatives=len(negatives),
            false_accepts=sum(bool(peaks[:-1].max() > threshold) for peaks in negatives),
            background=len(false),
            false_windows=int((false > threshold).sum()),
        )

    @property
    def _all(self) -> list[Lesson]:
        return [*self._words, *self._negatives]

    def _dealt(self, seed: int) -> tuple[HeldBack, dict[Path, int]]:
        """What is held back together, and in which fold each clip is."""
        groups = Counter(label for label, _ in {(each.clip.label, each.clip.speaker) for each in self._words})
        if min(groups.values()) >= FOLDS:
            fold_of = folds([each.clip for each in self._words], k=FOLDS, seed=seed)
            rest = {each.clip.speaker for each in self._negatives} - fold_of.keys()
            fold_of |= {speaker: number % FOLDS for number, speaker in enumerate(sorted(rest))}
            return "groups", {each.clip.path: fold_of[each.clip.speaker] for each in self._all}
        ordered = sorted(self._all, key=lambda each: (each.clip.label, str(each.clip.path)))
        return "clips", {each.clip.path: number % FOLDS for number, each in enumerate(ordered)}

    def _head(self, lessons: Sequence[Lesson], background: Points) -> Head:
        ignored = len(self._labels) - 1
        points, targets = [background], [np.full(len(background), ignored)]
        for lesson in lessons:
            known = ignored if lesson.clip.is_background else self._labels.index(lesson.clip.label)
            learnt = lesson.heard if lesson.clip.is_background else lesson.learnt
            points.append(learnt)
            targets.append(np.full(len(learnt), known))
        found = np.concatenate(targets)
        shares = np.full(len(self._labels), (1 - BACKGROUND_SHARE) / ignored)
        shares[ignored] = BACKGROUND_SHARE
        examples = Examples(np.concatenate(points), found, balanced(found, shares=shares))
        return fit_head(examples, labels=len(self._labels), centre=self._centre)

    def _judged(self, label: str, words: Sequence[tuple[Lesson, NDArray[np.float64]]], threshold: float) -> Judged:
        own = [(lesson, peaks) for lesson, peaks in words if lesson.clip.label == label]
        index = self._labels.index(label)
        right = [peaks[index] for _, peaks in own if peaks[:-1].argmax() == index]
        groups = {lesson.clip.speaker for lesson, _ in own}
        return Judged(label, len(own), len(groups), len(right), sum(bool(peak > threshold) for peak in right))


def peaks_of(head: Head, points: Points) -> NDArray[np.float64]:
    """The highest smoothed posterior of each label over windows in their order, shape (labels,)."""
    scores = posteriors(head, points)
    if len(scores) >= MEAN_OF:
        scores = np.lib.stride_tricks.sliding_window_view(scores, MEAN_OF, axis=0).mean(axis=-1)
    return np.asarray(scores.max(axis=0))


def _threshold(strangers: NDArray[np.float64]) -> float:
    """The lowest threshold that lets through few enough windows of what is to be ignored; the highest if none does."""
    for threshold in THRESHOLDS:
        if (strangers > threshold).mean() <= FALSE_SHARE:
            return float(threshold)
    return float(THRESHOLDS[-1])
