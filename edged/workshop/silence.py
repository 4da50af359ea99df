"""Where in a recording something is to be heard. Pure: levels of short pieces, and their distance from the room's.

A piece counts as sound when it stands out from the quiet of the same recording. Where nothing stands out the sound is
steady, a hum or rain, and all of it is sound. A margin is left on both sides: words begin and end more softly than
they are in the middle, and a model must hear that too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.audio.level import FULL_SCALE, SILENCE_DBFS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.records import Pcm

PIECE_MS: Final = 10
STEADY_DB: Final = 12.0
"""A recording whose loudest and quietest pieces are nearer than this is steady."""
STANDS_OUT: Final = 0.3
"""Of the distance, in dB, from the quiet to the loudest: from here on a piece is sound."""
DEEPEST_DB: Final = 40.0
"""Below the loudest: what is softer is never sound, however quiet the quiet is."""
LEAST_MS: Final = 50
"""Sound that is shorter is a click."""
MARGIN_MS: Final = 200
"""Left on both sides."""
LONG_MS: Final = 1000
"""Quiet that is longer parts two sounds."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a recording, in samples."""

    start: int
    stop: int


def levels_db(samples: Pcm, *, rate_hz: int, piece_ms: int = PIECE_MS) -> NDArray[np.float64]:
    """Give the RMS level of each piece, in dBFS, -120 for digital silence; a rest that fills no piece is left out."""
    size = rate_hz * piece_ms // 1000
    count = len(samples) // size
    pieces = samples[: count * size].reshape(count, size).astype(np.float64)
    power = np.einsum("ij,ij->i", pieces, pieces) / size / FULL_SCALE**2
    db: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DBFS / 10)))
    return db


def sounds(samples: Pcm, *, rate_hz: int) -> list[Span]:
    """Find the sounds of a recording, shape (n,), in order, with their margins; those near each other are one."""
    found = levels_db(samples, rate_hz=rate_hz)
    if not len(found):
        return []
    quiet, loud = np.percentile(found, 10), found.max()
    if loud - quiet < STEADY_DB:
        return [Span(0, len(samples))] if loud > SILENCE_DBFS else []
    over = found > max(quiet + STANDS_OUT * (loud - quiet), loud - DEEPEST_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over.view(np.int8), [0]])))
    runs = edges.reshape(-1, 2)
    near = _joined(runs, nearer=LEAST_MS // PIECE_MS)
    long_enough = [(start, stop) for start, stop in near if stop - start >= LEAST_MS // PIECE_MS]
    size, margin = rate_hz * PIECE_MS // 1000, rate_hz * MARGIN_MS // 1000
    return [
        Span(max(0, start * size - margin), min(len(samples), stop * size + margin))
        for start, stop in _joined(long_enough, nearer=LONG_MS // PIECE_MS)
    ]


def _joined(runs: NDArray[np.intp] | list[tuple[int, int]], *, nearer: int) -> list[tuple[int, int]]:
    """Join runs whose distance is less than `nearer` pieces."""
    joined: list[tuple[int, int]] = []
    for start, stop in runs:
        if joined and start - joined[-1][1] < nearer:
            joined[-1] = (joined[-1][0], int(stop))
        else:
            joined.append((int(start), int(stop)))
    return joined
