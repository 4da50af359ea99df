"""A golden input and its output: what a bundle hears and answers where it was made, to be compared where it arrives.

The input is a second or so of sound, not features: what is compared is the whole road from samples to posteriors, front
end included. So it finds a manifest whose labels, front end, window, head or output were changed as well as a runtime
that computes something else. It is no signature: who changes the model can make another golden output.

`edged.classify.proof` makes and compares them; this module is what a manifest holds.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from edged.classify.values import Place, WrongValueError, array, finite, mapping, number, table, text
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_SAMPLES: Final = 65_536
"""Four seconds at 16 kHz; in base64, a sixth of a manifest's bound."""
TOLERANCE: Final = 0.1
"""How far posteriors may be off where another runtime, or the same on another processor, computes them: quantised
models round otherwise there, and one that keeps state carries that on. Of four wake words that each heard their word,
tflite-runtime and LiteRT with their default kernels differed by up to 0.055; with the reference kernels by nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWith:
    """What computed the output: where all of it is the same, so is the output."""

    library: str
    version: str
    kernels: str
    machine: str
    """The processor's kind, as `uname -m` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A golden input and its output."""

    audio: bytes
    """int16, little-endian, mono, at the front end's rate."""
    posteriors: Mapping[str, tuple[float, ...]]
    """By label, one for each window."""
    hop_frames: int
    """Frames from one window to the next, as the manifest has it."""
    made_with: MadeWith
    tolerance: float = TOLERANCE

    def told(self) -> dict[str, Any]:
        """Give it as a manifest writes it."""
        return {
            "made_with": asdict(self.made_with),
            "tolerance": self.tolerance,
            "audio": base64.b64encode(self.audio).decode("ascii"),
            "posteriors": {label: list(values) for label, values in self.posteriors.items()},
        }


def _audio(value: object, place: Place) -> bytes:
    coded = text(longest=4 * MAX_SAMPLES)(value, place)
    try:
        found = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        raise WrongValueError("is not base64", place, way_out="Fetch the bundle anew") from None
    if len(found) % 2 or not 0 < len(found) <= 2 * MAX_SAMPLES:
        what = f"has {len(found)} bytes, not 1 to {MAX_SAMPLES} samples of 2"
        raise WrongValueError(what, place, way_out="Fetch the bundle anew")
    return found


GOLDEN: Final = table(
    {
        "made_with": table({key: text() for key in ("library", "version", "kernels", "machine")}),
        "tolerance": number(low=0, high=1),
        "audio": _audio,
        "posteriors": mapping(text(shortest=1), array(finite, fewest=1, most=MAX_SAMPLES)),
    },
    needed=("made_with", "audio", "posteriors"),
)
"""Reads what `Golden.told` writes."""


def golden_of(told: Mapping[str, Any], *, labels: Sequence[str], hop_frames: int, windows: int) -> Golden:
    """Make the golden input and output that a manifest tells of, whose values have been read.

    Args:
        told: What `GOLDEN` has read.
        labels: Those of the manifest.
        hop_frames: As in the manifest.
        windows: So many windows `samples_of` its audio make, through the manifest's front end.

    Raises:
        ModelError: It speaks of other labels or windows than the manifest.
    """
    posteriors, way_out = told["posteriors"], "Fetch the bundle anew: its manifest was changed"
    if odd := sorted(set(posteriors) ^ set(labels)):
        what = "is no label" if odd[0] in posteriors else "is missing"
        raise ModelError(what, key="golden.posteriors", value=odd[0], way_out=way_out)
    for label, values in posteriors.items():
        if len(values) != windows:
            what = f"{label!r} has {len(values)}, and golden.audio makes {windows} windows"
            raise ModelError(what, key="golden.posteriors", way_out=way_out)
    given = {key: told[key] for key in ("audio", "tolerance") if key in told}
    made_with = MadeWith(**dict.fromkeys(MadeWith.__slots__, "") | told["made_with"])
    return Golden(posteriors=posteriors, hop_frames=hop_frames, made_with=made_with, **given)
