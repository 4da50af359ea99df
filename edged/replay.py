"""Replay: recordings down the very same lanes that hear the microphone, in line, at full speed, with no clock.

Time is the sample count, so the same file gives the same events on every machine and at every load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.audio.sources import FileSource
from edged.classify.model import open_model
from edged.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Event, EventKind


@dataclass(frozen=True, slots=True)
class Replayed:
    """One event of a replay, as `edged replay --json` prints it."""

    at_s: float
    """Where in the file the decision fell, by sample count: the end of the last window it rests on."""
    label: str
    kind: EventKind
    score: float
    model: str
    file: str


def replay(
    files: Sequence[Path],
    bundles: Sequence[Bundle],
    *,
    library: Library | None = None,
    kernels: Kernels = "default",
    advanced: Callable[[Path, float], None] | None = None,
) -> Iterator[Replayed]:
    """Hear each file with each model, and yield the events of a file in the order of time.

    Args:
        files: WAV, FLAC or OGG files.
        bundles: The models.
        library: Which TFLite runtime; None for the platform's own.
        kernels: The runtime's fast kernels, or its reference ones.
        advanced: Called with the file and the seconds of it that were heard, for a progress bar.

    Raises:
        AudioFileError: A file cannot be read.
        ModelError: A model cannot be opened.
    """
    lanes = [Lane(bundle, open_model(bundle, library=library, kernels=kernels)) for bundle in bundles]
    try:
        for file in files:
            for chunk in FileSource(file).chunks():
                yield from _in_order(file, [(lane, event) for lane in lanes for event in lane.hear(chunk)])
                if advanced is not None:
                    advanced(file, (chunk.first + len(chunk.samples)) / chunk.rate_hz)
            yield from _in_order(file, [(lane, event) for lane in lanes for event in lane.finish()])
    finally:
        for lane in lanes:
            lane.close()


def _in_order(file: Path, events: list[tuple[Lane, Event]]) -> Iterator[Replayed]:
    for lane, event in sorted(events, key=lambda pair: pair[1].at_s):
        decision = event.decision
        yield Replayed(
            at_s=event.at_s,
            label=decision.label,
            kind=decision.kind,
            score=round(decision.score, 6),
            model=lane.bundle.name,
            file=str(file),
        )
