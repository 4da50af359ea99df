"""What a clip is to an embedding: the windows in which its sound would be met, at rest and in a rougher world.

`heard` is the clip as the road hears it: in quiet surroundings, window after window at the model's hop. `rougher` is
what to learn from: the same clip some more times, faster and slower, softer, with noise under it, and each time a few
windows that hold the whole sound, wherever in them it lies. Both are pure; their chance is a `numpy.random.Generator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.workshop.augment import active, colour, mix, speed, to_pcm, to_wave

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edged.features.window import Geometry
    from edged.records import Frames, Pcm

VIEWS: Final = 4
"""Times a clip is altered; the first is the clip as it is."""
POSITIONS: Final = 4
"""Windows of each."""
SPEED: Final = (0.9, 1.12)
LEVEL_DB: Final = (-25.0, -1.0)
"""Of the highest sample."""
SNR_DB: Final = (8.0, 35.0)
HISS_DB: Final = -70.0
"""RMS of the quiet in which a clip is heard: a microphone's own noise; digital silence is nowhere."""
AFTER_S: Final = 0.8
"""Of quiet, so that windows follow in which the sound is past."""
SETTLING_S: Final = 0.1
"""Before the first window: front ends that adapt do so first."""
MARGIN_S: Final = 0.0125
"""Of the sound's surroundings, in each window with it."""


@dataclass(frozen=True, slots=True)
class Ear:
    """How a model hears: what of it decides over windows."""

    frames: Callable[[Pcm], Frames]
    """Samples, from the start of a stream, to frames."""
    geometry: Geometry
    rate_hz: int
    window_frames: int
    hop_frames: int

    @property
    def window(self) -> int:
        """Samples in a window."""
        return (self.window_frames - 1) * self.geometry.step + self.geometry.window

    def windows(self, frames: Frames, starts: NDArray[np.int64]) -> Frames:
        """The windows that begin at these frames, shape (n, window_frames, width)."""
        rows = starts[:, None] + np.arange(self.window_frames)
        return np.asarray(frames[rows])


def heard(samples: Pcm, ear: Ear, *, rng: np.random.Generator) -> Frames:
    """Every window of a clip, shape (n,), in quiet: shape (windows, window_frames, width), in order."""
    wave, _ = _in_quiet(to_wave(samples), ear, rng=rng)
    frames = ear.frames(to_pcm(wave))
    return ear.windows(frames, np.arange(0, len(frames) - ear.window_frames + 1, ear.hop_frames))


def rougher(samples: Pcm, ear: Ear, *, rng: np.random.Generator) -> Frames:
    """Windows to learn a clip's sound from, shape (VIEWS * POSITIONS, window_frames, width)."""
    wave = to_wave(samples)
    views = [wave] + [speed(wave, rng.uniform(*SPEED)) for _ in range(VIEWS - 1)]
    return np.concatenate(
        [_placed(view, ear, rng=rng, noisy=number >= VIEWS // 2) for number, view in enumerate(views)]
    )


def _placed(wave: NDArray[np.float32], ear: Ear, *, rng: np.random.Generator, noisy: bool) -> Frames:
    """Some windows over one view of a clip, with its sound whole in them, or as much of it as they hold."""
    sound = active(wave, rate_hz=ear.rate_hz)
    wave, lead = _in_quiet(wave, ear, rng=rng)
    sound = slice(sound.start + lead, sound.stop + lead)
    if noisy:
        noise = colour(rng.standard_normal(len(wave)).astype(np.float32), rng=rng, rate_hz=ear.rate_hz, depth_db=12)
        wave = mix(wave, noise, snr_db=rng.uniform(*SNR_DB), over=sound)
    wave *= np.float32(10 ** (rng.uniform(*LEVEL_DB) / 20) / max(float(np.abs(wave).max()), 1e-9))
    frames = ear.frames(to_pcm(wave))
    margin, step = round(MARGIN_S * ear.rate_hz), ear.geometry.step
    ends = sorted(((sound.stop + margin - ear.window) // step, (sound.start - margin) // step))
    starts = np.clip(rng.integers(ends[0], ends[1] + 1, POSITIONS), 0, len(frames) - ear.window_frames)
    return ear.windows(frames, starts)


def _in_quiet(wave: NDArray[np.float32], ear: Ear, *, rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
    """The clip with quiet before and after it, and how many samples are before it."""
    lead, after = ear.window + round(SETTLING_S * ear.rate_hz), round(AFTER_S * ear.rate_hz)
    quiet = rng.standard_normal(lead + len(wave) + after).astype(np.float32) * np.float32(10 ** (HISS_DB / 20))
    quiet[lead : lead + len(wave)] += wave
    return quiet, lead
