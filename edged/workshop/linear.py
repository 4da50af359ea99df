"""A linear head on somebody's model: what `edged train --embedding FILE.tflite` makes of a classifier.

The last layer of a classifier is linear: it looks at what the layers before made of the sound, a list of numbers that
tells sounds apart far beyond the labels it was trained on. That list is taken as the model's output instead, and a
head for other labels is found over it. The file is changed in one number only, the index of the tensor it gives out;
what stood behind it stays, and is computed for nothing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.classify.archive import read_file
from edged.classify.bundle import Bundle
from edged.classify.fit import check_fit, outline_of
from edged.classify.flatbuffer import MAX_MODEL_BYTES, code_of, read_tables
from edged.classify.model import open_model
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.workshop.head import Examples, balanced, fit_head, posteriors
from edged.workshop.outcome import BUNDLE, digest_of, float_bundle
from edged.workshop.recipe import recipe_of, written
from edged.workshop.split import written_split
from edged.workshop.windowed import Windows, scored
from edged.workshop.work import WorkFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.records import Frames
    from edged.workshop.dataset import Dataset
    from edged.workshop.kinds import Score
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Role, Split

    Embedded = list[tuple[int, NDArray[np.float32]]]
    """Of each clip: its output, and its windows' embeddings, shape (windows, embedding)."""

YAMNET_INPUTS: Final = 96 * 64
YAMNET: Final[dict[str, Any]] = {"front_end": {"name": "log-mel"}, "window_frames": 96, "hop_frames": 48}
"""The front end that a model of so many inputs gets without being asked: that of YAMNet."""
_LINEAR: Final = frozenset({3, 9})
"""CONV_2D, FULLY_CONNECTED: builtin operator codes of a last layer."""
_SUBGRAPHS, _OUTPUTS, _SIGNATURES = 2, 2, 7
"""Positions in the tables Model and SubGraph of TensorFlow's schema.fbs."""


def recipe_for(embedding: Path) -> Recipe:
    """The recipe for a model where none is given.

    Raises:
        ModelError: It is no model, or none whose front end is known.
    """
    model = read_file(embedding, limit=MAX_MODEL_BYTES)
    takes = outline_of(model, file=embedding).inputs[0]
    if int(np.prod(takes.shape)) != YAMNET_INPUTS:
        way_out = "Say front_end, window_frames and hop_frames in a recipe, as it was trained"
        raise ModelError(f"its input {takes} is not YAMNet's", file=embedding, key="--recipe", way_out=way_out)
    return recipe_of({**YAMNET, "name": "sounds", "policy": {"kind": "sound", "threshold": 0.6, "mean_of": 3}})


def train_head(
    datasets: Sequence[Dataset],
    work: Path,
    *,
    recipe: Recipe,
    split: Split,
    embedding: Path,
    at: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Bundle, Score | None]:
    """Find the head, and write the folder: `float.edged`, recipe, split and history.

    Nothing is held back to choose a moment, for there is only one: the groups for validation train too.

    Args:
        datasets: Where the clips are.
        work: The folder to write.
        recipe: Front end and window as the model wants them; what it says of networks and steps is not looked at.
        split: Which clips train, and which test.
        embedding: The `.tflite`.
        at: Called with the clips heard so far, and how many there are.

    Returns:
        The bundle, and how good it is on the fold that was held back.

    Raises:
        ModelError: The model has no linear last layer, or does not fit the recipe.
        DatasetError: The clips cannot be trained on.
        AudioFileError: A clip cannot be read.
        ConfigError: The folder belongs to another training, or cannot be written.
    """
    split = replace(split, train=(*split.train, *split.validation), validation=())
    model = truncated(read_file(embedding, limit=MAX_MODEL_BYTES), file=embedding)
    listed = written_split(split, datasets)
    clips = digest_of(split, listed)
    told = {"recipe": written(recipe), "clips": clips, "embedding": _sha256(model)}
    folder = WorkFolder(work)
    folder.check(told)
    embedded = _embedded(Windows(recipe, split), _frozen(model, recipe, path=embedding), at=at)
    places = json.dumps([str(dataset.folder) for dataset in datasets])
    folder.begin(told, {"recipe.toml": written(recipe), "split.csv": listed, "datasets.json": places})
    examples = _examples(embedded["train"], labels=len(split.outputs))
    head = fit_head(examples, labels=len(split.outputs), centre=_centre(embedded["train"]))
    test = None
    if embedded["test"]:
        means = np.array([posteriors(head, rows).mean(axis=0) for _, rows in embedded["test"]])
        test = scored(np.array([output for output, _ in embedded["test"]]), means)
    history = {"outputs": split.outputs, "test": None if test is None else asdict(test)}
    folder.write("history.json", json.dumps(history, indent=2).encode() + b"\n")
    notes = f"A linear head over {embedding.name}."
    bundle = float_bundle(work / BUNDLE, model=model, recipe=recipe, split=split, clips=clips, notes=notes, head=head)
    return bundle, test


