"""Trains a model of any kind, step by step, so that being killed changes nothing.

All that a step depends on is in the checkpoint: weights, optimiser, the moving mean, the best so far; and its batch is
a function of the seed and the step's number alone. So a training that was cut off goes on from the last checkpoint as
if nothing had happened, and gives the same bundle bit for bit, as does another with the same seed and data. For that
TensorFlow computes on one CPU thread with its deterministic kernels; the batches are made in a second thread, ahead.
On another processor or with another TensorFlow the sums may round otherwise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged import __version__
from edged.workshop.kinds import Score, kind_of
from edged.workshop.outcome import BUNDLE, digest_of, float_bundle
from edged.workshop.quantise import convert, require_tensorflow
from edged.workshop.recipe import undecided, written
from edged.workshop.split import written_split
from edged.workshop.work import SAVED_MODEL, WorkFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.records import Frames
    from edged.workshop.dataset import Dataset
    from edged.workshop.kinds import Batch, Kind, Material
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Split

    Arrays = list[NDArray[Any]]

CHECKPOINT_EVERY: Final = 50
"""Steps; a second or ten of work are lost at most."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A look at the model in the course of its training."""

    step: int
    """Steps done."""
    loss: float
    """Mean over the steps since the last look, on augmented examples."""
    score: Score | None
    """On the groups held back; None where there are none."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training."""

    bundle: Bundle
    """In float32."""
    work: Path
    history: tuple[Moment, ...]
    kept: int
    """Steps after which the model that is kept stood."""
    test: Score | None
    """On the fold that was held back; None where there is none."""


