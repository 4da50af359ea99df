"""How the embedding is trained that `edged teach` builds on; packaging/make_embedding.py calls it with its data.

The network is a small residual one over 1.2 s of the micro front end's frames. It is trained to name some two thousand
words and sounds, and what is kept is the layer before the names: 96 numbers, in which what it had to tell apart lies
apart, and which hold for words it has never met. Average and maximum over time and pitch both go into them: the
average knows what there was, the maximum does not thin out when a word is short.

The learning rate stays and then falls to nothing in a straight line, so how long to train need not be known in the
beginning. Each batch depends on the seed and the step alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.workshop.quantise import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.records import Frames

SIZE: Final = 96
"""Coordinates of a point."""
STEM: Final = 24
WIDTHS: Final = (32, 48, 64)
"""Channels of the residual blocks; each halves time and pitch."""
MOMENTUM: Final = 0.95
"""Of the batch normalisations: at Keras's 0.99 a few thousand steps are too few."""
PENALTY: Final = 1e-5
BATCH: Final = 128
RATE: Final = 2e-3
WARMING: Final = 200
"""Steps until the rate is reached."""
WEIGHT_DECAY: Final = 1e-4
SMOOTHING: Final = 0.05
LONGEST_MASK: Final = (14, 5)
"""Frames and features, of the stretches that each example loses."""


@dataclass(frozen=True, slots=True)
class Material:
    """What to train with from some step on."""

    windows: NDArray[np.uint8]
    """Shape (n, frames, width): the front end's values times `scale`."""
    targets: NDArray[np.int32]
    """Shape (n,)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """For how long."""

    stages: tuple[int, ...]
    """The steps at which the stages begin; the first is 0."""
    steady: int
    """Steps at the full rate."""
    falling: int
    """Steps in which it falls."""

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.steady + self.falling

    def rate(self, step: int) -> float:
        """Of learning, at this step."""
        falling = max(0.0, 1 - max(0, step - self.steady) / self.falling)
        return RATE * min(1.0, (step + 1) / WARMING) * falling + 1e-6


def train_embedding(
    stages: Sequence[Material],
    *,
    schedule: Schedule,
    labels: int,
    scale: float,
    seed: int,
    into: Path,
    looked: Callable[[int, float], None],
) -> None:
    """Train, and leave the embedding as a SavedModel: float32 frames in, a point out.

    Args:
        stages: What is trained with, one after the other.
        schedule: When, and for how long.
        labels: How many there are to tell apart.
        scale: Of the windows.
        seed: Of the first weights and the batches.
        into: The SavedModel's folder.
        looked: Called every 100 steps with how many are done and the mean loss since.

    Raises:
        UserError: TensorFlow is not installed.
    """
    require_tensorflow()
    import tensorflow as tf  # noqa: PLC0415 - seconds, and only here

    tf.config.threading.set_intra_op_parallelism_threads(1)  # sums in one order, whatever the machine
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(seed)
    frames, width = stages[0].windows.shape[1:]
    net = _net(tf, frames, width)
    step, optimizer = _step(tf, net, labels=labels, scale=scale)
    losses: list[float] = []
    for number in range(schedule.steps):
        stage = sum(number >= begin for begin in schedule.stages) - 1
        if number in schedule.stages:
            reach = _reach(stages[stage].targets, labels)
        windows, targets = _batch(stages[stage], reach, rng=np.random.default_rng((seed, number)))
        optimizer.learning_rate.assign(schedule.rate(number))
        losses.append(float(step(windows, targets)))
        if len(losses) == 100:  # noqa: PLR2004 - a look now and then
            looked(number + 1, float(np.mean(losses)))
            losses.clear()
    _export(tf, net, into, shape=(1, frames, width))


def _reach(targets: NDArray[np.int32], labels: int) -> NDArray[np.float64]:
    """Cumulated chances of the examples: a label's grow with the root of how many examples it has."""
    chances = (1 / np.sqrt(np.bincount(targets, minlength=labels)))[targets]
    return np.asarray(np.cumsum(chances / chances.sum()))


