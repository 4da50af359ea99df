"""How loud the sound is, and whether it is sound at all. Pure: time is counted in samples.

A muted or broken microphone delivers one unchanging value for ever, nearly always zero; one that is turned up too far
delivers full scale. Both look alive to every check of the stream, and neither can be classified: they are states to
publish.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from edged.records import Pcm

State = Literal["hearing", "silent", "clipped"]

FULL_SCALE = 32768
SILENCE_DBFS = -120.0
"""Stands for digital silence, whose level would be minus infinity."""
SILENT_AFTER_S = 5.0
CLIPPED_SHARE = 0.01
"""Of a second's samples at full scale: from here on one hears it."""
CALM_S = 3
"""Seconds without clipping after which it is over."""


def dbfs(samples: Pcm) -> float:
    """Return the level of int16 samples of any shape: RMS in dB, 0 for a full-scale square wave, never under -120."""
    if not samples.size:
        return SILENCE_DBFS
    flat = samples.reshape(-1).astype(np.float32)
    power = float(np.dot(flat, flat)) / flat.size
    return max(SILENCE_DBFS, 10 * math.log10(power / FULL_SCALE**2)) if power else SILENCE_DBFS


class Level:
    """Tells `hearing` from `silent` and `clipped`, chunk by chunk.

    Args:
        rate_hz: Of the audio that will be fed.
        silent_after_s: So long nothing but one value, and the source is silent. One differing sample ends it.
    """

    def __init__(self, *, rate_hz: int, silent_after_s: float = SILENT_AFTER_S) -> None:
        self.state: State = "hearing"
        self._second = rate_hz
        self._silent_after = int(silent_after_s * rate_hz)
        self._value = 0
        self._still = 0
        self._counted = 0
        self._at_full_scale = 0
        self._calm = CALM_S

    def feed(self, samples: Pcm) -> State:
        """Take the next chunk, shape (n, channels), and return the state after it."""
        flat = samples.reshape(-1)
        # Half the cost of .min() and .max(), which go through Python.
        low, high = int(np.minimum.reduce(flat)), int(np.maximum.reduce(flat))
        goes_on = low == high == self._value
        self._still = (self._still if goes_on else 0) + (len(samples) if low == high else 0)
        self._value = low
        self._count_full_scale(samples, low=low, high=high)
        if self._still and self._still >= self._silent_after:
            self.state = "silent"
        else:
            self.state = "hearing" if self._calm >= CALM_S else "clipped"
        return self.state

    def _count_full_scale(self, samples: Pcm, *, low: int, high: int) -> None:
        if low == -FULL_SCALE or high == FULL_SCALE - 1:
            full = np.count_nonzero((samples == FULL_SCALE - 1) | (samples == -FULL_SCALE))
            self._at_full_scale += int(full) // samples.shape[1]
        self._counted += len(samples)
        if self._counted >= self._second:
            clipped = self._at_full_scale > CLIPPED_SHARE * self._counted
            self._calm = 0 if clipped else min(self._calm + 1, CALM_S)
            self._counted = self._at_full_scale = 0
