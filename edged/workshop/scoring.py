"""A model's scores over sound, gathered once; and what they decide at any threshold, as often as one likes.

Inference is what costs, and it does not depend on the threshold. So sound goes down the production lane once
(`Scorer`), and of it only the posteriors are kept: of a model with five labels and 33 windows a second, 7 MB an hour.
`decide` then asks the production decider, with other policies. With those of the bundle it gives what `edged replay`
gives, decision for decision; a test holds the two together.

A decider that sleeps does nothing at windows where nothing is over a threshold, so `decide` passes over them: exactly
those at which every label has been at or below its release for as long as the decider remembers.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from edged.audio.files import open_audio
from edged.audio.resample import Converter
from edged.classify.model import open_model
from edged.decide import Decider
from edged.lane import Lane
from edged.records import Chunk, Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Decision, Pcm, Policy

BLOCK_S: Final = 1.0
_AHEAD: Final = 2
"""Sounds waiting for each process: bounds what is in memory."""


class Sound(Protocol):
    """Something to hear, of any length; to be scored in another process it must be picklable."""

    def blocks(self, rate_hz: int) -> Iterator[Pcm]:
        """Its samples in order, mono, at this rate: shape (n,) each."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, heard from beginning to end."""

    path: Path

    def blocks(self, rate_hz: int) -> Iterator[Pcm]:
        """Its samples in order, mono, at this rate: shape (n,) each.

        Raises:
            AudioFileError: It cannot be read.
        """
        with open_audio(self.path) as file:
            converter = Converter(file.rate_hz, file.channels, rate_hz)
            for block in file.blocks(round(file.rate_hz * BLOCK_S)):
                yield converter.push(block)
            yield converter.flush()


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model made of one unbroken stretch of sound, window by window."""

    labels: tuple[str, ...]
    """The model's, in its order."""
    decided: tuple[str, ...]
    """Those that have a policy: the columns of `smoothed`."""
    mean_of: tuple[int, ...]
    """By column of `smoothed`: over how many windows it was taken."""
    values: NDArray[np.float32]
    """Posteriors, shape (windows, labels), 0 to 1."""
    smoothed: NDArray[np.float64]
    """As the decider smoothed them, shape (windows, decided)."""
    ends: NDArray[np.int64]
    """Index just past the last sample of each window, in `rate_hz`; shape (windows,)."""
    rate_hz: int
    heard: int
    """Samples heard, in `rate_hz`."""

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self.heard / self.rate_hz

    def between(self, label: str, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Smoothed scores of a label in the windows that end within these times."""
        at = np.searchsorted(self.ends, [start_s * self.rate_hz, end_s * self.rate_hz], side="left")
        return self.smoothed[at[0] : at[1] + 1, self.decided.index(label)]


class Scorer:
    """One model, opened, for one sound after another; a context manager.

    Raises:
        ModelError: The model cannot be opened.
    """

    def __init__(self, bundle: Bundle, *, library: Library | None = None, kernels: Kernels = "default") -> None:
        self._bundle = bundle
        self._lane = Lane(bundle, open_model(bundle, library=library, kernels=kernels), watch=self._watch)
        self._gathered = _Gathered(len(bundle.labels), len(bundle.policies))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the model."""
        self._lane.close()

    def score(self, sound: Sound, *, advanced: Callable[[float], None] | None = None) -> Scored:
        """Hear a sound from its beginning to its end; `advanced` is told the seconds heard so far.

        Raises:
            AudioFileError: A recording cannot be read.
        """
        self._gathered = _Gathered(len(self._bundle.labels), len(self._bundle.policies))
        heard, rate_hz = 0, self._lane.rate_hz
        self._lane.finish()
        for samples in sound.blocks(rate_hz):
            self._lane.hear(Chunk(samples[:, None], rate_hz=rate_hz, first=heard, ended_ns=0, fresh=heard == 0))
            heard += len(samples)
            if advanced is not None:
                advanced(heard / rate_hz)
        self._lane.finish()
        decided = tuple(label for label in self._bundle.labels if label in self._bundle.policies)
        values, smoothed, ends = self._gathered.arrays()
        return Scored(
            labels=self._bundle.labels,
            decided=decided,
            mean_of=tuple(self._bundle.policies[label].mean_of for label in decided),
            values=values,
            smoothed=smoothed,
            ends=ends,
            rate_hz=rate_hz,
            heard=heard,
        )

    def _watch(self, scores: Scores, smoothed: NDArray[np.float64]) -> None:
        self._gathered.add(scores, smoothed)


def score_all(
    bundle: Bundle,
    sounds: Iterable[Sound],
    *,
    jobs: int = 1,
    library: Library | None = None,
    kernels: Kernels = "default",
) -> Iterator[Scored]:
    """Score sounds one after another, or in `jobs` processes; give the scores in the order of the sounds.

    With more than one job the sounds must be picklable, and a script that calls this keeps its own doings under
    ``if __name__ == "__main__"``, because each process imports it.

    Raises:
        ModelError: The model cannot be opened.
        AudioFileError: A recording cannot be read.
    """
    if jobs <= 1:
        with closing(Scorer(bundle, library=library, kernels=kernels)) as scorer:
            yield from map(scorer.score, sounds)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork would share the threads of whatever is loaded here
    with ProcessPoolExecutor(jobs, mp_context=fresh, initializer=_open, initargs=(bundle, library, kernels)) as pool:
        waiting: deque[Future[Scored]] = deque()
        try:
            for sound in sounds:
                waiting.append(pool.submit(_score, sound))
                if len(waiting) >= jobs * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def decide(scored: Scored, policies: Mapping[str, Policy]) -> list[Decision]:
    """What the production decider makes of scores, with these policies, at the end of the sound included.

    A label without a policy here is not decided. The smoothing may differ from the bundle's.

    Raises:
        ConfigError: A policy that contradicts itself.
    """
    known = dict(zip(scored.decided, scored.mean_of, strict=True))
    if any(known.get(label) != policy.mean_of for label, policy in policies.items()):
        decider = Decider(labels=scored.labels, policies=policies, rate_hz=scored.rate_hz)
        return _run(decider, scored.values, scored, np.arange(len(scored.ends)))
    columns = [column for column, label in enumerate(scored.decided) if label in policies]
    labels = [scored.decided[column] for column in columns]
    smoothed = scored.smoothed[:, columns]
    if not (smoothed > np.array([policies[label].threshold for label in labels])).any():
        return []  # nothing is ever voted, and so nothing ever begins
    # Smoothed already: with means of one the decider takes them as they are, to the last bit.
    taken = {label: replace(policies[label], mean_of=1) for label in labels}
    decider = Decider(labels=labels, policies=taken, rate_hz=scored.rate_hz)
    return _run(decider, smoothed, scored, _awake(smoothed, [taken[label] for label in labels]))


def at_threshold(policy: Policy, threshold: float) -> Policy:
    """The same policy at another threshold; a release that would then lie over it comes down with it."""
    release = None if policy.release is None else min(policy.release, threshold)
    return replace(policy, threshold=threshold, release=release)


def _run(decider: Decider, values: NDArray[np.generic], scored: Scored, windows: NDArray[np.intp]) -> list[Decision]:
    ends = scored.ends
    decisions = []
    for i in windows.tolist():
        decisions += decider.step(Scores(values[i], int(ends[i])))
    return decisions + decider.reset(scored.heard)


def _awake(smoothed: NDArray[np.float64], policies: Sequence[Policy]) -> NDArray[np.intp]:
    """The windows at which the decider may do something, or has something to forget."""
    if not smoothed.size:
        return np.zeros(0, np.intp)
    releases = np.array([p.threshold if p.release is None else p.release for p in policies])
    memory = max(policy.of_m for policy in policies)
    loud = ~(smoothed <= releases).all(axis=1)  # so that what is no number counts as loud
    touched = np.convolve(loud, np.ones(memory + 1, np.int64))[: len(loud)]
    return np.flatnonzero(touched)


class _Gathered:
    """Rows in arrays that double when they are full."""

    def __init__(self, labels: int, decided: int) -> None:
        self._count = 0
        self._values = np.empty((64, labels), np.float32)
        self._smoothed = np.empty((64, decided), np.float64)
        self._ends = np.empty(64, np.int64)

    def add(self, scores: Scores, smoothed: NDArray[np.float64]) -> None:
        if self._count == len(self._ends):
            self._values, self._smoothed, self._ends = (
                np.concatenate([rows, np.empty_like(rows)]) for rows in (self._values, self._smoothed, self._ends)
            )
        self._values[self._count] = scores.values
        self._smoothed[self._count] = smoothed
        self._ends[self._count] = scores.ends
        self._count += 1

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
        return tuple(rows[: self._count].copy() for rows in (self._values, self._smoothed, self._ends))  # type: ignore[return-value]


_scorer: Scorer | None = None
"""Of a process that scores for `score_all`: the model is opened once."""


def _open(bundle: Bundle, library: Library | None, kernels: Kernels) -> None:
    global _scorer  # noqa: PLW0603 - a pool's processes have no other place of their own
    _scorer = Scorer(bundle, library=library, kernels=kernels)


def _score(sound: Sound) -> Scored:
    assert _scorer is not None  # noqa: S101 - _open ran first
    return _scorer.score(sound)
