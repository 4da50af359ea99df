"""Whether a bundle answers on this machine as it did where it was made; `edged.classify.golden` says how."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.classify.golden import MAX_SAMPLES, TOLERANCE, Golden, MadeWith
from edged.classify.model import open_model
from edged.classify.runtime import choose, version_of
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.features.window import Windower

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Pcm

EXACT: Final = 1e-4
"""What posteriors may be off where everything is as it was made: the last bits of float32 differ from processor to
processor even so. One step of an int8 posterior is 40 times as much."""
SOUND_S: Final = 1.0
"""Length of the sound that stands in where none is given; longer where three windows take longer."""
_LEAST_WINDOWS: Final = 3
_LOUD: Final = 12_000
_LOW_HZ: Final = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How near a bundle came to its golden output."""

    windows: int
    worst: float
    """Largest difference of a posterior."""
    allowed: float
    same: bool
    """Computed with what it was made with."""


def make_golden(
    bundle: Bundle,
    samples: Pcm | None = None,
    *,
    library: Library | None = None,
    kernels: Kernels = "default",
    tolerance: float = TOLERANCE,
) -> Golden:
    """Let a bundle hear a sound, and note its answers.

    Args:
        bundle: Of kind "tflite".
        samples: Shape (n,), int16, at `bundle.rate_hz`: best a sound that it tells from others; None for a sweep.
        library: Whose TensorFlow Lite; None for the machine's own.
        kernels: Its fast kernels, or the reference ones.
        tolerance: How far off another runtime may be.

    Raises:
        ModelError: The sound makes no window or is longer than `MAX_SAMPLES`, or the model fails on it.
    """
    heard = sweep(bundle) if samples is None else samples
    if len(heard) > MAX_SAMPLES:
        what = f"has {len(heard)} samples, and {MAX_SAMPLES} are the most"
        raise ModelError(what, file=bundle.path, key="golden.audio", way_out="Give a shorter sound, or none")
    library = library or choose()
    found = _posteriors(bundle, heard, hop_frames=bundle.hop_frames, library=library, kernels=kernels)
    if not len(found):
        what, way_out = f"has {len(heard)} samples, too few for one window", "Give a longer sound"
        raise ModelError(what, file=bundle.path, key="golden.audio", way_out=way_out)
    return Golden(
        audio=heard.astype("<i2").tobytes(),
        posteriors={
            label: tuple(float(str(value)) for value in found[:, number]) for number, label in enumerate(bundle.labels)
        },
        hop_frames=bundle.hop_frames,
        made_with=_here(library, kernels),
        tolerance=tolerance,
    )


def prove(bundle: Bundle, *, library: Library | None = None, kernels: Kernels = "default") -> Proof | None:
    """Let a bundle hear its golden input, and compare; None where it has none.

    Raises:
        ModelError: It answers otherwise; the label, the window and both posteriors are named. Or the model fails.
    """
    golden = bundle.golden
    if golden is None:
        return None
    library = library or choose()
    heard = np.frombuffer(golden.audio, dtype="<i2").astype(np.int16)
    found = _posteriors(bundle, heard, hop_frames=golden.hop_frames, library=library, kernels=kernels)
    off = np.abs(found - np.array([golden.posteriors[label] for label in bundle.labels], dtype=np.float32).T)
    same = golden.made_with == _here(library, kernels)
    proof = Proof(windows=len(found), worst=float(off.max()), allowed=EXACT if same else golden.tolerance, same=same)
    if not proof.worst <= proof.allowed:  # so that NaN is refused, too
        window, label = (int(index) for index in np.unravel_index(np.argmax(off), off.shape))
        raise _otherwise(bundle, proof, window, label, answered=float(found[window, label]))
    return proof


def sweep(bundle: Bundle) -> Pcm:
    """A tone that climbs from 80 Hz to near half the rate, and swells and fades: shape (n,), int16, always the same."""
    geometry = open_front_end(bundle.front_end)
    frames = bundle.window_frames + (_LEAST_WINDOWS - 1) * bundle.hop_frames
    needed = (frames - 1) * geometry.step + geometry.window
    first = (bundle.window_frames - 1) * geometry.step + geometry.window
    length = max(first, min(max(needed, round(SOUND_S * geometry.rate_hz)), MAX_SAMPLES))
    at = np.arange(length) / length
    ratio = np.log(0.45 * geometry.rate_hz / _LOW_HZ)
    phase = 2 * np.pi * _LOW_HZ * (length / geometry.rate_hz) * (np.exp(ratio * at) - 1) / ratio
    return np.asarray(np.rint(_LOUD * (0.55 + 0.45 * np.cos(14 * np.pi * at)) * np.sin(phase)), dtype=np.int16)


def _posteriors(
    bundle: Bundle, samples: Pcm, *, hop_frames: int, library: Library, kernels: Kernels
) -> NDArray[np.float32]:
    """Posteriors, shape (windows, labels), of a sound that begins where the model does."""
    front_end = open_front_end(bundle.front_end)
    windower = Windower(front_end, frames=bundle.window_frames, hop=hop_frames)
    model = open_model(bundle, library=library, kernels=kernels)
    try:
        scores = [model.scores(window.frames) for window in windower.push(front_end.push(samples))]
    finally:
        model.close()
    return np.array(scores, dtype=np.float32).reshape(len(scores), len(bundle.labels))


def _here(library: Library, kernels: Kernels) -> MadeWith:
    return MadeWith(library=library, version=version_of(library), kernels=kernels, machine=os.uname().machine)


def _otherwise(bundle: Bundle, proof: Proof, window: int, label: int, *, answered: float) -> ModelError:
    golden, name = bundle.golden, bundle.labels[label]
    assert golden is not None  # noqa: S101 - prove has looked
    what = (
        f"its golden input gives {name!r} {answered:.4f} in window {window + 1} of {proof.windows}, "
        f"not {golden.posteriors[name][window]:.4f} as where it was made; {proof.allowed:g} is allowed"
    )
    made = golden.made_with
    way_out = "Fetch the bundle anew: it was changed"
    if not proof.same:
        way_out += (
            f"; or the runtime here differs from {made.library} {made.version} ({made.kernels} kernels, {made.machine})"
        )
    return ModelError(what, file=bundle.path, key="golden", way_out=way_out)
