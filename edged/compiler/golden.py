"""What a board must answer to inputs that anybody can make from a number: what LiteRT's reference kernels say.

A softmax that saturates says nothing of the layers below it. So of a number of seeds the one is taken whose outputs
vary most; how many are tried depends on the model's size alone, so that the same model always gets the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edged.classify.runtime import open_interpreter
from edged.compiler.sections import Golden
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.classify.runtime import Library

MAX_BYTES: Final = 4096
"""Of all outputs."""
STATEFUL_WINDOWS: Final = 64
"""Enough for what a streaming model remembers to be forgotten again, twice or more."""
WINDOWS: Final = 4
SEEDS: Final = 128
MAX_MACS: Final = 300_000_000
"""Of all tries together: a few seconds of the reference kernels."""
_SPREAD: Final = 0x9E3779B9
"""2^32 by the golden ratio: seeds far from one another."""


def make_golden(model: bytes, *, stateful: bool, macs: int, most: int, library: Library, file: Path) -> Golden:
    """Ask the reference kernels.

    Args:
        model: The `.tflite`, verified.
        stateful: It keeps state from window to window.
        macs: Multiply-accumulates of one window.
        most: Windows, at most.
        library: Whose kernels.
        file: Where it came from, for errors.

    Raises:
        ModelError: The runtime refuses the model.
    """
    first = Reference(model, library=library, file=file)
    windows = max(1, min(STATEFUL_WINDOWS if stateful else WINDOWS, MAX_BYTES // first.output_bytes, most))
    seeds = max(1, min(SEEDS, MAX_MACS // max(1, macs * windows)))
    tries = []
    for number in range(1, seeds + 1):
        seed = number * _SPREAD % (1 << 32)
        reference = Reference(model, library=library, file=file) if stateful else first
        tries.append(Golden(seed, tuple(reference.answer(window) for window in inputs(seed, reference.size, windows))))
    return max(tries, key=_variety)


def inputs(seed: int, size: int, windows: int) -> Iterator[bytes]:
    """The windows of a seed: the upper byte of Marsaglia's xorshift32, as PLAN.md has it."""
    x = seed
    for _ in range(windows):
        window = bytearray(size)
        for i in range(size):
            x ^= x << 13 & 0xFFFF_FFFF
            x ^= x >> 17
            x ^= x << 5 & 0xFFFF_FFFF
            window[i] = x >> 24
        yield bytes(window)


def _variety(golden: Golden) -> tuple[int, int]:
    """How often an output is not what it was in the window before, and how many different ones there are."""
    values = np.frombuffer(b"".join(golden.outputs), dtype=np.uint8).reshape(len(golden.outputs), -1)
    return int((values[1:] != values[:-1]).sum()), len(np.unique(values))


class Reference:
    """A model under the reference kernels, bytes in and bytes out."""

    def __init__(self, model: bytes, *, library: Library, file: Path) -> None:
        self._library, self._file = library, file
        self._interpreter = open_interpreter(model, library=library, kernels="reference", file=file)
        (self._takes,), (self._gives,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.size: Final = int(np.prod(self._takes["shape"]))
        self.output_bytes: Final = int(np.prod(self._gives["shape"]))

    def answer(self, window: bytes) -> bytes:
        """The outputs of the next window, as the runtime holds them.

        Raises:
            ModelError: The model ends in an error, as one does that reads what was never assigned.
        """
        given: NDArray[np.int8] = np.frombuffer(window, dtype=self._takes["dtype"]).reshape(self._takes["shape"])
        self._interpreter.set_tensor(self._takes["index"], given)
        try:
            self._interpreter.invoke()
        except RuntimeError as why:
            what = f"{self._library} cannot run it: {' '.join(str(why).split())}"
            raise ModelError(what, file=self._file, way_out="Convert the model anew") from None
        return self._interpreter.get_tensor(self._gives["index"]).tobytes()
