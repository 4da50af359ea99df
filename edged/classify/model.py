"""What a model is to the road: windows in, posteriors out; and the way from a bundle to one at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, assert_never

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Kernels, Library
    from edged.records import Frames

ANSWER_S = 2.0
"""A model in a process of its own that takes longer over one window hangs: it is killed and replaced."""


class Model(Protocol):
    """A model that has been opened; one thread at a time uses it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One name for each score, the background included."""

    def scores(self, frames: Frames) -> NDArray[np.float32]:
        """Posteriors, shape (labels,), for one window, shape (window_frames, width).

        Raises:
            WorkerLost: The model's process died, hung or talked garbage; `open_model` makes another.
        """

    def reset(self) -> None:
        """Forget what was heard: the next window is answered as by a fresh model."""

    def interrupt(self) -> None:
        """Have `scores`, at work in another thread, give up waiting for its process; the model is then lost."""

    def close(self) -> None:
        """Release everything; again is harmless."""


def open_model(
    bundle: Bundle, *, library: Library | None = None, kernels: Kernels = "default", timeout_s: float = ANSWER_S
) -> Model:
    """Put a bundle's model to work.

    Args:
        bundle: From `edged.classify.bundle.open_bundle`.
        library: Whose TensorFlow Lite; None for the machine's own.
        kernels: Its fast kernels, or the reference ones.
        timeout_s: `.eim` only: longest wait for one window's answer.

    Raises:
        ModelError: The model cannot be used.
        UserError: No usable runtime is installed.
        WorkerLost: An `.eim` that does not come up.
    """
    match bundle.kind:
        case "tflite":
            from edged.classify.runtime import choose  # noqa: PLC0415 - a process with no such model loads none of it
            from edged.classify.tflite import TfliteModel  # noqa: PLC0415 - likewise

            return TfliteModel(bundle, library=library or choose(), kernels=kernels)
        case "eim":
            from edged.classify.eim import EimModel  # noqa: PLC0415 - likewise

            return EimModel.open(bundle, timeout_s=timeout_s)
        case _:
            assert_never(bundle.kind)
