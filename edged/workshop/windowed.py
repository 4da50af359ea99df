"""Kind `window`: a DS-CNN that looks at each window by itself.

An example is a piece of a clip as long as a window, from anywhere in it where there is sound, made louder or softer,
faster or slower, put into a room, with background under it. The features are those of the front end that will run:
each window of samples goes through it as it would on the road.

How long a clip is must tell nothing of its label. If only the short ones were padded, a model would learn to hear the
padding; so each example is cut to the length of a clip drawn from all of them, whatever its label, and put anywhere in
its window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.errors import DatasetError
from edged.features.frontend import open_front_end
from edged.workshop import augment
from edged.workshop.dataset import MANIFEST, RATE_HZ, read_audio
from edged.workshop.kinds import Batch, Score
from edged.workshop.softmax import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.records import Frames
    from edged.workshop.augment import Wave
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Example, Role, Split

BLOCK: Final = 160
"""Samples over which loud is told from quiet."""
LOUD_DB: Final = 30.0
"""A block that far below a clip's loudest is none of its sound."""
SILENCE: Final = 0.15
"""Share of the background that is next to nothing: a room at night, a muted microphone."""
CUT: Final = RATE_HZ // 10
"""So much is left of a piece that is cut short, at least."""
CHANGED: Final = 0.5
"""Share of the pieces whose speed is changed."""
ROOM_S: Final = (0.1, 0.6)
FLOOR: Final = (-5.5, -3.5)
"""Powers of ten of full scale between which the noise of a microphone itself lies."""
DISTANCE: Final = (0.05, 1.0)
"""Of the rooms: reverberation time, and the echo's share of the direct sound."""
REPRESENTATIVE: Final = 300
"""Windows to quantise with."""
MAX_SAMPLES: Final = 20 * 3600 * RATE_HZ
"""20 hours of clips, which are held in memory: 2.3 GB."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip in memory."""

    samples: NDArray[np.int16]
    output: int
    loud: NDArray[np.intp]
    """Samples in the middle of each block that is part of the sound; never empty."""


