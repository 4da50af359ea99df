"""Scores that a board sends become events, as on the gateway: by `edged.decide`. Sans-IO; time is an argument.

A board that sends scores knows no policy; its settings on the gateway do. Every label is decided on its own, so a
sketch may send them in any order, together or one by one. A label that was not mentioned for GONE_MS has fallen: some
sketches print what they hear, and nothing where they hear nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edged.decide import Decider
from edged.mcu.board import BoardEvent
from edged.records import Policy, Scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.records import Decision

GONE_MS = 2000
"""Longer than from one result to the next of continuous inference, a quarter of a second to one."""
MAX_LABELS = 256
"""A label more than these has no events: a sketch that makes them up must not fill the memory."""
NOTHING = frozenset({"noise", "unknown", "silence", "background", "background noise", "z openset"})
"""What keyword models call all else, without underscores: tensorflow's speech_commands (input_data.py: `_silence_`,
`_unknown_`, `_background_noise_`), tflite-micro's micro_speech, Edge Impulse's tutorials, Syntiant's boards."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the scores of a board mean, by its settings."""

    labels: frozenset[str] | None = None
    """Those that make events; None: all but those that usually mean nothing (`NOTHING`)."""
    background: frozenset[str] = frozenset()
    """Those that never do."""
    threshold: float = 0.5
    """A score above it makes an event."""
    refractory_s: float = 1.0
    """For so long after an event no other of the same label."""

    def hears(self, label: str) -> bool:
        """Whether a label may make events."""
        if label in self.background:
            return False
        return _plain(label) not in NOTHING if self.labels is None else label in self.labels


@dataclass(slots=True)
class _Track:
    """One label."""

    decider: Decider
    said_ms: int = field(default=0)


class Judge:
    """Decides about one board's labels.

    Args:
        hearing: What the scores mean.
        complete: Each result has all labels: none has fallen because it is not mentioned.
    """

    def __init__(self, hearing: Hearing, *, complete: bool = False) -> None:
        self.refused = 0
        """Scores of labels that were too many."""
        self._hearing, self._complete = hearing, complete
        self._policy = Policy(threshold=hearing.threshold, refractory_s=hearing.refractory_s)
        self._tracks: dict[str, _Track] = {}

    def scores(self, scores: Mapping[str, float], *, at_ms: int) -> list[BoardEvent]:
        """What scores that came at this moment decide."""
        heard = ((label, score) for label, score in scores.items() if self._hearing.hears(label))
        return [event for label, score in heard for event in self._score(label, score, at_ms)]

    def told(self, event: BoardEvent) -> list[BoardEvent]:
        """What is left of an event that the board has decided itself: nothing, where its label makes none."""
        return [event] if self._hearing.hears(event.label) else []

    def quiet(self, scores: Mapping[str, float]) -> bool:
        """Whether these scores say that nothing is heard."""
        return not any(self._hearing.hears(label) and score > self._policy.threshold for label, score in scores.items())

    def begin_anew(self) -> None:
        """Forget what was heard: the board begins anew."""
        self._tracks.clear()

    def _score(self, label: str, score: float, at_ms: int) -> list[BoardEvent]:
        track = self._tracks.get(label)
        if track is None:
            if len(self._tracks) >= MAX_LABELS:
                self.refused += 1
                return []
            decider = Decider(labels=[label], policies={label: self._policy}, rate_hz=1000)
            track = self._tracks[label] = _Track(decider, said_ms=at_ms)
        if at_ms - track.said_ms > GONE_MS and not self._complete:
            track.decider.step(_window(0.0, track.said_ms))
        track.said_ms = at_ms
        return [_event(decision) for decision in track.decider.step(_window(score, at_ms))]


def _window(score: float, at_ms: int) -> Scores:
    return Scores(np.array([score]), ends=at_ms)


def _event(decision: Decision) -> BoardEvent:
    return BoardEvent(
        kind=decision.kind, label=decision.label, score=decision.score, peak=decision.peak, mean=decision.mean
    )


def _plain(label: str) -> str:
    return label.lower().replace("_", " ").strip()
