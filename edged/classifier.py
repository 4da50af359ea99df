"""`classifier.classify("sample.wav")`: what a recording sounds like; `result["label"]`, `result["confidence"]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from edged.audio.sources import FileSource
from edged.classify.model import open_model
from edged.errors import AudioFileError
from edged.lane import Lane
from edged.plan import chosen
from edged.records import Chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Scores


class Result(TypedDict):
    """What `classify` found."""

    label: str
    """The label that came out strongest, whether or not it passed its threshold."""
    confidence: float
    """Its highest smoothed posterior anywhere in the recording, 0 to 1."""
    detected: bool
    """True if that passed the label's threshold."""
    labels: dict[str, float]
    """The same highest posterior for each label that is not background."""
    model: str
    """Name of the model that listened."""


def classify(path: str | Path, *, model: str | Path | None = None) -> Result:
    """Say what a recording sounds like.

    Args:
        path: A WAV, FLAC or OGG file.
        model: A bundle, `.json`, `.tflite` or `.eim`; by default that of $EDGED_MODEL, else the first of the config
            (`/etc/edged/edged.toml` or $EDGED_CONFIG), else the default model.

    Raises:
        AudioFileError: The recording cannot be read.
        ModelError: The model cannot be used.
    """
    bundles, library, kernels = chosen(model=None if model is None else Path(model))
    return classify_with(bundles[0], path, library=library, kernels=kernels)


def classify_with(
    bundle: Bundle, path: str | Path, *, library: Library | None = None, kernels: Kernels = "default"
) -> Result:
    """Say what a recording sounds like to one model; raises as `classify` does."""
    peaks = np.zeros(len(bundle.policies))

    def watch(_: Scores, smoothed: NDArray[np.float64]) -> None:
        np.maximum(peaks, smoothed, out=peaks)

    lane = Lane(bundle, open_model(bundle, library=library, kernels=kernels), watch=watch)
    try:
        _hear(lane, Path(path))
    finally:
        lane.close()
    decided = [label for label in bundle.labels if label in bundle.policies]
    if not decided:
        raise AudioFileError("every label of the model is background", file=bundle.path, way_out="Use another model")
    found = dict(zip(decided, (round(float(peak), 6) for peak in peaks), strict=True))
    label = max(found, key=found.__getitem__)
    detected = found[label] > bundle.policies[label].threshold
    return Result(label=label, confidence=found[label], detected=detected, labels=found, model=bundle.name)


def _hear(lane: Lane, path: Path) -> None:
    """Put the recording through the lane; one that is shorter than the model needs is followed by silence."""
    heard, rate_hz, channels = 0, lane.rate_hz, 1
    for chunk in FileSource(path).chunks():
        lane.hear(chunk)
        heard, rate_hz, channels = chunk.first + len(chunk.samples), chunk.rate_hz, chunk.samples.shape[1]
    missing = round(lane.needs_s * rate_hz) + 1 - heard
    if missing > 0:
        silence = np.zeros((missing, channels), np.int16)
        lane.hear(Chunk(samples=silence, rate_hz=rate_hz, first=heard, ended_ns=0, fresh=heard == 0))
    lane.finish()
