"""What a training leaves: the bundle in float32, and in it who and what it was made from.

The bundle holds no date, and nothing else that is not the same when the same is trained again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from edged import __version__
from edged.classify.bundle import write_bundle
from edged.errors import ModelError
from edged.workshop.dataset import digest, read_audio
from edged.workshop.split import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.classify.head import Head
    from edged.workshop.recipe import Recipe
    from edged.workshop.split import Example, Split

BUNDLE: Final = "float.edged"
MAX_TEXT: Final = 10_000
"""Of one text of a manifest's provenance."""


def float_bundle(
    path: Path, *, model: bytes, recipe: Recipe, split: Split, clips: str, notes: str = "", head: Head | None = None
) -> Bundle:
    """Write the bundle.

    Args:
        path: The `.edged` file; one that is there is replaced.
        model: The `.tflite`.
        recipe: Says how its scores become decisions, and all else.
        split: What it was trained on.
        clips: `digest_of` it.
        notes: What else there is to say.
        head: A linear head over the model's output.

    Raises:
        ModelError: The model does not fit the recipe, or the file cannot be written.
    """
    labels = split.outputs[:-1]
    for label in recipe.policies:
        if label not in labels:
            what, way_out = "there is no such label", f"Name any of {', '.join(labels)}"
            raise ModelError(what, key=f"policies.{label}", way_out=way_out)
    return write_bundle(
        path,
        model=model,
        name=recipe.name,
        labels=split.outputs,
        background=(BACKGROUND,),
        front_end=recipe.spec,
        window_frames=recipe.window_frames,
        hop_frames=recipe.hop_frames,
        policy=recipe.policy.policy,
        policies={label: decide.policy for label, decide in recipe.policies.items()},
        description=recipe.description,
        provenance=_provenance(recipe, split, clips=clips, notes=notes),
        output="posterior" if head is None else "softmax",
        head=head,
    )


def digest_of(split: Split, listed: str) -> str:
    """The sha256 of the split as it is written, and of every sample in it.

    Raises:
        DatasetError: A clip has another rate or more channels.
        AudioFileError: A clip cannot be read.
    """
    found = hashlib.sha256(listed.encode())
    for example in (*split.train, *split.validation, *split.test):
        found.update(digest(read_audio(example.clip)).encode())
    return found.hexdigest()


def _provenance(recipe: Recipe, split: Split, *, clips: str, notes: str) -> dict[str, str]:
    heard = (*split.train, *split.validation)
    seed = f"Seed {recipe.training.seed}, clips {clips}."
    return {
        "trained_by": f"edged {__version__}",
        "data": _listed(heard, lambda example: example.clip.source),
        "licence": _listed(heard, lambda example: example.clip.licence),
        "notes": f"{seed} {notes}".strip(),
    }


def _listed(examples: tuple[Example, ...], of: Callable[[Example], str]) -> str:
    counts = Counter(map(of, examples))
    return "; ".join(f"{name} ({count} clips)" for name, count in sorted(counts.items()))[:MAX_TEXT]
