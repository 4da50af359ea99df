"""Noise from a dataset, drawn at random places, at a level of one.

What is drawn depends on the generator alone. A recording that is over goes on with another, drawn anew; the joint is
faded over 10 ms so that it does not click. Each is brought to the same level, over its whole length; stretches of it
that are more than 20 dB softer than that are not drawn for a clip, where noise that is not there would be turned up.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.errors import DatasetError
from edged.workshop.dataset import RATE_HZ, read_audio
from edged.workshop.snr import rms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.workshop.dataset import Clip

FADE: Final = RATE_HZ // 100
_SOFT: Final = 0.1
"""Of the recording's level: 20 dB below it."""
_TRIES: Final = 20


class Noise:
    """An endless run of noise of RMS 1, 16 kHz, from these clips.

    Args:
        clips: Recordings of noise.
        rng: Draws which, and from where.

    Raises:
        DatasetError: Not one of them is to be heard.
    """

    def __init__(self, clips: Sequence[Clip], *, rng: np.random.Generator) -> None:
        self._clips = [clip for clip in clips if _sounds(clip)]
        if not self._clips:
            what = "there is no sound in any of its clips" if clips else "there are no clips to draw noise from"
            file = clips[0].path.parent if clips else None
            raise DatasetError(what, file=file, key="--noise", way_out="Name a dataset with noise in it")
        self._rng = rng
        self._rest = np.zeros(0)

    def take(self, count: int) -> NDArray[np.float64]:
        """The next so many samples, shape (count,)."""
        while len(self._rest) < count:
            more = self._drawn()
            fade = min(FADE, len(more))
            more[:fade] *= np.linspace(0, 1, fade)
            more[-fade:] *= np.linspace(1, 0, fade)
            self._rest = np.concatenate([self._rest, more])
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def piece(self, count: int) -> NDArray[np.float64]:
        """So many samples from somewhere else each time, shape (count,), of RMS 1 themselves; not from a soft place."""
        for _ in range(_TRIES):
            self._rest = np.zeros(0)
            drawn = self.take(count)
            if rms(drawn) > _SOFT:
                break
        return drawn / (rms(drawn) or 1.0)

    def _drawn(self) -> NDArray[np.float64]:
        samples = _audio(self._clips[int(self._rng.integers(len(self._clips)))])
        at = int(self._rng.integers(max(1, len(samples) - FADE)))
        return samples[at:] / rms(samples)


@lru_cache(maxsize=10_000)
def _sounds(clip: Clip) -> bool:
    """Whether there is anything in it; asked of every clip for every piece, so that it is remembered."""
    return rms(_audio(clip)) > 0


@lru_cache(maxsize=64)
def _audio(clip: Clip) -> NDArray[np.float64]:
    return read_audio(clip).astype(np.float64)
