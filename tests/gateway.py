"""What the gateway makes of a sound, for boards to be measured by: its lane, with the reference kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from speech import RATE_HZ as SPEECH_HZ
from speech import say

from edged.audio.resample import Converter
from edged.classify.model import open_model
from edged.classify.runtime import choose, open_interpreter
from edged.lane import Lane
from edged.records import Chunk

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels
    from edged.records import Decision, Pcm, Scores

RATE_HZ = 16_000
PAUSE = np.zeros(RATE_HZ, np.int16)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was made of a sound."""

    outputs: list[bytes]
    """Of each window, as the network gives them."""
    ends: list[int]
    """Of each window, the sample index."""
    decisions: list[Decision]
    """Those at the end of the stream left out: a board's stream does not end."""


def heard(bundle: Bundle, samples: Pcm, *, kernels: Kernels = "reference") -> Heard:
    """Hear samples of 16 kHz."""
    windows: list[Scores] = []
    lane = Lane(bundle, open_model(bundle, kernels=kernels), watch=lambda scores, _: windows.append(scores))
    chunk = Chunk(samples.reshape(-1, 1), rate_hz=RATE_HZ, first=0, ended_ns=0, fresh=True)
    decisions = [event.decision for event in lane.hear(chunk)]
    lane.close()
    outputs = _outputs(bundle, np.array([scores.values for scores in windows]))
    return Heard(outputs, [scores.ends for scores in windows], decisions)


def _outputs(bundle: Bundle, posteriors: NDArray[np.float32]) -> list[bytes]:
    """The bytes that these posteriors were; exact, since each came of one."""
    interpreter = open_interpreter(bundle.model, library=choose(), kernels="reference", file=bundle.path)
    (gives,) = interpreter.get_output_details()
    scale, zero = gives["quantization"]
    whole = np.rint(posteriors.astype(np.float64) / scale) + zero
    assert np.abs(posteriors - (whole - zero) * scale).max() < scale / 1000
    return [row.astype(gives["dtype"]).tobytes() for row in whole]


def at_16_khz(samples: Pcm, *, rate_hz: int) -> Pcm:
    """A mono recording in the boards' rate."""
    converter = Converter(rate_hz, 1, RATE_HZ)
    return np.concatenate([converter.push(samples.reshape(-1, 1)), converter.flush()])


def words(folder: Path, *said: tuple[str, str]) -> Pcm:
    """Phrases by (words, voice), 16 kHz, with a second's pause before, between and after them."""
    parts = [PAUSE]
    for text, voice in said:
        parts += [at_16_khz(say(text, voice=voice, folder=folder), rate_hz=SPEECH_HZ), PAUSE]
    return np.concatenate(parts)
