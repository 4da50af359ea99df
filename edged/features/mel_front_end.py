"""The front ends that rest on a mel spectrum: log-mel, MFCC, LFBE. The equations stand in `docs/FEATURES.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import numpy as np

from edged.features.framing import Framer
from edged.features.mel import RowProduct, Rows, dct_matrix, fft_length, hamming, hann, mel_matrix, power_spectra
from edged.features.spec import Lfbe, LogMel, MelSpec, Mfcc, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.records import Frames, Pcm

    Analysis: TypeAlias = Callable[[Pcm], Rows]
    """int16 frames, shape (frames, samples), to features, shape (frames, width)."""

FULL_SCALE: Final = 32_768
"""The int16 value that counts as 1.0."""
BLOCK_FRAMES: Final = 64
"""Frames analysed together at most: it bounds the memory of a long push, and keeps a block in the cache."""
PRE_EMPHASIS: Final = 1 - 2**-5
POWER_FLOOR: Final = 1e-30
LFBE_OFFSET_DB: Final = 52.0
LFBE_RANGE_DB: Final = 64.0
"""These four: mlcommons/tiny, benchmark/training/streaming_wakeword/get_dataset.py."""


class MelFrontEnd:
    """Framing, then the analysis that the record asks for, in float64, given out as float32."""

    def __init__(self, spec: MelSpec) -> None:
        self.rate_hz: Final = spec.rate_hz
        self.window: Final = samples_of("window_ms", ms=spec.window_ms, rate_hz=spec.rate_hz)
        self.step: Final = samples_of("step_ms", ms=spec.step_ms, rate_hz=spec.rate_hz)
        self.width: Final = spec.coefficients if isinstance(spec, Mfcc) else spec.bands
        # Pre-emphasis looks back one sample: its frames are one longer, and the first sample of all follows a zero.
        back = 1 if isinstance(spec, Lfbe) else 0
        self._framer = Framer(length=self.window + back, step=self.step, before=back)
        self._analyse = _analysis(spec, window=self.window)

    def push(self, samples: Pcm) -> Frames:
        """Frames completed by the samples; see `edged.features.frontend.FrontEnd`."""
        frames = self._framer.push(samples)
        features = np.empty((len(frames), self.width), dtype=np.float32)
        for first in range(0, len(frames), BLOCK_FRAMES):
            block = slice(first, first + BLOCK_FRAMES)
            features[block] = self._analyse(frames[block])
        return features

    def reset(self) -> None:
        """Forget everything heard."""
        self._framer.reset()


def _analysis(spec: MelSpec, *, window: int) -> Analysis:
    match spec:
        case LogMel():
            return _log_mel(spec, window=window)
        case Mfcc():
            return _mfcc(spec, window=window)
        case Lfbe():
            return _lfbe(spec, window=window)
        case _:
            assert_never(spec)


def _bank(spec: MelSpec, *, length: int) -> RowProduct:
    bins = length // 2 + 1
    return RowProduct(
        mel_matrix(rate_hz=spec.rate_hz, bins=bins, bands=spec.bands, low_hz=spec.low_hz, high_hz=spec.high_hz)
    )


def _log_mel(spec: LogMel | Mfcc, *, window: int) -> Analysis:
    taper = hann(window) * (spec.gain / FULL_SCALE)
    length = fft_length(window)
    bank = _bank(spec, length=length)

    def analyse(frames: Pcm) -> Rows:
        magnitudes = np.sqrt(power_spectra(frames * taper, length=length))
        return np.asarray(np.log(bank(magnitudes) + spec.offset))

    return analyse


def _mfcc(spec: Mfcc, *, window: int) -> Analysis:
    log_mel = _log_mel(spec, window=window)
    transform = RowProduct(dct_matrix(bands=spec.bands, coefficients=spec.coefficients))
    return lambda frames: transform(log_mel(frames))


def _lfbe(spec: Lfbe, *, window: int) -> Analysis:
    taper = hamming(window) * (spec.gain / FULL_SCALE)
    length = fft_length(window)
    bank = _bank(spec, length=length)

    def analyse(frames: Pcm) -> Rows:
        emphasised = frames[:, 1:] - PRE_EMPHASIS * frames[:, :-1]
        power = power_spectra(emphasised * taper, length=length) / window
        decibel = 10 * np.log10(np.maximum(bank(power), POWER_FLOOR))
        return np.asarray(np.clip((decibel + LFBE_OFFSET_DB) / LFBE_RANGE_DB, 0.0, 1.0))

    return analyse
