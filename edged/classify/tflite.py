"""A `.tflite` model at work: windows of float32 features in, posteriors out, whatever it computes in.

Quantising is done as pymicro-wakeword does it, in double precision, half to even (`round(x / scale + zero)`), so that
both see the same bytes; what lies beyond the type's range saturates, where a bare cast would wrap. Every buffer is
made once.

A streaming model keeps its past in variables inside the interpreter. `reset_all_variables()` does not clear them, nor
does allocating anew, in either library: after it, okay_nabu answers otherwise than a fresh one. So `reset` makes a new
interpreter, which takes under 1 ms, and only for a model that keeps state and has been used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.classify.runtime import Kernels, Library, open_interpreter
from edged.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Interpreter
    from edged.records import Frames


class TfliteModel:
    """One bundle's model in one interpreter.

    Args:
        bundle: A bundle of kind "tflite"; that its shapes and labels fit the model was checked when it was opened.
        library: Whose interpreter.
        kernels: The library's own kernels, or the reference ones.

    Raises:
        ModelError: The library refuses the model.
        UserError: The library does not work here.
    """

    def __init__(self, bundle: Bundle, *, library: Library, kernels: Kernels) -> None:
        self.labels: Final = bundle.labels
        self._bundle: Final = bundle
        self._library: Final = library
        self._kernels: Final = kernels
        self._interpreter: Interpreter | None = None
        self._fresh = False
        self._open()

    def scores(self, frames: Frames) -> NDArray[np.float32]:
        """Posteriors for one window.

        Args:
            frames: Shape (window_frames, width), float32; the model's input may arrange the same numbers otherwise.

        Returns:
            A new array, shape (labels,), in the order of `labels`.

        Raises:
            ModelError: The window has another size, or the model fails on it.
        """
        assert self._interpreter is not None, "scores() after close()"  # noqa: S101 - a caller's mistake, not the user's
        self._fresh = False
        try:
            self._interpreter.set_tensor(self._input, self._quantise(frames))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            why = " ".join(str(error).split()).rstrip(".")
            raise ModelError(f"the model fails: {why}", file=self._bundle.path) from error
        return self._posteriors(self._interpreter.get_tensor(self._output))

    def reset(self) -> None:
        """Forget every window heard: what follows is what a fresh model would say, bit for bit."""
        if self._bundle.stateful and not self._fresh:
            self._open()

    def interrupt(self) -> None:
        """Nothing to give up: a window is answered by computing, not by waiting."""

    def close(self) -> None:
        """Release the interpreter; again is harmless."""
        self._interpreter = None

    def _open(self) -> None:
        model = self._bundle.model
        self._interpreter = open_interpreter(
            model, library=self._library, kernels=self._kernels, file=self._bundle.path
        )
        (takes,), (gives,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input: int = takes["index"]
        self._output: int = gives["index"]
        self._prepare_input(takes)
        self._prepare_output(gives)
        self._fresh = True

    def _prepare_input(self, details: dict[str, Any]) -> None:
        self._takes: NDArray[Any] = np.empty(details["shape"], dtype=details["dtype"])
        self._exact = np.empty(details["shape"], dtype=np.float64)
        self._in_scale, self._in_zero = _quantization(details)
        if self._takes.dtype.kind != "f":
            limits = np.iinfo(self._takes.dtype)
            self._low, self._high = float(limits.min), float(limits.max)

    def _prepare_output(self, details: dict[str, Any]) -> None:
        self._out_scale, out_zero = _quantization(details)
        self._out_zero = np.float32(out_zero)
        self._out_float = np.dtype(details["dtype"]).kind == "f"

    def _quantise(self, frames: Frames) -> NDArray[Any]:
        if frames.size != self._takes.size:
            raise ModelError(
                f"a window of {list(frames.shape)} does not fill its input of {list(self._takes.shape)}",
                file=self._bundle.path,
            )
        window = frames.reshape(self._takes.shape)
        if self._takes.dtype.kind == "f":
            return window if window.dtype == self._takes.dtype else window.astype(self._takes.dtype)
        exact = self._exact
        np.divide(window, self._in_scale, out=exact, dtype=np.float64)  # out= alone would still divide in float32
        exact += self._in_zero
        np.rint(exact, out=exact)
        np.maximum(exact, self._low, out=exact)
        np.minimum(exact, self._high, out=exact)
        np.copyto(self._takes, exact, casting="unsafe")
        return self._takes

    def _posteriors(self, output: NDArray[Any]) -> NDArray[np.float32]:
        values = output.reshape(-1).astype(np.float32)
        if not self._out_float:
            values -= self._out_zero
            values *= self._out_scale
        if self._bundle.head is not None:
            values = self._bundle.head.logits(values)
        match self._bundle.output:
            case "softmax":
                return _softmax(values)
            case "sigmoid":
                return _sigmoid(values)
        return values


def _quantization(details: dict[str, Any]) -> tuple[float, int]:
    """Scale and zero point; integers without any (a scale of 0) are taken as they are."""
    scale, zero = details["quantization"]
    return float(scale) or 1.0, int(zero)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), dtype=np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # exp of a non-positive number only: no overflow at either end.
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)), dtype=np.float32)
