"""How long a model takes over one window, here: for information, since it depends on the machine and on its mood."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.classify.runtime import choose, open_interpreter, version_of
from edged.errors import ModelError, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.runtime import Interpreter, Library

WARM_UP: Final = 5
MOST: Final = 1000
FEWEST: Final = 5
ENOUGH_S: Final = 1.0
"""So long the clock runs, if fewer than `MOST` calls fit in; `FEWEST` are made anyhow."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What the clock said."""

    runtime: str
    """Whose kernels: ``tflite-runtime 2.14.0``."""
    invoke_ms: float
    """Median of one call, ms, on one thread."""
    calls: int
    """How many it is the median of."""


def speed_of(model: bytes, *, file: Path, library: Library | None = None) -> Speed | str:
    """Time a model's calls, on noise.

    Args:
        model: The `.tflite`, verified by `edged.classify.flatbuffer`.
        file: Where it came from, for the reason.
        library: Whose runtime; None for the platform's own.

    Returns:
        Its speed, or the reason why there is none to tell: no runtime is here, or it refuses the model.
    """
    try:
        library = library or choose()
        interpreter = open_interpreter(model, library=library, kernels="default", file=file)
        calls_s = _calls_s(interpreter)
    except UserError as error:  # the model may be for a board, with operators that this runtime has not
        return error.what
    except (ValueError, RuntimeError) as error:
        return f"{library} fails on it: {' '.join(str(error).split())}"
    return Speed(
        runtime=f"{library} {version_of(library)}", invoke_ms=1000 * statistics.median(calls_s), calls=len(calls_s)
    )


def _calls_s(interpreter: Interpreter) -> list[float]:
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], _noise(details, rng))
    for _ in range(WARM_UP):
        interpreter.invoke()
    taken: list[float] = []
    began_s = time.perf_counter()
    while len(taken) < FEWEST or (len(taken) < MOST and time.perf_counter() - began_s < ENOUGH_S):
        before_s = time.perf_counter()
        interpreter.invoke()
        taken.append(time.perf_counter() - before_s)
    return taken


def _noise(details: dict[str, Any], rng: np.random.Generator) -> NDArray[Any]:
    dtype = np.dtype(details["dtype"])
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        return np.asarray(rng.integers(low, high, size=details["shape"], dtype=dtype, endpoint=True))
    if dtype.kind in "fb":
        return np.asarray(rng.standard_normal(details["shape"]).astype(dtype))
    raise ModelError(f"its input is of the type {dtype}, which is not fed here")
