"""Samples cut into overlapping frames, whatever pieces they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edged.records import Pcm


class Framer:
    """Frame k is the samples from ``k * step`` to ``k * step + length``; between pushes it holds less than `length`.

    Args:
        length: Samples in a frame.
        step: Samples from one frame to the next, at most `length`.
        before: Zeros that are taken as heard before the first sample.
    """

    def __init__(self, *, length: int, step: int, before: int = 0) -> None:
        self._length = length
        self._step = step
        self._before = before
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._rest: Pcm = np.zeros(self._before, dtype=np.int16)

    def push(self, samples: Pcm) -> Pcm:
        """Take int16 samples, shape (n,); give the frames they complete: a read-only view of shape (frames, length)."""
        heard = np.concatenate((self._rest, samples), dtype=np.int16, casting="no")
        count = max(0, (len(heard) - self._length) // self._step + 1)
        self._rest = heard[count * self._step :].copy()
        # The constructor lays overlapping rows over the buffer; sliding_window_view does the same, twenty times slower.
        size = heard.itemsize
        frames: Pcm = np.ndarray((count, self._length), np.int16, heard, strides=(self._step * size, size))
        frames.flags.writeable = False
        return frames
