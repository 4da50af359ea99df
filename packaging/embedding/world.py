"""What happens to a sound before a gateway hears it, and the window in which it then stands.

Every sound gets another microphone (a smooth response, and often a band limit, as of a telephone), more often than not
another room, noise at 3 to 45 dB below it, and another level; recordings are made faster and slower as well. Of what
comes of it the micro front end makes frames, and the last 118 of them, 1.2 s, are the window. The 0.6 s before are
heard too, so that the front end has settled on the noise, as it has on the road.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.features.micro import MicroFrontEnd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Wave = NDArray[np.float32]
    Window = NDArray[np.uint8]

RATE_HZ: Final = 16_000
FRAMES: Final = 118
WIDTH: Final = 40
SPAN: Final = (FRAMES - 1) * 160 + 480
"""Samples in a window."""
LEAD: Final = 10_000
"""Samples before it."""
SCALE: Final = 9.8
"""Windows are kept as bytes: the front end's values, which end at 26, times this."""
MARGIN: Final = 200
ROOMS: Final = 200
SNR_DB: Final = (3, 45)
SPEED: Final = (0.86, 1.16)
_FFT: Final = 32_768
_WHOLE: Final = LEAD + SPAN


class World:
    """Rooms, microphones and noises, drawn by one generator.

    Args:
        rng: Draws everything.
        noises: Recordings of noise, float32, 16 kHz, each longer than a window with what is before it.
    """

    def __init__(self, rng: np.random.Generator, noises: Sequence[Wave]) -> None:
        self.rng = rng
        self._noises = noises
        self._rooms = [self._room() for _ in range(ROOMS)]
        self._hz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
        self._octave = np.log2(np.maximum(self._hz, 1) / 8000) + 8

    def word(self, wave: Wave) -> Window:
        """A window with a word that is nothing but the word, shape (n,), anywhere in it."""
        if self.rng.random() < 0.3:  # noqa: PLR2004 - three in ten are said faster or slower than the voice does
            wave = self._paced(wave)[0]
        slack = SPAN - len(wave) - 2 * MARGIN
        late = int(self.rng.uniform(0, slack)) + MARGIN if slack > 0 else int(self.rng.uniform(slack, 0) * 0.5)
        whole = np.zeros(_WHOLE, np.float32)
        count = min(len(wave), _WHOLE - LEAD - late)
        whole[LEAD + late : LEAD + late + count] = wave[:count]
        whole = self._through(whole)
        snr_db = self.rng.uniform(*SNR_DB)
        return self._heard(whole + self._noise() * _loudness(wave) * 10 ** (-snr_db / 20))

    def recording(self, wave: Wave, sound: slice) -> Window:
        """A window of a recording, shape (n,), with its sound in it, or so much as there is room for."""
        wave, factor = self._paced(wave)
        start, stop = int(sound.start / factor), int(sound.stop / factor)
        slack = SPAN - (stop - start) - 2 * MARGIN
        late = int(self.rng.uniform(0, slack)) + MARGIN if slack > 0 else -int(self.rng.uniform(0, -slack))
        first = start - late - LEAD
        whole = np.zeros(_WHOLE, np.float32)
        low, high = max(0, first), min(len(wave), first + _WHOLE)
        whole[low - first : high - first] = wave[low:high]
        whole = self._through(whole)
        noise = self._noise()
        return self._heard(whole + noise * _loudness(wave[start:stop]) * 10 ** (-self.rng.uniform(*SNR_DB) / 20))

    def _paced(self, wave: Wave) -> tuple[Wave, float]:
        factor = self.rng.uniform(*SPEED)
        count = int(len(wave) / factor)
        return np.interp(np.arange(count) * factor, np.arange(len(wave)), wave).astype(np.float32), factor

    def _heard(self, whole: Wave) -> Window:
        whole = whole / (np.abs(whole).max() + 1e-9) * 10 ** (self.rng.uniform(-30, -0.5) / 20)
        pcm = np.clip(whole * 32767, -32768, 32767).astype(np.int16)
        return as_bytes(MicroFrontEnd().push(pcm)[-FRAMES:])

    def _room(self) -> NDArray[np.complex64]:
        rng = self.rng
        length = int(rng.uniform(0.08, 0.7) * RATE_HZ)
        tail = rng.standard_normal(length) * np.exp(np.arange(length) * (-3 * np.log(10) / length))
        tail[:32] = 0
        tail *= np.sqrt(rng.choice([0.05, 0.1, 0.2, 0.5, 1, 2]) / np.square(tail).sum())
        tail[0] = 1
        return np.fft.rfft(tail, _FFT).astype(np.complex64)

    def _through(self, wave: Wave) -> Wave:
        """Another microphone, and perhaps another room."""
        rng = self.rng
        gain = 10 ** (np.interp(self._octave, np.arange(9), rng.uniform(-7, 7, 9)) / 20)
        if rng.random() < 0.3:  # noqa: PLR2004 - three in ten
            cut_hz = rng.uniform(3300, 7000)
            gain = gain / (1 + (self._hz / cut_hz) ** rng.uniform(8, 40))
        spectrum = np.fft.rfft(wave, _FFT) * gain
        if rng.random() < 0.55:  # noqa: PLR2004 - more often than not
            spectrum = spectrum * self._rooms[rng.integers(len(self._rooms))]
        return np.asarray(np.fft.irfft(spectrum, _FFT)[: len(wave)], dtype=np.float32)

    def _noise(self) -> Wave:
        """White in one of four, otherwise recorded; of RMS 1."""
        rng = self.rng
        if rng.random() < 0.25:  # noqa: PLR2004 - one of four
            noise = rng.standard_normal(_WHOLE).astype(np.float32)
        else:
            recorded = self._noises[rng.integers(len(self._noises))]
            at = rng.integers(0, len(recorded) - _WHOLE)
            noise = recorded[at : at + _WHOLE].copy()
        return noise / (np.sqrt(np.mean(noise**2)) + 1e-6)


def _loudness(sound: Wave) -> np.floating[Any]:
    return np.sqrt(np.mean(sound**2)) + 1e-6


def as_bytes(frames: NDArray[np.float32]) -> Window:
    """The front end's values, shape (..., frames, width), as bytes."""
    return np.clip(np.rint(frames * SCALE), 0, 255).astype(np.uint8)
