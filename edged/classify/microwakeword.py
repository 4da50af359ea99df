"""microWakeWord's own model description: a `.json`, version 2, beside the `.tflite` that it names, used as they are.

The format is ESPHome's (https://github.com/esphome/micro-wake-word-models). Its models are fed by TensorFlow Lite
Micro's audio front end in 10 ms steps, and answer once for every few frames, as many as their input holds; the mean of
the last `sliding_window_size` answers, once there are so many, detects the word by rising over `probability_cutoff`.
There is no refractory time: a new detection needs the mean to have fallen first, and that is how pymicro-wakeword's
activations are counted too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edged.classify.archive import MAX_MANIFEST_BYTES, read_file
from edged.errors import ModelError

VERSION: Final = 2
STEP_MS: Final = 10
"""What version 2 models are trained on, and what `pymicro-features` gives."""
MAX_SLIDING_WINDOW: Final = 1000


@dataclass(frozen=True, slots=True)
class WakeWord:
    """What a description says that matters here."""

    phrase: str
    model: Path
    cutoff: float
    """The mean must be greater; 0 to 1."""
    mean_of: int
    author: str


def read_wake_word(path: Path) -> WakeWord:
    """Read and check a description.

    Raises:
        ModelError: It is not microWakeWord's, of another version, or a value in it is missing or wrong.
    """
    try:
        found = json.loads(read_file(path, limit=MAX_MANIFEST_BYTES))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"is not JSON: {error}", file=path, way_out="Fetch it anew") from None
    if not isinstance(found, dict) or found.get("type") != "micro":
        way_out = "Name a microWakeWord .json, a bundle, a .tflite or an .eim"
        raise ModelError('is not a microWakeWord description: no "type": "micro"', file=path, way_out=way_out)
    return _wake_word(_Object(found, path))


def _wake_word(top: _Object) -> WakeWord:
    if top.number("version", low=1, high=100) != VERSION:
        raise top.wrong("version", "is not supported", f"Fetch version {VERSION} of this model")
    model = top.get("model", str, "a file name")
    if Path(model).name != model:
        raise top.wrong(
            "model", "is not a bare file name", "Put the .tflite beside this file, and write its name alone"
        )
    if not os.path.isfile(top.path.parent / model):  # noqa: PTH113 - pathlib's raises where a name is too long
        raise top.wrong("model", "is not beside this file", f"Fetch {model} too, and put it into the same folder")
    micro = _Object(top.get("micro", dict, "an object"), top.path, prefix="micro.")
    if micro.number("feature_step_size", low=1, high=1000) != STEP_MS:
        raise micro.wrong("feature_step_size", "is not supported", f"Use a model with steps of {STEP_MS} ms")
    return WakeWord(
        phrase=top.get("wake_word", str, "a text"),
        model=top.path.parent / model,
        cutoff=micro.number("probability_cutoff", low=0, high=1),
        mean_of=int(micro.number("sliding_window_size", low=1, high=MAX_SLIDING_WINDOW)),
        author=str(top.values.get("author", "")),
    )


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object that says what is wrong with it."""

    values: dict[str, Any]
    path: Path
    prefix: str = ""

    def get(self, key: str, kind: type, noun: str) -> Any:
        if key not in self.values:
            raise ModelError("is missing", file=self.path, key=self.prefix + key, way_out="Fetch the model anew")
        value = self.values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(key, f"is not {noun}", f"Write {noun}")
        return value

    def number(self, key: str, *, low: float, high: float) -> float:
        value: float = self.get(key, int | float, "a number")  # type: ignore[arg-type]  # a union is a class to isinstance
        if not low <= value <= high:
            raise self.wrong(key, f"is not from {low:g} to {high:g}", "Mend that value")
        return value

    def wrong(self, key: str, what: str, way_out: str) -> ModelError:
        value = self.values[key]
        shown = value if isinstance(value, str | int | float) else None
        return ModelError(what, file=self.path, key=self.prefix + key, value=shown, way_out=way_out)
