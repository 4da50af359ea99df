"""TensorFlow Lite Micro's audio front end, as microWakeWord's models and micro_speech want it.

pymicro-features is that C code. It takes exactly 160 samples (10 ms) at a time, keeps the overlap itself, and gives its
first frame with the third piece. Its values are whole multiples of 10/256, so float32 holds them exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pymicro_features import MicroFrontend

if TYPE_CHECKING:
    from edged.records import Frames, Pcm

PIECE: Final = 160
"""Samples in a call of the C code: kept in step with its own 10 ms."""
PIECE_BYTES: Final = 2 * PIECE


class MicroFrontEnd:
    """40 channels with noise suppression and gain control, 30 ms window, 10 ms step (times `every`)."""

    rate_hz: Final = 16_000
    window: Final = 480
    width: Final = 40

    def __init__(self, *, every: int = 1) -> None:
        self.step: Final = PIECE * every
        self._every = every
        self._skip = 0
        self._rest = b""
        self._frontend = MicroFrontend()

    def push(self, samples: Pcm) -> Frames:
        """Frames completed by the samples; see `edged.features.frontend.FrontEnd`."""
        rows = self._rows(self._rest + samples.tobytes())
        kept = rows[self._skip :: self._every]
        self._skip = (self._skip - len(rows)) % self._every
        return np.array(kept, dtype=np.float32) if kept else np.empty((0, self.width), dtype=np.float32)

    def _rows(self, heard: bytes) -> list[list[float]]:
        process = self._frontend.process_samples
        rows, at = [], 0
        while at + PIECE_BYTES <= len(heard):
            out = process(heard[at : at + PIECE_BYTES])
            at += 2 * out.samples_read
            if out.features:
                rows.append(out.features)
        self._rest = heard[at:]
        return rows

    def reset(self) -> None:
        """Forget everything heard."""
        self._frontend.reset()
        self._rest = b""
        self._skip = 0
