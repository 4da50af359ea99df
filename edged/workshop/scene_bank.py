"""The bank: scenes of each part, as features and targets, made once and kept.

To compose a scene costs more than to train on it, so scenes are made before training begins, by all cores, and kept in
`$XDG_CACHE_HOME/edged/scenes` (`~/.cache/…`), a file for each part, named by a digest of all they depend on.
What is found there was made by this very code from these very clips; to be rid of it, remove the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import numpy as np

from edged import __version__
from edged.errors import StateError
from edged.features.frontend import open_front_end
from edged.wholefile import write_whole
from edged.workshop.dataset import RATE_HZ, digest, read_audio
from edged.workshop.palettes import palette_of
from edged.workshop.scenes import Odds, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edged.workshop.palettes import Part
    from edged.workshop.recipe import Recipe
    from edged.workshop.scenes import Mark, Palette

SCALE: Final = 25.6
"""Features are kept as whole numbers of 1/25.6, which the micro front end's are."""
HIT_S: Final = (0.03, 0.33)
"""A window that ends so long after a word's end is to say the word …"""
EITHER_S: Final = (-0.12, 0.65)
"""… and within this it may say so or not: nobody can tell to the tenth of a second where a word ends. Before that it
may not: who says "compu" may go on "ting"."""
NETWORK: Final = ("first_kernel", "first_bands", "bands", "channels", "kernels", "dropout", "mask", "warp")
"""What of a recipe's streaming table does not change the scenes."""
_BLOCK: Final = 16
"""Scenes that a process makes at a time."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """Many scenes as a network sees them."""

    features: NDArray[np.uint16]
    """Shape (scenes, frames, width), in 1/`SCALE`."""
    targets: NDArray[np.int8]
    """Shape (scenes, windows): the output that each window is to bring up."""
    counts: NDArray[np.bool_]
    """Shape (scenes, windows): whether the window counts at all."""


def scenes_of(part: Part, recipe: Recipe, outputs: Sequence[str], *, made: Callable[[int], None]) -> Scenes:
    """A part's scenes, from the cache or made now.

    Args:
        part: What they are made of.
        recipe: How many, and how.
        outputs: Labels of the outputs, the background last.
        made: Called with how many there are so far.

    Raises:
        DatasetError, AudioFileError: A clip cannot be used, or nothing can speak.
        StateError: The cache cannot be written.
    """
    file = _cache() / f"{_key(part, recipe, outputs)}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError, BadZipFile), np.load(file) as kept:
        made(len(kept["features"]))
        return Scenes(kept["features"], kept["targets"], kept["counts"])
    scenes = _make(part, recipe, outputs, made=made)
    _keep(file, scenes)
    return scenes


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edged", "scenes")


def _key(part: Part, recipe: Recipe, outputs: Sequence[str]) -> str:
    """A digest of all that the scenes depend on."""
    told = {
        "edged": __version__,
        "part": part.number,
        "clips": [(digest(read_audio(each.clip)), each.output, each.clip.source) for each in part.examples],
        "said": [
            asdict(line) for lines in (*part.words.values(), part.near, part.mutants, part.sentences) for line in lines
        ],
        "outputs": list(outputs),
        "recipe": recipe.model_dump(include={"front_end", "window_frames"}) | {"seed": recipe.training.seed},
        "scenes": recipe.streaming.model_dump(exclude=set(NETWORK)),
        "when": [HIT_S, EITHER_S],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _make(part: Part, recipe: Recipe, outputs: Sequence[str], *, made: Callable[[int], None]) -> Scenes:
    painter = _Painter(palette_of(part, recipe, outputs), recipe, tuple(outputs), part.number)
    count = recipe.streaming.scenes
    blocks = [range(at, min(at + _BLOCK, count)) for at in range(0, count, _BLOCK)]
    done: list[Scenes] = []
    # Forked, so that the sounds are shared and not copied; TensorFlow, which does not survive that, is not loaded yet.
    with ProcessPoolExecutor(mp_context=get_context("fork"), initializer=_set, initargs=(painter,)) as pool:
        for scenes in pool.map(_paint, blocks):
            done.append(scenes)
            made(sum(len(each.features) for each in done))
    return Scenes(
        np.concatenate([each.features for each in done]),
        np.concatenate([each.targets for each in done]),
        np.concatenate([each.counts for each in done]),
    )


@dataclass(frozen=True, slots=True)
class _Painter:
    """All that a process needs to make a scene from its number."""

    palette: Palette
    recipe: Recipe
    outputs: tuple[str, ...]
    part: int

    def paint(self, number: int) -> tuple[NDArray[np.uint16], NDArray[np.int8], NDArray[np.bool_]]:
        how = self.recipe.streaming
        odds = Odds(
            word=how.word,
            cut=how.cut,
            scrambled=how.scrambled,
            spoken=how.machines,
            quiet=how.quiet,
            room=how.room,
            snr_db=how.snr_db,
        )
        scene = compose(
            self.palette, rng=np.random.default_rng([self.recipe.training.seed, self.part, number]), odds=odds
        )
        front_end = open_front_end(self.recipe.spec)
        frames = front_end.push(scene.samples)
        step = self.recipe.window_frames
        windows = len(frames) // step
        ends = (np.arange(1, windows + 1) * step - 1) * front_end.step + front_end.window
        targets, counts = targets_of(scene.marks, ends, outputs=self.outputs)
        return np.rint(frames[: windows * step] * SCALE).astype(np.uint16), targets, counts


def targets_of(
    marks: Sequence[Mark], ends: NDArray[np.int64], *, outputs: Sequence[str]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """What each window is to say, and whether it counts.

    Args:
        marks: The words, and where they end.
        ends: Shape (windows,): index just past the last sample of each.
        outputs: Labels, the background last.
    """
    targets = np.full(len(ends), len(outputs) - 1, np.int8)
    counts = np.ones(len(ends), np.bool_)
    for mark in marks:
        since_s = (ends - mark.ends) / RATE_HZ
        counts[(since_s > EITHER_S[0]) & (since_s < EITHER_S[1])] = False
    for mark in marks:
        since_s = (ends - mark.ends) / RATE_HZ
        hit = (since_s >= HIT_S[0]) & (since_s <= HIT_S[1])
        targets[hit] = outputs.index(mark.label)
        counts[hit] = True
    return targets, counts


_painter: _Painter | None = None


def _set(painter: _Painter) -> None:
    global _painter  # noqa: PLW0603 - a process of the pool has one
    _painter = painter


def _paint(numbers: range) -> Scenes:
    assert _painter is not None  # noqa: S101 - the pool's initializer has set it
    features, targets, counts = zip(*map(_painter.paint, numbers), strict=True)
    return Scenes(np.stack(features), np.stack(targets), np.stack(counts))


def _keep(file: Path, scenes: Scenes) -> None:
    data = io.BytesIO()
    np.savez(data, features=scenes.features, targets=scenes.targets, counts=scenes.counts)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data.getvalue())
    except OSError as error:
        way_out = "Make room there, or name another folder in XDG_CACHE_HOME"
        raise StateError(f"the scenes cannot be kept: {error.strerror}", file=file.parent, way_out=way_out) from None
