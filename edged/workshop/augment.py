"""What rooms, microphones and people do to a sound, done to recordings so that a model has met it before.

All on float32 waveforms at one rate, full scale 1, shape (n,), length kept unless said; each is pure, its chance a
`numpy.random.Generator`. Signal-to-noise ratios are over the active part of the sound (`active`): a word in two
seconds of silence at 10 dB must be 10 dB over the noise while it is said, not on average.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

FULL_SCALE: Final = 32768.0
_BLOCK_S: Final = 0.02
_ROUND: Final = 200
_QUIET_DB: Final = 30.0
"""Blocks this far below the loudest one are not part of the sound."""


def to_wave(pcm: NDArray[np.int16]) -> Wave:
    """16-bit samples as a waveform of full scale 1."""
    return pcm.astype(np.float32) / np.float32(FULL_SCALE)


def to_pcm(wave: Wave) -> NDArray[np.int16]:
    """A waveform as 16-bit samples: rounded to nearest, clipped as a microphone's amplifier clips."""
    return np.asarray(np.clip(np.rint(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1), dtype=np.int16)


def active(wave: Wave, *, rate_hz: int) -> slice:
    """From the first to the last 20 ms block within 30 dB of the loudest, over the floor of the recording.

    A block counts when its energy, less the quietest tenth's, is within 30 dB of the loudest; a silent waveform is all
    active. Returns a slice of samples, never empty unless the waveform is.
    """
    block = max(1, round(_BLOCK_S * rate_hz))
    count = len(wave) // block
    if count < 2:  # noqa: PLR2004 - too short to tell loud from quiet
        return slice(0, len(wave))
    energy = np.square(wave[: count * block].reshape(count, block)).mean(axis=1, dtype=np.float64)
    over = energy - np.quantile(energy, 0.1)
    loud = np.flatnonzero(over > over.max() * 10 ** (-_QUIET_DB / 10))
    return slice(0, len(wave)) if len(loud) == 0 else slice(int(loud[0]) * block, (int(loud[-1]) + 1) * block)


def gain(wave: Wave, db: float) -> Wave:
    """Louder or softer."""
    return wave * np.float32(10 ** (db / 20))


def speed(wave: Wave, factor: float) -> Wave:
    """Faster (over 1) or slower, pitch and all: shape (about n / factor,), band-limited by the Fourier transform.

    Lengths are rounded up to whole hundreds of samples, which the transform takes several times faster than primes.
    """
    padded = np.zeros(-(-len(wave) // _ROUND) * _ROUND, np.float32)
    padded[: len(wave)] = wave
    wanted = max(1, round(len(padded) / factor / _ROUND)) * _ROUND
    spectrum = np.fft.rfft(padded)
    bins = np.zeros(wanted // 2 + 1, dtype=spectrum.dtype)
    kept = min(len(bins), len(spectrum))
    bins[:kept] = spectrum[:kept]
    return np.asarray(np.fft.irfft(bins, n=wanted) * (wanted / len(padded)), dtype=np.float32)


def colour(wave: Wave, *, rng: np.random.Generator, rate_hz: int, depth_db: float = 6.0) -> Wave:
    """Another microphone: a smooth random response, each octave's gain up to `depth_db` up or down."""
    octaves = 8
    frequencies = np.fft.rfftfreq(len(wave), 1 / rate_hz)
    position = np.log2(np.maximum(frequencies, 1.0) / (rate_hz / 2)) + octaves
    curve_db = np.interp(position, np.arange(octaves + 1), rng.uniform(-depth_db, depth_db, octaves + 1))
    return np.asarray(np.fft.irfft(np.fft.rfft(wave) * 10 ** (curve_db / 20), n=len(wave)), dtype=np.float32)


def room(wave: Wave, *, rng: np.random.Generator, rate_hz: int, rt60_s: float, distance: float) -> Wave:
    """As heard in a room: the direct sound, and noise that decays by 60 dB in `rt60_s`.

    Args:
        wave: Shape (n,).
        rng: Draws the room.
        rate_hz: Samples per second.
        rt60_s: Reverberation time.
        distance: Energy of what the room adds, as a share of the direct sound's: 0.1 near, 2 far.
    """
    length = max(2, round(rt60_s * rate_hz))
    decay = np.exp(np.arange(length) * (-3 * np.log(10) / length))
    tail = rng.standard_normal(length) * decay
    tail[: round(0.002 * rate_hz)] = 0.0
    tail *= np.sqrt(distance / np.square(tail).sum())
    tail[0] = 1.0
    size = 1 << (len(wave) + length - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), n=size)[: len(wave)]
    return np.asarray(wet / np.sqrt(1 + distance), dtype=np.float32)


def fitted(noise: Wave, length: int, *, rng: np.random.Generator) -> Wave:
    """So much of a recording from anywhere in it; one that is too short is said again and again."""
    if len(noise) < length:
        noise = np.tile(noise, -(-length // len(noise)))
    at = int(rng.integers(0, len(noise) - length + 1))
    return noise[at : at + length]


def mix(wave: Wave, noise: Wave, *, snr_db: float, over: slice | None = None) -> Wave:
    """The sound with noise of the same length under it.

    Args:
        wave: Shape (n,).
        noise: Shape (n,).
        snr_db: Ratio of the sound's mean power over `over` to the noise's over its whole length.
        over: The samples where the sound is; None for all of it.
    """
    loud = float(np.square(wave if over is None else wave[over]).mean(dtype=np.float64))
    under = float(np.square(noise).mean(dtype=np.float64))
    if loud == 0 or under == 0:
        return wave
    return wave + noise * np.float32(np.sqrt(loud / under * 10 ** (-snr_db / 10)))
