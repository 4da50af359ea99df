"""Kind `streaming`: a network for wake words that hears each frame once and keeps what it needs of the past.

It is a stack of convolutions. The first ones look at bands as well as at time, because a voice is another one's moved
up or down; each halves the bands, until one more takes all that are left together. The later ones look at time only: a
depthwise kernel over the windows so far, a pointwise one over the channels, and what they find is added to what they
were given. In training the network sees whole scenes at once; at work it gets one window (30 ms) at a time, and each
layer keeps the end of its past in a variable of the model. Both compute the same numbers.

What is trained on are scenes (`edged.workshop.scenes`), because a stream is what it will hear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.errors import ConfigError
from edged.features.frontend import open_front_end
from edged.progress import progress
from edged.workshop.dataset import read_audio
from edged.workshop.kinds import Batch, Score
from edged.workshop.palettes import parts_of
from edged.workshop.scene_bank import SCALE, Scenes, scenes_of
from edged.workshop.softmax import softmax
from edged.workshop.windowed import scored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.progress import Bar
    from edged.records import Frames
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Role, Split

GAIN: Final = 0.1
"""The micro front end's features go to 26; a network likes them near 1."""
MOMENTUM: Final = 0.95
"""Of the batch normalisation's means: 0.99, Keras' own, would still remember chance after a short training."""
EPSILON: Final = 1e-3
PAST: Final = 3
"""Windows that each convolution over bands spans."""
REPRESENTATIVE: Final = 40
"""Scenes to quantise with, 8000 windows in order."""
SMOOTHED: Final = 3
"""Windows over which `score` takes the mean, as the policies do."""
LEAD_S: Final = 0.5
"""Silence before and after a clip that is scored."""
_UNWARPED: Final = 0.3
"""Share of the scenes whose bands stay as they are."""
_STRIPES: Final = 3
"""Masked stripes in a scene are fewer than this of bands, and no more of frames."""


