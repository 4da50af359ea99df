"""A model under LiteRT's reference kernels, bytes in and bytes out; and inputs to ask it with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.classify.runtime import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edged.classify.runtime import Library


class Reference:
    """A model in one library's BUILTIN_REF."""

    def __init__(self, model: bytes, library: Library) -> None:
        self._interpreter = open_interpreter(model, library=library, kernels="reference", file=Path("made.tflite"))
        (self._takes,), (self._gives,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.input_bytes = int(np.prod(self._takes["shape"]))

    def run_all(self, windows: Iterable[bytes]) -> list[bytes]:
        """One inference after another."""
        return [self._run(window) for window in windows]

    def _run(self, window: bytes) -> bytes:
        given = np.frombuffer(window, dtype=self._takes["dtype"]).reshape(self._takes["shape"])
        self._interpreter.set_tensor(self._takes["index"], given)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._gives["index"]).tobytes()


def windows(size: int, *, count: int, seed: int) -> list[bytes]:
    """Inputs by chance: the first two are the ends of the range, a third is all but constant, the others anything."""
    random = np.random.default_rng(seed)
    made = [bytes([0x80]) * size, bytes([0x7F]) * size, random.integers(-3, 4, size, np.int8).tobytes()]
    return [*made[:count], *(random.bytes(size) for _ in range(count - len(made)))]


def differing(one: list[bytes], other: list[bytes]) -> int:
    """How many output bytes differ."""
    first, second = (np.frombuffer(b"".join(each), np.uint8) for each in (one, other))
    assert first.size == second.size > 0
    return int(np.count_nonzero(first != second))
