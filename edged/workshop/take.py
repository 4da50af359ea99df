"""Whether a take is fit for a dataset: not clipped, not too quiet, not too short, and not there already.

The same audio is recognised by the sha256 of its samples, and, where it was resampled, turned louder or softer, cut
otherwise or compressed on the way, by its sound: takes whose mean spectra are alike are laid over each other at the
best of all shifts, and are the same audio where they correlate as two takes of one word never do. Mean spectra of
thousands of clips are compared at once; only the few that are alike are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.level import FULL_SCALE, SILENCE_DBFS
from edged.workshop.dataset import RATE_HZ, digest
from edged.workshop.silence import levels_db

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edged.records import Pcm

CLIPPED_RUN: Final = 3
"""So many samples on end at full scale are clipped; a recording that is merely loud touches it with one."""
CLIPPED_SAMPLES: Final = 16
"""Fewer clipped samples than a millisecond's, at 16 kHz, are nothing."""
CLIPPED_SHARE: Final = 0.001
"""Of a take's samples: from here on it is clipped."""
QUIET_DBFS: Final = -50.0
"""Loudest 100 ms of a take that is too quiet: 16 bits have little left of it."""
SHORTEST_S: Final = 0.1
BANDS: Final = 24
LOWEST_HZ: Final = 100.0
HIGHEST_HZ: Final = 3500.0
"""The spectrum above it does not survive telephones and compression."""
ALIKE_DB: Final = 1.0
"""Mean difference of two mean spectra up to which two takes may be the same audio; resampled to 44.1 kHz, softened by
8 dB and compressed as OGG, a take differs from itself by 0.4."""
NEAREST: Final = 8
"""So many takes are laid over a new one at most, those most alike: of one machine's hum, all are."""
SAME: Final = 0.8
"""Correlation from which on they are: treated so, a take has 0.85 and more with itself, and another one of the same
word by the same speaker 0.65 and less."""
FRAME: Final = 512
COMPARED: Final = 30 * RATE_HZ
"""Samples of a take that are compared: its first half minute."""


def clipped_at(samples: Pcm) -> NDArray[np.intp]:
    """Find the clipped sample frames of a recording, shape (n, channels): their indices, in order."""
    full = ((samples >= FULL_SCALE - 1) | (samples <= -FULL_SCALE)).any(axis=1)
    if not full.any():
        return np.zeros(0, np.intp)
    runs = np.flatnonzero(np.diff(np.concatenate([[0], full.view(np.int8), [0]]))).reshape(-1, 2)
    long = runs[runs[:, 1] - runs[:, 0] >= CLIPPED_RUN]
    return np.concatenate([np.arange(start, stop) for start, stop in long] or [np.zeros(0, np.intp)])


def loudest_dbfs(samples: Pcm) -> float:
    """Give the level of the loudest 100 ms, shape (n,), 16 kHz."""
    found = levels_db(samples, rate_hz=RATE_HZ, piece_ms=min(100, max(1, len(samples) * 1000 // RATE_HZ)))
    return float(found.max()) if len(found) else SILENCE_DBFS


def fault(samples: Pcm, *, clipped: int, may_be_quiet: bool = False) -> str:
    """Say why a take, shape (n,), 16 kHz, is not fit, as a clause; empty where it is.

    Args:
        samples: The take.
        clipped: How many of its samples were clipped when it was recorded.
        may_be_quiet: Whether it is what a model is to ignore, which may be next to nothing.
    """
    if len(samples) < SHORTEST_S * RATE_HZ:
        return f"too short: {len(samples) * 1000 // RATE_HZ} ms"
    if clipped >= max(CLIPPED_SAMPLES, CLIPPED_SHARE * len(samples)):
        return f"clipped: {clipped} samples at full scale; turn the microphone down, or go further from it"
    if may_be_quiet:
        return ""
    loudest = loudest_dbfs(samples)
    if loudest <= SILENCE_DBFS:
        return "digital silence; is the microphone muted?"
    if loudest < QUIET_DBFS:
        return f"too quiet: {loudest:.0f} dBFS at its loudest; go nearer to the microphone, or turn it up"
    return ""


class Known:
    """The takes there are, by what they sound like."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._by_digest: dict[str, int] = {}
        self._reads: list[Callable[[], Pcm]] = []
        self._spectra: NDArray[np.float32] = np.zeros((0, BANDS), np.float32)

    def add(self, name: str, samples: Pcm, *, read: Callable[[], Pcm]) -> None:
        """Take note of a take; `read` gives its samples again."""
        self._by_digest.setdefault(digest(samples), len(self._names))
        if len(self._spectra) == len(self._names):
            self._spectra = np.resize(self._spectra, (2 * len(self._names) + 16, BANDS))
        self._spectra[len(self._names)] = mean_spectrum(samples)
        self._names.append(name)
        self._reads.append(read)

    def same_as(self, samples: Pcm) -> str:
        """Name the take that is the same audio; empty where there is none."""
        exact = self._by_digest.get(digest(samples))
        if exact is not None:
            return self._names[exact]
        spectra = self._spectra[: len(self._names)]
        difference = np.abs(spectra - mean_spectrum(samples)).mean(axis=1)
        for at in np.argsort(difference, kind="stable")[:NEAREST].tolist():
            if difference[at] < ALIKE_DB and correlation(samples, self._reads[at]()) > SAME:
                name: str = self._names[at]
                return name
        return ""


def mean_spectrum(samples: Pcm) -> NDArray[np.float32]:
    """Give the mean power in `BANDS` bands, in dB about their mean, shape (BANDS,): the same however loud it is."""
    compared = samples[:COMPARED].astype(np.float32)
    padded = np.pad(compared, (0, max(0, FRAME - len(compared))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[:: FRAME // 2]
    power = (np.abs(np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2).mean(axis=0)
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * FRAME / RATE_HZ
    sums = np.concatenate([[0.0], np.cumsum(power)])
    totals = np.diff(np.interp(edges, np.arange(len(sums)), sums)) / np.diff(edges)
    db = 10 * np.log10(np.maximum(totals, 1e-3))
    return np.asarray(db - db.mean(), np.float32)


def correlation(a: Pcm, b: Pcm) -> float:
    """Give the greatest correlation of two takes over all shifts, 0 to 1; what overhangs counts as silence.

    Only what lies between `LOWEST_HZ` and `HIGHEST_HZ` counts, and that in proportion to its frequency: offset and hum
    of one microphone are in all of its takes, and one vowel of a voice is much like another.
    """
    first, second = a[:COMPARED], b[:COMPARED]
    size = 1 << (len(first) + len(second) - 1).bit_length()
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    weight = np.where((hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ), hz, 0.0)
    one, other = np.fft.rfft(first, size) * weight, np.fft.rfft(second, size) * weight
    scale = np.linalg.norm(np.fft.irfft(one, size)) * np.linalg.norm(np.fft.irfft(other, size))
    return float(np.abs(np.fft.irfft(one * other.conj(), size)).max() / scale) if scale else 0.0
