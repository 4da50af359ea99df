"""What a kind of model brings to its training: the material, the network, the loss and the export.

Everything else is the same for all of them, and stands in `edged.workshop.training`: the steps, the schedule, the
checkpoints that make a training go on where it was cut off, the history, the bundle. A kind is a module with the four
functions of `Kind`; `kind_of` is the only place that lists them.

    prepare(recipe, split)   reads the clips, and gives the `Material` that batches are made of
    build(recipe, outputs)   an untrained Keras model; what it gives for a batch goes to the loss
    loss(targets, given, weights, …)   one number to make small, in TensorFlow's terms
    export(model, folder)    writes a SavedModel: one input [1, window_frames, width], one output [1, outputs] of
                             posteriors; of it the float and the int8 `.tflite` are made

A batch is a pure function of the recipe's seed and the step's number, `np.random.default_rng([seed, step])`: that, and
nothing remembered, is why a training that was killed gives the same bundle as one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edged.records import Frames
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Role, Split


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step trains on; the shapes are the kind's own but for the first side, the batch."""

    inputs: Frames
    """For windows: shape (batch, window_frames, width)."""
    targets: NDArray[np.float32]
    """For windows: shape (batch, outputs), each row a distribution."""
    weights: NDArray[np.float32]
    """For windows: shape (batch,); how much each example counts."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is on the clips of one part."""

    accuracy: float
    """Share of the clips whose output comes out on top, 0 to 1, each output counting the same."""
    closed: float
    """The same for the clips that are not background, were the background no choice."""
    loss: float
    """Mean cross-entropy, to choose between equals."""
    clips: int

    def better_than(self, other: Score | None) -> bool:
        """Whether it is to be preferred."""
        return other is None or (self.accuracy, -self.loss) > (other.accuracy, -other.loss)


class Material(Protocol):
    """The clips of a split, ready to be made into batches."""

    def batch_of(self, step: int) -> Batch:
        """The batch of this step, from 0: a pure function of the recipe's seed and the step. Called in a thread."""

    def score(self, model: Any, role: Role) -> Score | None:
        """How good the model is on one part of the split, without augmentation; None where the part is empty."""

    def representative(self) -> Frames:
        """What the model will hear, for quantising: shape (n, window_frames, width), in order where it keeps state."""


class Kind(Protocol):
    """A module that knows how one kind of model is trained."""

    def prepare(self, recipe: Recipe, split: Split) -> Material:
        """Read the clips. Raises DatasetError or AudioFileError where one cannot be used."""

    def build(self, recipe: Recipe, outputs: Sequence[str]) -> Any:
        """An untrained `keras.Model`; `keras.utils.set_random_seed` was called before."""

    def loss(self, targets: Any, given: Any, weights: Any, *, recipe: Recipe) -> Any:
        """A scalar tensor of a batch's targets, of what the model gave for its inputs, and of its weights."""

    def export(self, model: Any, folder: Path) -> None:
        """Write the SavedModel."""


def kind_of(recipe: Recipe) -> Kind:
    """The module for a recipe's kind."""
    match recipe.kind:
        case "window":
            name = "edged.workshop.windowed"
        case "streaming":
            name = "edged.workshop.streaming"
    return cast("Kind", import_module(name))