class Windows:
    """The material of kind `window`.

    Args:
        recipe: What is to be made of the clips.
        split: The clips.

    Raises:
        DatasetError: A clip has another rate, or there are too many.
        AudioFileError: A clip cannot be read.
    """

    def __init__(self, recipe: Recipe, split: Split) -> None:
        self._recipe = recipe
        self._outputs = len(split.outputs)
        self._front_end = open_front_end(recipe.spec)
        if self._front_end.rate_hz != RATE_HZ:
            what, way_out = f"is not the {RATE_HZ} Hz of a dataset", "Leave it out"
            raise DatasetError(what, key="front_end.rate_hz", value=self._front_end.rate_hz, way_out=way_out)
        self._length = (recipe.window_frames - 1) * self._front_end.step + self._front_end.window
        self._parts: dict[Role, list[Sound]] = {
            "train": _sounds(split.train),
            "validation": _sounds(split.validation),
            "test": _sounds(split.test),
        }
        sounds = self._parts["train"]
        self._by_output = [[sound for sound in sounds if sound.output == at] for at in range(self._outputs)]
        self._lengths = [len(sound.samples) for sound in sounds]
        self._scored: dict[Role, list[tuple[int, Frames]]] = {}

    def batch_of(self, step: int) -> Batch:
        """Examples of this step; see `edged.workshop.kinds.Material`."""
        training = self._recipe.training
        rng = np.random.default_rng([training.seed, step])
        examples = [self._example(rng) for _ in range(training.batch)]
        return Batch(
            inputs=np.stack([frames for frames, _ in examples]),
            targets=np.stack([target for _, target in examples]),
            weights=np.ones(len(examples), np.float32),
        )

    def score(self, model: Any, role: Role) -> Score | None:
        """The mean posterior over a clip's windows decides; each label counts the same."""
        clips = self.windows_of(role)
        posteriors = [softmax(model(windows, training=False).numpy()).mean(axis=0) for _, windows in clips]
        return scored(np.array([output for output, _ in clips]), np.array(posteriors)) if clips else None

    def representative(self) -> Frames:
        """Windows of training clips, as they are."""
        rng = np.random.default_rng([self._recipe.training.seed, 0, 0])
        windows = [self._features(self._piece(self._drawn(rng), rng)) for _ in range(REPRESENTATIVE)]
        return np.stack(windows)

    def _example(self, rng: np.random.Generator) -> tuple[Frames, NDArray[np.float32]]:
        how = self._recipe.augment
        wave, target = self._sounding(rng)
        if rng.random() < how.mixup:
            other, its = self._sounding(rng)
            wave, share = _both(wave, other, share=float(rng.uniform()))
            target = share * target + (1 - share) * its
        elif rng.random() < how.noise and self._by_output[-1] and not target[-1]:
            under = self._piece(_any(self._by_output[-1], rng), rng)
            over = augment.active(wave, rate_hz=RATE_HZ)
            wave = augment.mix(wave, under, snr_db=float(rng.uniform(*how.snr_db)), over=over)
        wave = augment.gain(wave, float(rng.uniform(*how.gain_db))) + self._silence(rng)
        return self._masked(self._features(wave), rng), target.astype(np.float32)

    def _sounding(self, rng: np.random.Generator) -> tuple[Wave, NDArray[np.float64]]:
        """A window of something, before anything is put under it, and what it is."""
        how = self._recipe.augment
        target = np.zeros(self._outputs)
        if rng.random() < how.background:
            target[-1] = 1
            if rng.random() < SILENCE or not self._by_output[-1]:
                return self._silence(rng), target
            sound = _any(self._by_output[-1], rng)
        else:
            output = int(rng.integers(self._outputs - 1))
            target[output] = 1
            sound = _any(self._by_output[output], rng)
        wave = self._piece(sound, rng)
        if how.colour_db:
            wave = augment.colour(wave, rng=rng, rate_hz=RATE_HZ, depth_db=how.colour_db)
        if rng.random() < how.room:
            rt60_s, distance = float(rng.uniform(*ROOM_S)), float(rng.uniform(*DISTANCE))
            wave = augment.room(wave, rng=rng, rate_hz=RATE_HZ, rt60_s=rt60_s, distance=distance)
        return wave, target

    def _silence(self, rng: np.random.Generator) -> Wave:
        """A room at night: from under one step of 16 bits up to FLOOR. No microphone gives digital silence."""
        level = np.float32(10 ** float(rng.uniform(*FLOOR)))
        return rng.standard_normal(self._length, dtype=np.float32) * level

    def _drawn(self, rng: np.random.Generator) -> Sound:
        return _any(self._by_output[int(rng.integers(self._outputs))] or self._by_output[0], rng)

    def _piece(self, sound: Sound, rng: np.random.Generator) -> Wave:
        """A window's length of a clip, with some of its sound in it, perhaps faster or slower."""
        how = self._recipe.augment
        factor = 1 + float(rng.uniform(-1, 1)) * how.speed
        changed = bool(rng.random() < CHANGED) and factor != 1
        wanted = round(self._length * factor) if changed else self._length
        room = min(wanted, len(sound.samples), max(BLOCK, int(rng.choice(self._lengths))))
        if rng.random() < how.cut:
            room = int(rng.integers(min(room, CUT), room + 1))
        anchor = int(sound.loud[rng.integers(len(sound.loud))])
        start = int(np.clip(anchor - rng.integers(room), 0, len(sound.samples) - room))
        wave = np.zeros(wanted, np.float32)
        at = int(rng.integers(wanted - room + 1))
        wave[at : at + room] = augment.to_wave(sound.samples[start : start + room])
        if changed:
            wave = augment.speed(wave, factor)
            wave = np.pad(wave, (0, max(0, self._length - len(wave))))[: self._length]
        return wave

    def _features(self, wave: Wave) -> Frames:
        self._front_end.reset()
        return self._front_end.push(augment.to_pcm(wave))

    def _masked(self, frames: Frames, rng: np.random.Generator) -> Frames:
        how = self._recipe.augment
        blank = frames.mean()
        for _ in range(2):
            for axis, most in ((1, how.bands_masked), (0, how.frames_masked)):
                width = int(rng.integers(0, min(most, frames.shape[axis] // 2) + 1))
                first = int(rng.integers(0, frames.shape[axis] - width + 1))
                if axis:
                    frames[:, first : first + width] = blank
                else:
                    frames[first : first + width] = blank
        return frames

    def windows_of(self, role: Role) -> list[tuple[int, Frames]]:
        """Each clip's output, and its windows with sound in them, shape (n, window_frames, width)."""
        if role not in self._scored:
            self._scored[role] = [(sound.output, self._windows(sound)) for sound in self._parts[role]]
        return self._scored[role]

    def _windows(self, sound: Sound) -> Frames:
        short = max(0, self._length - len(sound.samples))
        samples = np.pad(sound.samples, (short // 2, short - short // 2))
        front_end = open_front_end(self._recipe.spec)  # its own: batches are made in another thread meanwhile
        frames, step = front_end.push(samples), front_end.step
        loud = sound.loud + short // 2
        starts = range(0, len(frames) - self._recipe.window_frames + 1, self._recipe.hop_frames)
        heard = [at for at in starts if ((loud >= at * step) & (loud < at * step + self._length)).any()] or [0]
        return np.stack([frames[at : at + self._recipe.window_frames] for at in heard])


def scored(outputs: NDArray[np.int64], posteriors: NDArray[np.float64]) -> Score:
    """How good posteriors are.

    Args:
        outputs: Shape (clips,): the output that each should bring up; the last one is background.
        posteriors: Shape (clips, outputs), the mean over each clip's windows.
    """
    right = posteriors.argmax(axis=1) == outputs
    among = posteriors[:, :-1].argmax(axis=1) == outputs
    true = posteriors[np.arange(len(outputs)), outputs]
    known = np.flatnonzero(outputs < posteriors.shape[1] - 1)
    return Score(
        accuracy=_balanced(right, outputs),
        closed=_balanced(among[known], outputs[known]) if len(known) else 0.0,
        loss=float(-np.log(np.maximum(true, 1e-9)).mean()),
        clips=len(outputs),
    )


def _balanced(right: NDArray[np.bool_], outputs: NDArray[np.int64]) -> float:
    return float(np.mean([right[outputs == output].mean() for output in np.unique(outputs)]))


def prepare(recipe: Recipe, split: Split) -> Windows:
    """See `edged.workshop.kinds.Kind`."""
    return Windows(recipe, split)


def build(recipe: Recipe, outputs: Sequence[str]) -> Any:
    """A DS-CNN that gives logits, shape (batch, outputs)."""
    import keras  # noqa: PLC0415 - an extra, and seconds to load

    layers, network = keras.layers, recipe.network
    width = open_front_end(recipe.spec).width
    given = keras.Input((recipe.window_frames, width))
    # Reshape and Flatten would ask for the batch's size at run time, and GlobalAveragePooling2D is a MEAN: none is for
    # boards, whose firmware knows a RESHAPE and an AVERAGE_POOL_2D.
    x = keras.ops.reshape(given, (-1, recipe.window_frames, width, 1))
    for at, (filters, stride) in enumerate(zip(network.filters, network.strides, strict=True)):
        if at:
            x = layers.DepthwiseConv2D(network.kernel, strides=stride, padding="same", use_bias=False)(x)
            x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=MOMENTUM)(x))
        kernel, step = (1, 1) if at else (network.kernel, stride)
        x = layers.Conv2D(filters, kernel, strides=step, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=MOMENTUM)(x))
    x = keras.ops.reshape(layers.AveragePooling2D(x.shape[1:3])(x), (-1, x.shape[-1]))
    return keras.Model(given, layers.Dense(len(outputs))(layers.Dropout(network.dropout)(x)))


MOMENTUM: Final = 0.9
"""Of batch normalisation: with Keras's 0.99 a few hundred steps leave its statistics near where they began."""


def loss(targets: Any, given: Any, weights: Any, *, recipe: Recipe) -> Any:
    """Cross-entropy over the logits."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    share = recipe.training.label_smoothing
    smooth = targets * (1 - share) + share / targets.shape[-1]
    each = tf.nn.softmax_cross_entropy_with_logits(smooth, given)
    return tf.reduce_sum(each * weights) / tf.reduce_sum(weights)


def export(model: Any, folder: Path) -> None:
    """The model with a softmax behind it, for a batch of one: a variable one leaves SHAPE and PACK in the `.tflite`."""
    import keras  # noqa: PLC0415 - as above

    given = keras.Input(batch_shape=(1, *model.input_shape[1:]))
    with_posteriors = keras.Model(given, keras.layers.Softmax()(model(given, training=False)))
    with_posteriors.export(folder, format="tf_saved_model", verbose=False)


def _sounds(examples: Sequence[Example]) -> list[Sound]:
    sounds, held = [], 0
    for example in examples:
        samples = read_audio(example.clip)
        held += len(samples)
        if held > MAX_SAMPLES:
            what = f"there are more than {MAX_SAMPLES / RATE_HZ / 3600:.0f} hours of clips"
            raise DatasetError(what, file=example.clip.path.parent / MANIFEST, way_out="Train on fewer")
        sounds.append(Sound(samples, example.output, _loud(samples)))
    return sounds


def _loud(samples: NDArray[np.int16]) -> NDArray[np.intp]:
    count = len(samples) // BLOCK
    energy = np.square(samples[: count * BLOCK].reshape(count, BLOCK), dtype=np.float64).mean(axis=1)
    if not count or not energy.max():
        return np.array([len(samples) // 2], np.intp)
    return np.flatnonzero(energy >= energy.max() * 10 ** (-LOUD_DB / 10)) * BLOCK + BLOCK // 2


def _any(sounds: Sequence[Sound], rng: np.random.Generator) -> Sound:
    return sounds[int(rng.integers(len(sounds)))]


def _both(one: Wave, other: Wave, *, share: float) -> tuple[Wave, float]:
    """Two sounds at once, the first with this share of the loudness: Tokozume et al., Between-Class Learning, 2018."""
    louder = np.sqrt((_peak(one) + 1e-12) / (_peak(other) + 1e-12))
    part = 1 / (1 + louder * (1 - share) / max(share, 1e-6))
    mixed = (part * one + (1 - part) * other) / np.sqrt(part**2 + (1 - part) ** 2)
    return mixed.astype(np.float32), share


def _peak(wave: Wave) -> float:
    """Mean square of the loudest 20 ms."""
    count = len(wave) // (2 * BLOCK)
    return float(np.square(wave[: count * 2 * BLOCK].reshape(count, 2 * BLOCK)).mean(axis=1).max())
