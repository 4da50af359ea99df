"""Whether a `.tflite` is what is said of it: its tensors beside its front end, window and labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from edged.classify.flatbuffer import Damaged, read_outline
from edged.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from edged.classify.flatbuffer import Outline, Tensor
    from edged.classify.head import Head

DTYPES: Final = ("float32", "int8", "uint8", "int16")
"""What a model may take and give."""


def outline_of(model: bytes, *, file: Path) -> Outline:
    """What the model takes and gives: one input and one output, of types that are known here.

    Raises:
        ModelError: It is damaged, or is not such a model.
    """
    try:
        outline = read_outline(model)
    except Damaged as why:
        raise ModelError(str(why), file=file, way_out="Fetch or convert it anew") from None
    for noun, tensors in (("input", outline.inputs), ("output", outline.outputs)):
        _check_tensors(noun, tensors, file=file)
    return outline


def check_fit(
    outline: Outline,
    *,
    labels: int,
    head: Head | None = None,
    window_frames: int,
    width: int,
    front_end: str,
    where: str | Path,
    table: str = "",
) -> None:
    """Compare what is said of a model with what it is.

    Args:
        outline: What it is.
        labels: How many it is said to tell apart.
        head: What makes them of its outputs; None where each output is one of them.
        window_frames: Frames in a window.
        width: Features in a frame.
        front_end: What they are, for the error.
        where: The file that says so, for the error.
        table: The dotted table in it that says so; empty where the keys stand outright.

    Raises:
        ModelError: The two differ; it names the shape, dtype or label count.
    """
    takes, gives = outline.inputs[0], outline.outputs[0]
    prefix = f"{table}." if table else ""
    wanted, given = math.prod(takes.shape), window_frames * width
    if wanted != given:
        what = f"{window_frames} frames of {width} ({front_end}) make {given} numbers, its input {takes} takes {wanted}"
        way_out = f"Give {wanted // width}" if wanted % width == 0 else "Give the front end that it was trained with"
        raise ModelError(what, file=where, key=f"{prefix}window_frames", value=window_frames, way_out=way_out)
    outputs = math.prod(gives.shape)
    if head is not None:
        _check_head(head, labels=labels, gives=gives, where=where)
    elif outputs != labels:
        what = f"{labels} given, but its output {gives} has {outputs}"
        way_out = f"Give {outputs}, in the order of the outputs"
        raise ModelError(what, file=where, key=f"{prefix}labels", way_out=way_out)


def _check_head(head: Head, *, labels: int, gives: Tensor, where: str | Path) -> None:
    """Compare a head, which only a manifest can give, with the labels and with the model below it."""
    if head.labels != labels:
        what, way_out = (
            f"{labels} given, but head.weights has {head.labels} rows",
            f"Give {head.labels}, in their order",
        )
        raise ModelError(what, file=where, key="labels", way_out=way_out)
    outputs = math.prod(gives.shape)
    if head.embedding != outputs:
        what = f"has {head.embedding} columns, but the output {gives} has {outputs} numbers"
        raise ModelError(what, file=where, key="head.weights", way_out="Give the model that the head was trained on")


def _check_tensors(noun: str, tensors: tuple[Tensor, ...], *, file: Path) -> None:
    listed = ", ".join(map(str, tensors))
    if len(tensors) != 1:
        raise ModelError(f"has {len(tensors)} {noun}s: {listed}", file=file, way_out=f"Use a model with one {noun}")
    if tensors[0].dtype not in DTYPES:
        way_out = f"Convert it with one of {', '.join(DTYPES)}"
        raise ModelError(f"its {noun} {listed} is of a type that edged does not feed", file=file, way_out=way_out)
