"""No features at all: the samples as float32, one a frame, for models that take the waveform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from edged.records import Frames, Pcm


class PcmFrontEnd:
    """Each sample is a frame of one feature: its int16 value times `scale`, in float32."""

    window: Final = 1
    step: Final = 1
    width: Final = 1

    def __init__(self, *, rate_hz: int = 16_000, scale: float = 1.0) -> None:
        self.rate_hz: Final = rate_hz
        self._scale = np.float32(scale)

    def push(self, samples: Pcm) -> Frames:
        """Frames completed by the samples; see `edged.features.frontend.FrontEnd`."""
        frames = samples.astype(np.float32)
        frames *= self._scale
        return frames.reshape(-1, 1)

    def reset(self) -> None:
        """There is nothing to forget: no frame rests on an earlier sample."""
