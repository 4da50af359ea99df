"""The formulas behind mel spectra, as TensorFlow defines them, in float64: windows, filter bank, cosine transform.

Everything here works on rows and gives each row the same bits however many rows come with it. That is why there is no
matrix product: a BLAS takes another kernel, and so another order of summation, for another number of rows. A filter
touches few bins, so its sum is over these bins only, in their order.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.float64]
"""Shape (rows, something)."""


def hann(length: int) -> NDArray[np.float64]:
    """``tf.signal.hann_window(length)``: periodic."""
    return _raised_cosine(length, alpha=0.5, period=length - length % 2)


def hamming(length: int) -> NDArray[np.float64]:
    """``tf.signal.hamming_window(length, periodic=False)``: symmetric."""
    return _raised_cosine(length, alpha=0.54, period=length - 1)


def _raised_cosine(length: int, *, alpha: float, period: int) -> NDArray[np.float64]:
    phase = 2 * np.pi * np.arange(length, dtype=np.float64) / max(1, period)
    return np.asarray(alpha - (1 - alpha) * np.cos(phase))


def fft_length(window: int) -> int:
    """The smallest power of two that holds the window, as ``tf.signal.stft`` takes."""
    return 1 << (window - 1).bit_length()


def power_spectra(frames: Rows, *, length: int) -> Rows:
    """Squared magnitudes of the real FFT of that length, shape (rows, length // 2 + 1)."""
    spectra = np.fft.rfft(frames, length)
    return np.asarray(np.square(spectra.real) + np.square(spectra.imag), dtype=np.float64)


def mel_of_hz(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """HTK's mel scale."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hz, dtype=np.float64) / 700.0))


def mel_matrix(*, rate_hz: int, bins: int, bands: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """``tf.signal.linear_to_mel_weight_matrix``, shape (bins, bands): triangles in mel, no DC bin."""
    edges = np.linspace(mel_of_hz(low_hz), mel_of_hz(high_hz), bands + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    mels = mel_of_hz(np.linspace(0.0, rate_hz / 2, bins))[1:, None]
    triangles = np.minimum((mels - lower) / (centre - lower), (upper - mels) / (upper - centre))
    return np.vstack((np.zeros((1, bands)), np.maximum(0.0, triangles)))


def dct_matrix(*, bands: int, coefficients: int) -> NDArray[np.float64]:
    """The first coefficients of ``tf.signal.mfccs_from_log_mel_spectrograms``, shape (bands, coefficients)."""
    band = np.arange(bands, dtype=np.float64)[:, None]
    order = np.arange(coefficients, dtype=np.float64)
    return np.asarray(2 / np.sqrt(2 * bands) * np.cos(np.pi * (band + 0.5) * order / bands))


class RowProduct:
    """``rows @ matrix``, computed for each row alone: the nonzero part of each column is summed in its order."""

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        spans = [_span(column) for column in matrix.T]
        self._taken = np.concatenate([np.arange(first, last) for first, last in spans])
        self._weights = np.concatenate([matrix[first:last, i] for i, (first, last) in enumerate(spans)])
        lengths = [last - first for first, last in spans]
        self._starts = np.cumsum([0, *lengths[:-1]])

    def __call__(self, rows: Rows) -> Rows:
        """Shape (rows, inputs) to shape (rows, columns)."""
        products = np.take(rows, self._taken, axis=1)
        products *= self._weights
        return np.asarray(np.add.reduceat(products, self._starts, axis=1))


def _span(column: NDArray[np.float64]) -> tuple[int, int]:
    """First and last + 1 of the nonzero inputs; one input of weight 0 where there are none."""
    (nonzero,) = np.nonzero(column)
    return (int(nonzero[0]), int(nonzero[-1]) + 1) if len(nonzero) else (0, 1)
