"""What the gateway makes of a recording, laid beside what a board made of it: outputs byte for byte, and decisions.

The gateway hears it on its own lane, with the reference kernels that plans are made to equal. A board says a network's
raw outputs; a posterior of the gateway came of exactly one of them, so both are compared as raw ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.audio.files import open_audio
from edged.audio.resample import Converter
from edged.classify.model import open_model
from edged.errors import AudioFileError
from edged.lane import Lane
from edged.records import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Library
    from edged.compiler.blob import Port
    from edged.records import Decision, Pcm, Scores

RATE_HZ: Final = 16_000
LONGEST_S: Final = 3600
"""Of one recording: it is held in memory."""
POSTERIOR_ONE: Final = 65536
"""On the line, posteriors are integers of so many parts."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the gateway made of a recording."""

    outputs: tuple[bytes, ...]
    """Of each window, as the network gives them."""
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Both, side by side."""

    windows: int
    """Of the gateway."""
    agree: int
    """Windows whose outputs are the same bytes."""
    first_difference: int | None
    """The first window that is not."""
    decisions: int
    """Of the gateway."""
    events: int
    """Of the board."""
    same_events: int
    """Those that are the gateway's decisions: label, kind, beginning and score."""

    @property
    def equal(self) -> bool:
        """Whether they agree in everything."""
        return self.agree == self.windows and self.same_events == self.decisions == self.events


def read_sound(path: Path) -> Pcm:
    """A recording as boards hear it: 16 kHz, mono.

    Raises:
        AudioFileError: It cannot be read, or is too long.
    """
    with open_audio(path) as file:
        converter = Converter(file.rate_hz, file.channels, RATE_HZ)
        parts, length = [], 0
        for block in file.blocks(10 * file.rate_hz):
            parts.append(converter.push(block))
            length += len(parts[-1])
            if length > LONGEST_S * RATE_HZ:
                raise AudioFileError(f"is longer than {LONGEST_S} s", file=path, way_out="Cut it up")
    return np.concatenate([*parts, converter.flush()])


def hear(bundle: Bundle, samples: Pcm, *, output: Port, library: Library | None = None) -> Heard:
    """Hear samples of 16 kHz with the gateway's lane; `output` is the plan's."""
    windows: list[Scores] = []
    model = open_model(bundle, library=library, kernels="reference")
    lane = Lane(bundle, model, watch=lambda scores, _: windows.append(scores))
    try:
        chunk = Chunk(samples.reshape(-1, 1), rate_hz=RATE_HZ, first=0, ended_ns=0, fresh=True)
        events = [*lane.hear(chunk), *lane.finish()] if len(samples) else []
    finally:
        lane.close()
    return Heard(
        tuple(_raw(scores, output) for scores in windows),
        tuple(event.decision for event in events),
    )


def _raw(scores: Scores, output: Port) -> bytes:
    """The network's output that these posteriors were."""
    whole = np.rint(np.asarray(scores.values, np.float64) / output.scale) + output.zero
    return bytes(whole.astype(output.dtype).tobytes())


def compare(heard: Heard, outputs: bytes, events: Sequence[Mapping[str, Any]]) -> Compared:
    """Lay the board's outputs, one after the other, and its events beside the gateway's."""
    ours = b"".join(heard.outputs)
    size = len(heard.outputs[0]) if heard.outputs else 1
    differ = [at for at, output in enumerate(heard.outputs) if outputs[at * size : (at + 1) * size] != output]
    beyond = max(0, len(outputs) - len(ours)) // size  # windows that the gateway does not have
    expected = [_named(decision) for decision in heard.decisions]
    found = [(event["kind"], event["label"], event["began_sample"], event["score"]) for event in events]
    same = sum(one == other for one, other in zip(expected, found, strict=False))
    return Compared(
        windows=len(heard.outputs) + beyond,
        agree=len(heard.outputs) - len(differ),
        first_difference=differ[0] if differ else len(heard.outputs) if beyond else None,
        decisions=len(expected),
        events=len(found),
        same_events=same,
    )


def _named(decision: Decision) -> tuple[str, str, int, float]:
    """A decision as it goes over the line."""
    score = math.floor(decision.score * POSTERIOR_ONE + 0.5) / POSTERIOR_ONE
    return decision.kind, decision.label, decision.began, score