def _batch(
    material: Material, reach: NDArray[np.float64], *, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Some examples, each without a stretch of time and a band of pitch."""
    chosen = np.minimum(np.searchsorted(reach, rng.random(BATCH)), len(reach) - 1)
    windows = material.windows[chosen]
    frames, width = windows.shape[1:]
    for window in windows:
        at, long = rng.integers(0, frames), rng.integers(0, LONGEST_MASK[0])
        window[at : at + long] = 0
        at, long = rng.integers(0, width), rng.integers(0, LONGEST_MASK[1])
        window[:, at : at + long] = 0
    return windows, material.targets[chosen]


def _net(tf: Any, frames: int, width: int) -> Any:
    layers = tf.keras.layers
    given = tf.keras.Input((frames, width, 1))
    found = _convolved(tf, given, STEM, size=5, stride=2)
    for channels in WIDTHS:
        found = _block(tf, found, channels)
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(found), layers.GlobalMaxPooling2D()(found)])
    point = layers.Dense(SIZE, kernel_regularizer=tf.keras.regularizers.L2(PENALTY))(pooled)
    point = layers.BatchNormalization(momentum=MOMENTUM, center=False, scale=False)(point)
    return tf.keras.Model(given, point)


def _convolved(tf: Any, given: Any, channels: int, *, size: int, stride: int = 1, rectified: bool = True) -> Any:
    layers = tf.keras.layers
    penalty = tf.keras.regularizers.L2(PENALTY)
    how = {"strides": stride, "padding": "same", "use_bias": False, "kernel_regularizer": penalty}
    found = layers.BatchNormalization(momentum=MOMENTUM)(layers.Conv2D(channels, size, **how)(given))
    return layers.ReLU()(found) if rectified else found


def _block(tf: Any, given: Any, channels: int) -> Any:
    """Two convolutions, and a way around them."""
    found = _convolved(tf, given, channels, size=3, stride=2)
    found = _convolved(tf, found, channels, size=3, rectified=False)
    around = _convolved(tf, given, channels, size=1, stride=2, rectified=False)
    return tf.keras.layers.ReLU()(tf.keras.layers.Add()([around, found]))


def _step(tf: Any, net: Any, *, labels: int, scale: float) -> tuple[Callable[..., Any], Any]:
    """One step of training, as a function of a batch, and its optimiser."""
    naming = tf.Variable(tf.random.normal((SIZE, labels), seed=1) * 0.05)
    bias = tf.Variable(tf.zeros(labels))
    variables = [*net.trainable_variables, naming, bias]
    optimizer = tf.keras.optimizers.AdamW(RATE, weight_decay=WEIGHT_DECAY)
    optimizer.build(variables)
    shape = net.input_shape[1:3]

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8), tf.TensorSpec((None,), tf.int32)])  # type: ignore[untyped-decorator]
    def step(windows: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            points = net(tf.cast(windows, tf.float32)[..., None] / scale, training=True)
            wanted = tf.one_hot(targets, labels)
            named = tf.keras.losses.categorical_crossentropy(
                wanted, tf.matmul(points, naming) + bias, from_logits=True, label_smoothing=SMOOTHING
            )
            loss = tf.reduce_mean(named)
            whole = loss + tf.add_n(net.losses)
        optimizer.apply_gradients(zip(tape.gradient(whole, variables), variables, strict=True))
        return loss

    return step, optimizer


def _export(tf: Any, net: Any, into: Path, *, shape: tuple[int, int, int]) -> None:
    given = tf.keras.Input(batch_shape=shape)
    points = net(tf.keras.layers.Reshape((*shape[1:], 1))(given), training=False)
    tf.keras.Model(given, points).export(into, verbose=False)


def coarse(windows: NDArray[np.uint8], *, scale: float) -> Frames:
    """Windows as the front end gives them, but for what keeping them as bytes has lost."""
    return np.asarray(windows / np.float32(scale), dtype=np.float32)