@dataclass(slots=True)
class _Progress:
    """What a training remembers beside its variables."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[Moment] = field(default_factory=list)
    best: Score | None = None
    kept: int = 0

    @classmethod
    def of(cls, told: dict[str, Any]) -> _Progress:
        """As `asdict` wrote it."""
        history = [Moment(each["step"], each["loss"], _score(each["score"])) for each in told["history"]]
        return cls(told["step"], told["losses"], history, _score(told["best"]), told["kept"])


def train(
    datasets: Sequence[Dataset],
    work: Path,
    *,
    recipe: Recipe,
    split: Split,
    at: Callable[[int, float], None] | None = None,
    looked: Callable[[Moment], None] | None = None,
) -> Trained:
    """Train, or go on with a training that was cut off; when it was done, say again what came of it.

    Args:
        datasets: Where the clips are.
        work: The folder to train in.
        recipe: What is to be made of them.
        split: Which of them trains, chooses and tests.
        at: Called after each step with the steps done and the step's loss.
        looked: Called with each look at the groups held back, those of an earlier run first.

    Raises:
        UserError: TensorFlow is not installed.
        DatasetError: The clips cannot be trained on.
        AudioFileError: A clip cannot be read.
        ConfigError: The folder belongs to another training, or cannot be written.
    """
    listed = written_split(split, datasets)
    told = {"recipe": written(undecided(recipe)), "clips": digest_of(split, listed), "edged": __version__}
    folder = WorkFolder(work)
    folder.check(told)
    require_tensorflow()
    kind = kind_of(recipe)
    material = kind.prepare(recipe, split)
    places = json.dumps([str(dataset.folder) for dataset in datasets])
    folder.begin(told, {"recipe.toml": written(recipe), "split.csv": listed, "datasets.json": places})
    _settle()
    run = _Run(kind, material, folder, recipe=recipe, outputs=split.outputs)
    run.to_the_end(at=at or (lambda *_: None), looked=looked or (lambda _: None))
    test = material.score(run.model, "test")
    bundle = _leave(run, split, clips=told["clips"], test=test)
    return Trained(bundle, work, tuple(run.progress.history), run.progress.kept, test)


class _Run:
    """The model and all that changes from step to step."""

    def __init__(
        self, kind: Kind, material: Material, folder: WorkFolder, *, recipe: Recipe, outputs: Sequence[str]
    ) -> None:
        import keras  # noqa: PLC0415 - an extra, and seconds to load

        keras.utils.set_random_seed(recipe.training.seed)
        self.model = kind.build(recipe, outputs)
        self.recipe, self.material, self.folder, self.kind = recipe, material, folder, kind
        self.progress = _Progress()
        self._optimiser = _optimiser(recipe)
        self._optimiser.build(self.model.trainable_variables)
        self._mean: Arrays = self.model.get_weights()
        self._best: Arrays = self._mean
        self._resume()

    def to_the_end(self, *, at: Callable[[int, float], None], looked: Callable[[Moment], None]) -> None:
        """Do the steps that are left, and leave in the model the weights that are kept."""
        training, progress = self.recipe.training, self.progress
        for moment in progress.history:
            looked(moment)
        step_of = _step_of(self)
        for batch in _ahead(self.material, first=progress.step, last=training.steps):
            value = float(step_of(batch.inputs, batch.targets, batch.weights))
            progress.step += 1
            progress.losses.append(value)
            self._average()
            at(progress.step, value)
            done = progress.step == training.steps
            if done or progress.step % training.evaluate_every == 0:
                looked(self._look())
            if done or progress.step % CHECKPOINT_EVERY == 0:
                self._save()
        self.model.set_weights(self._best)

    def _average(self) -> None:
        decay = min(self.recipe.training.average, self.progress.step / (10 + self.progress.step))
        now = self.model.get_weights()
        self._mean = (
            [(decay * mean + (1 - decay) * new).astype(np.float32) for mean, new in zip(self._mean, now, strict=True)]
            if self.recipe.training.average
            else now
        )

    def _look(self) -> Moment:
        """Score the mean model, and remember it if it is the best; without groups held back the latest is."""
        progress, own = self.progress, self.model.get_weights()
        self.model.set_weights(self._mean)
        score = self.material.score(self.model, "validation")
        self.model.set_weights(own)
        if score is None or score.better_than(progress.best):
            self._best, progress.best, progress.kept = self._mean, score, progress.step
        moment = Moment(progress.step, float(np.mean(progress.losses)), score)
        progress.losses = []
        progress.history.append(moment)
        return moment

    def _save(self) -> None:
        arrays = {
            "model": [variable.numpy() for variable in self.model.variables],
            "optimiser": [variable.numpy() for variable in self._optimiser.variables],
            "mean": self._mean,
            "best": self._best,
        }
        self.folder.save(arrays, asdict(self.progress))

    def _resume(self) -> None:
        found = self.folder.saved()
        if found is None:
            return
        arrays, told = found
        for variables, name in ((self.model.variables, "model"), (self._optimiser.variables, "optimiser")):
            for variable, array in zip(variables, arrays[name], strict=True):
                variable.assign(array)
        self._mean, self._best = arrays["mean"], arrays["best"]
        self.progress = _Progress.of(told)


def _settle() -> None:
    """Have TensorFlow compute the same every time: one thread, no GPU, deterministic kernels."""
    with _hushed():
        import tensorflow as tf  # noqa: PLC0415 - as above
    threads = tf.config.threading
    if (threads.get_intra_op_parallelism_threads(), threads.get_inter_op_parallelism_threads()) != (1, 1):
        threads.set_intra_op_parallelism_threads(1)
        threads.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep what TensorFlow's libraries write to stderr while they load, about processors and graphics cards, unread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    ours, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(nowhere)


def _optimiser(recipe: Recipe) -> Any:
    import keras  # noqa: PLC0415 - as above

    training = recipe.training
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        warmup = min(training.warmup, training.steps - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            training.steps - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    return keras.optimizers.AdamW(rate, weight_decay=training.weight_decay)


def _step_of(run: _Run) -> Callable[..., Any]:
    """One step of gradient descent, compiled."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    model, optimiser, loss = run.model, run._optimiser, run.kind.loss  # noqa: SLF001 - a part of it, in TensorFlow's terms

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(inputs: Any, targets: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(targets, model(inputs, training=True), weights, recipe=run.recipe)
        optimiser.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    return lambda *batch: step(*map(tf.constant, batch))


def _ahead(material: Material, *, first: int, last: int) -> Iterator[Batch]:
    """The batches of these steps, the next one always in the making."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = pool.submit(material.batch_of, first) if first < last else None
        for step in range(first, last):
            assert coming is not None  # noqa: S101 - there is a step, so there is a batch
            batch = coming.result()
            coming = pool.submit(material.batch_of, step + 1) if step + 1 < last else None
            yield batch


def _leave(run: _Run, split: Split, *, clips: str, test: Score | None) -> Bundle:
    """Write what the training came to."""
    history = {
        "outputs": split.outputs,
        "kept": run.progress.kept,
        "history": [asdict(moment) for moment in run.progress.history],
        "test": None if test is None else asdict(test),
    }
    run.folder.write("history.json", json.dumps(history, indent=2).encode() + b"\n")
    run.folder.write("representative.npz", _npz(run.material.representative()))
    return float_bundle(
        run.folder.path / BUNDLE,
        model=convert(_saved_model(run), precision="float32"),
        recipe=run.recipe,
        split=split,
        clips=clips,
        notes=f"Steps {run.progress.kept} of {run.recipe.training.steps}.",
    )


def _saved_model(run: _Run) -> Path:
    import tensorflow as tf  # noqa: PLC0415 - as above

    try:
        return run.folder.replace_folder(SAVED_MODEL, lambda folder: run.kind.export(run.model, folder))
    except tf.errors.OpError as error:  # its own name for a full disk
        raise run.folder.unwritable(str(error.message)) from None


def _npz(frames: Frames) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, frames=frames)
    return data.getvalue()


def _score(told: dict[str, Any] | None) -> Score | None:
    return None if told is None else Score(**told)