class Streams:
    """The material of kind `streaming`.

    Args:
        recipe: What is to be made of the clips.
        split: The clips.

    Raises:
        ConfigError: The front end is not `micro`.
        DatasetError, AudioFileError: A clip cannot be used, or nothing can speak.
        StateError: The scenes cannot be kept.
    """

    def __init__(self, recipe: Recipe, split: Split) -> None:
        if recipe.front_end.get("name") != "micro":
            way_out = "Write { name = 'micro' }, or take kind = 'window'"
            raise ConfigError(
                "is not for streaming", key="front_end.name", value=recipe.front_end.get("name"), way_out=way_out
            )
        if recipe.streaming.first_kernel < recipe.window_frames:
            way_out = f"Write {recipe.window_frames} or more"
            raise ConfigError(
                "skips frames", key="streaming.first_kernel", value=recipe.streaming.first_kernel, way_out=way_out
            )
        self._recipe, self._split = recipe, split
        parts = parts_of(recipe, split)
        self._parts: list[Scenes] = []
        with progress("composing", len(parts) * recipe.streaming.scenes, unit="scenes") as bar:
            for number, part in enumerate(parts):
                self._parts.append(scenes_of(part, recipe, split.outputs, made=_counted(bar, number, recipe)))

    def batch_of(self, step: int) -> Batch:
        """Scenes of this step, some of their bands and moments blanked out."""
        training = self._recipe.training
        rng = np.random.default_rng([training.seed, step])
        parts = rng.integers(len(self._parts), size=training.batch)
        picked = [(self._parts[at], int(rng.integers(len(self._parts[at].features)))) for at in parts]
        inputs = np.stack([scenes.features[at] for scenes, at in picked]).astype(np.float32) / np.float32(SCALE)
        for frames in inputs:
            _warp(frames, rng, by=self._recipe.streaming.warp)
            if self._recipe.streaming.mask:
                _mask(frames, rng)
        return Batch(
            inputs=inputs,
            targets=np.stack([scenes.targets[at] for scenes, at in picked]).astype(np.float32),
            weights=np.stack([scenes.counts[at] for scenes, at in picked]).astype(np.float32),
        )

    def score(self, model: Any, role: Role) -> Score | None:
        """Each clip, with silence around it; the word whose smoothed posterior rises highest, or the background."""
        examples = self._split.of(role)
        if not examples:
            return None
        posteriors = [_heard(model, self._recipe, read_audio(example.clip)) for example in examples]
        return scored(np.array([example.output for example in examples]), np.array(posteriors))

    def representative(self) -> Frames:
        """Some scenes of each part, window by window."""
        window = self._recipe.window_frames
        each = -(-REPRESENTATIVE // len(self._parts))
        frames = np.concatenate([scenes.features[:each] for scenes in self._parts])
        frames = frames.reshape(-1, window, frames.shape[-1])
        return np.asarray(frames / SCALE, dtype=np.float32)


def _counted(bar: Bar, parts: int, recipe: Recipe) -> Callable[[int], None]:
    """Tell the bar of scenes made beside those of so many parts."""
    return lambda made: bar(parts * recipe.streaming.scenes + made)


def _mask(frames: Frames, rng: np.random.Generator) -> None:
    """Blank out stripes of bands, and stripes of frames, in place."""
    length, width = frames.shape
    for _ in range(int(rng.integers(_STRIPES))):
        first = int(rng.integers(width - 2))
        frames[:, first : first + int(rng.integers(1, 5))] = 0
    for _ in range(int(rng.integers(_STRIPES + 1))):
        first = int(rng.integers(length - 12))
        frames[first : first + int(rng.integers(1, 12))] = 0


def _warp(frames: Frames, rng: np.random.Generator, *, by: float) -> None:
    """Stretch or squeeze the bands in place, and move them by one at most: a longer throat, a smaller head."""
    if not by or rng.random() < _UNWARPED:
        return
    width = frames.shape[1]
    source = (np.arange(width) + rng.uniform(-1, 1)) * (1 + rng.uniform(-by, by))
    source = np.clip(source, 0, width - 1.001)
    low = source.astype(int)
    share = (source - low).astype(np.float32)
    frames[:] = frames[:, low] * (1 - share) + frames[:, low + 1] * share


def _heard(model: Any, recipe: Recipe, samples: np.ndarray[Any, np.dtype[np.int16]]) -> np.ndarray[Any, Any]:
    front_end = open_front_end(recipe.spec)
    lead = np.zeros(round(LEAD_S * front_end.rate_hz), np.int16)
    frames = front_end.push(np.concatenate([lead, samples, lead]))
    frames = frames[: len(frames) // recipe.window_frames * recipe.window_frames]
    logits = model(frames[None], training=False).numpy()[0]
    posteriors = softmax(logits)
    kernel = np.ones(SMOOTHED) / SMOOTHED
    words = np.array([np.convolve(column, kernel, "valid").max() for column in posteriors[:, :-1].T])
    return np.append(words, 1 - words.max())


def prepare(recipe: Recipe, split: Split) -> Streams:
    """See `edged.workshop.kinds.Kind`."""
    return Streams(recipe, split)


def build(recipe: Recipe, outputs: Sequence[str]) -> Any:
    """The network over whole scenes: [batch, frames, width] to logits [batch, windows, outputs]."""
    import keras  # noqa: PLC0415 - an extra, and seconds to load

    how, layers, width = recipe.streaming, keras.layers, open_front_end(recipe.spec).width
    window = recipe.window_frames

    def active(given: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)(given))

    inputs = keras.Input((None, width))
    at = layers.Reshape((-1, width, 1))(layers.Rescaling(GAIN)(inputs))
    at = layers.ZeroPadding2D(((how.first_kernel - window, 0), (0, 0)))(at)
    span = (how.first_kernel, how.first_bands)
    at = active(layers.Conv2D(how.bands[0], span, strides=(window, 2), use_bias=False)(at))
    for filters in how.bands[1:]:
        at = layers.DepthwiseConv2D((PAST, 3), use_bias=False)(layers.ZeroPadding2D(((PAST - 1, 0), (0, 0)))(at))
        at = active(layers.Conv2D(filters, 1, strides=(1, 2), use_bias=False)(at))
    left = at.shape[2]
    at = layers.DepthwiseConv2D((PAST, left), use_bias=False)(layers.ZeroPadding2D(((PAST - 1, 0), (0, 0)))(at))
    at = layers.Reshape((-1, how.channels))(active(layers.Conv2D(how.channels, 1, use_bias=False)(at)))
    for kernel in how.kernels:
        found = layers.DepthwiseConv1D(kernel, use_bias=False)(layers.ZeroPadding1D((kernel - 1, 0))(at))
        found = active(layers.Conv1D(how.channels, 1, use_bias=False)(found))
        at = layers.Add()([at, layers.SpatialDropout1D(how.dropout)(found)])
    return keras.Model(inputs, layers.Conv1D(len(outputs), 1)(at))


def loss(targets: Any, given: Any, weights: Any, *, recipe: Recipe) -> Any:  # noqa: ARG001 - a Kind's loss
    """Cross-entropy of each window that counts."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    each = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(targets, tf.int32), given)
    return tf.reduce_sum(each * weights) / tf.reduce_sum(weights)


def export(model: Any, folder: Path) -> None:
    """The same network window by window, its batch normalisation folded into the kernels, its past in variables."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    stream = _at_work(model)
    window = tf.TensorSpec((1, stream.window, stream.width), tf.float32, name="window")
    step = tf.function(stream.step, input_signature=[window])
    tf.saved_model.save(stream, str(folder), signatures={"serving_default": step})


@dataclass(frozen=True, slots=True)
class _Block:
    """A depthwise and a pointwise convolution as they are computed at work."""

    depthwise: Any
    """Shape (windows, bands, channels, 1)."""
    pointwise: Any
    """Shape (1, 1, channels, filters), the batch normalisation after it folded in."""
    bias: Any
    stride: int
    """Of the pointwise one, over the bands."""
    adds: bool
    """What it finds is added to what it was given."""


def _at_work(model: Any) -> Any:
    """A `tf.Module` with a method `step` from [1, window, width] to posteriors [1, outputs]."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    first, blocks, head = _parted(model)
    (kernel, bias), window, width = _folded(*first), first[0].strides[0], model.input_shape[-1]
    dense, dense_bias = (weight.numpy() for weight in head.weights)

    def past(length: int, bands: int, channels: int) -> Any:
        return tf.Variable(tf.zeros((1, length, bands, channels)), trainable=False)

    class AtWork(tf.Module):  # type: ignore[misc]
        """Each layer's past is as long as its kernel, less what comes."""

        def __init__(self) -> None:
            super().__init__()
            self.window, self.width, self.past = window, width, past(len(kernel) - window, width, 1)
            self.pasts, bands = [], (width - kernel.shape[1]) // 2 + 1
            for block in blocks:
                self.pasts.append(past(len(block.depthwise) - 1, bands, block.depthwise.shape[2]))
                bands = -(-(bands - block.depthwise.shape[1] + 1) // block.stride)

        def step(self, frames: Any) -> Any:
            """One window."""
            heard = tf.concat([self.past, tf.reshape(frames, (1, window, width, 1))], 1)
            if self.past.shape[1]:
                self.past.assign(heard[:, window:])
            at = tf.nn.relu(tf.nn.conv2d(heard, kernel * GAIN, (1, 2), "VALID") + bias)
            for block, before in zip(blocks, self.pasts, strict=True):
                heard = tf.concat([before, at], 1)
                before.assign(heard[:, 1:])
                found = tf.nn.depthwise_conv2d(heard, block.depthwise, (1, 1, 1, 1), "VALID")
                found = tf.nn.relu(tf.nn.conv2d(found, block.pointwise, (1, block.stride), "VALID") + block.bias)
                at = at + found if block.adds else found
            return tf.nn.softmax(tf.reshape(at, (1, -1)) @ dense[0] + dense_bias)

    return AtWork()


def _parted(model: Any) -> tuple[tuple[Any, Any], list[_Block], Any]:
    """The first convolution with its normalisation, the blocks, and the layer that gives the logits."""
    kinds = {"Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "BatchNormalization"}
    first, norm, *rest, head = [layer for layer in model.layers if type(layer).__name__ in kinds]
    blocks = []
    for depthwise, pointwise, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        kernel, bias = _folded(pointwise, after)
        if type(depthwise).__name__ == "DepthwiseConv1D":
            blocks.append(_Block(depthwise.kernel.numpy()[:, None], kernel[None], bias, stride=1, adds=True))
        else:
            blocks.append(_Block(depthwise.kernel.numpy(), kernel, bias, stride=pointwise.strides[1], adds=False))
    return (first, norm), blocks, head


def _folded(convolution: Any, norm: Any) -> tuple[Any, Any]:
    """A convolution and the normalisation after it as one: kernel and bias."""
    gain, offset, mean, variance = (weight.numpy() for weight in norm.weights)
    scale = gain / np.sqrt(variance + EPSILON)
    return convolution.kernel.numpy() * scale, offset - mean * scale
