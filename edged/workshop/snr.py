"""How loud a sound is where it sounds, and noise set beside it at a given ratio. Pure.

A clip is mostly not its word: measured over all of it, the same word in a longer clip would be "quieter". So levels
are those of the *active* samples. The clip is cut into frames of 20 ms, and a frame is active when it is no more than
30 dB below the clip's loudest, and stands out of the clip's own floor (its 10th percentile) by at least a third of
what the loudest does, in dB. SNR is the power over the active samples against the power of the noise, over as much of
it as was drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.records import Pcm

FRAME_S: Final = 0.02
DEPTH_DB: Final = 30.0
FLOOR_PERCENTILE: Final = 10
PAUSE_S: Final = 0.3
"""A word has no longer pause within it."""
_TINY: Final = 1e-3
"""Power of less than digital silence with one lost bit: what has no logarithm is taken for this."""


def active(samples: Pcm, *, rate_hz: int) -> NDArray[np.bool_]:
    """Which samples belong to the sound, shape (n,); of digital silence all do."""
    frame = max(1, round(FRAME_S * rate_hz))
    whole = max(1, len(samples) // frame)
    padded = np.zeros(whole * frame) if len(samples) < frame else samples[: whole * frame].astype(np.float64)
    levels = 10 * np.log10(np.maximum(np.mean(padded.reshape(whole, frame) ** 2, axis=1), _TINY))
    loudest, floor = float(levels.max()), float(np.percentile(levels, FLOOR_PERCENTILE))
    loud = levels >= max(loudest - DEPTH_DB, floor + (loudest - floor) / 3)
    mask = np.repeat(loud, frame)[: len(samples)]
    return np.concatenate([mask, np.full(len(samples) - len(mask), fill_value=bool(loud[-1]))])


def span(samples: Pcm, *, rate_hz: int) -> tuple[int, int]:
    """From the first sample of the sound to just past its last: of what is active, the part with most of the energy.

    Stretches with no more than 0.3 s between them are one; a click before the word or a chair after it is none of it.
    """
    places = np.flatnonzero(active(samples, rate_hz=rate_hz))
    if not len(places):
        return 0, len(samples)
    energy = np.square(samples[places], dtype=np.float64)
    cuts = np.flatnonzero(np.diff(places) > PAUSE_S * rate_hz) + 1
    parts = np.split(np.arange(len(places)), cuts)
    most = max(parts, key=lambda part: float(energy[part].sum()))
    return int(places[most[0]]), int(places[most[-1]]) + 1


def active_rms(samples: Pcm, *, rate_hz: int) -> float:
    """Root mean square over the active samples, in int16's own unit."""
    return rms(samples[active(samples, rate_hz=rate_hz)])


def rms(samples: NDArray[np.generic]) -> float:
    """Root mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def to_pcm(samples: NDArray[np.float64]) -> Pcm:
    """Rounded to nearest and clipped to int16."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