def truncated(model: bytes, *, file: Path) -> bytes:
    """The model with what goes into its last linear layer as its output.

    Raises:
        ModelError: It is damaged, or has no such layer.
    """
    outline_of(model, file=file)  # says what is wrong with a damaged one
    tables = read_tables(model)
    graph = tables["subgraphs"][0]
    (wanted,) = graph["outputs"]
    for operator in reversed(graph["operators"]):
        if wanted in operator["outputs"]:
            wanted = operator["inputs"][0]
            if code_of(tables["codes"][operator["opcode"]]) in _LINEAR:
                return _with_output(model, wanted)
    way_out = "Name a classifier: YAMNet, or another network that ends in a dense layer"
    raise ModelError("has no linear layer whose input could be an embedding", file=file, way_out=way_out)


def _with_output(model: bytes, tensor: int) -> bytes:
    """Write the index of a tensor in the place of that of the main graph's output, and leave out the signatures."""
    changed = bytearray(model)
    root = _u32(model, 0)
    graphs = _field(model, root, _SUBGRAPHS)
    first = graphs + _u32(model, graphs) + 4
    graph = first + _u32(model, first)
    outputs = _field(model, graph, _OUTPUTS)
    struct.pack_into("<i", changed, outputs + _u32(model, outputs) + 4, tensor)
    # A signature names the old output; an absent field of a table is a 0 in its vtable.
    vtable = root - struct.unpack_from("<i", model, root)[0]
    if struct.unpack_from("<H", model, vtable)[0] > 4 + 2 * _SIGNATURES:
        struct.pack_into("<H", changed, vtable + 4 + 2 * _SIGNATURES, 0)
    return bytes(changed)


def _field(data: bytes, table: int, number: int) -> int:
    vtable = table - struct.unpack_from("<i", data, table)[0]
    return table + int(struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0])


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


class _Frozen:
    """The model with its embedding as output, at work on windows."""

    def __init__(self, bundle: Bundle) -> None:
        self._model = open_model(bundle)

    def rows(self, windows: Frames) -> NDArray[np.float32]:
        """Embeddings, shape (n, embedding), of windows, shape (n, window_frames, width)."""
        return np.stack([self._model.scores(window) for window in windows])


def _frozen(model: bytes, recipe: Recipe, *, path: Path) -> _Frozen:
    outline = outline_of(model, file=path)
    embedding = int(np.prod(outline.outputs[0].shape))
    check_fit(
        outline,
        labels=embedding,
        window_frames=recipe.window_frames,
        width=open_front_end(recipe.spec).width,
        front_end=recipe.spec.name,
        where=path,
    )
    return _Frozen(
        Bundle(
            name="embedding",
            path=path,
            kind="tflite",
            labels=tuple(map(str, range(embedding))),
            front_end=recipe.spec,
            window_frames=recipe.window_frames,
            hop_frames=recipe.hop_frames,
            policies={},
            sha256=_sha256(model),
            model=model,
            stateful=outline.stateful,
        )
    )


def _embedded(material: Windows, frozen: _Frozen, *, at: Callable[[int, int], None]) -> dict[Role, Embedded]:
    heard: dict[Role, list[tuple[int, Frames]]] = {
        "train": material.windows_of("train"),
        "test": material.windows_of("test"),
    }
    count, done = sum(map(len, heard.values())), 0
    found: dict[Role, Embedded] = {}
    for role, clips in heard.items():
        found[role] = []
        for output, windows in clips:
            found[role].append((output, frozen.rows(windows)))
            done += 1
            at(done, count)
    return found


def _examples(embedded: Embedded, *, labels: int) -> Examples:
    """Every window with its clip's label; each clip counts the same, and each label."""
    targets = np.concatenate([np.full(len(rows), output) for output, rows in embedded])
    of_clip = np.concatenate([np.full(len(rows), 1 / len(rows)) for _, rows in embedded])
    return Examples(
        embeddings=np.concatenate([rows for _, rows in embedded]),
        targets=targets,
        weights=of_clip * balanced(targets, shares=np.ones(labels)),
    )


def _centre(embedded: Embedded) -> NDArray[np.float32]:
    return np.asarray(np.concatenate([rows for _, rows in embedded]).mean(axis=0), dtype=np.float32)


def _sha256(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()
