"""A linear head: what `edged teach` learns, over a model whose outputs are an embedding of the sound.

    logits = weights · normalised(embedding - centre) + bias

The model stays as it is, frozen, and a dozen clips are enough to find a few thousand weights. A factor on the logits
(a temperature) is part of the weights and the bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

Normalise: TypeAlias = Literal["none", "l2"]
MAX_WEIGHTS: Final = 60_000
"""So many fit into a manifest's mebibyte."""
_TINY: Final = np.float32(1e-12)
"""Digital silence may be embedded as nothing at all: it has no direction, and is not divided by 0."""


class Head:
    """A head, whole and finite; it is never changed.

    Args:
        weights: Shape (labels, embedding).
        bias: Shape (labels,).
        normalise: Whether the embedding is first brought to length 1.
        centre: Shape (embedding,): taken from each embedding before all else; None for nothing.

    Raises:
        ModelError: A shape does not fit the others, or a number is not finite; the key is ``head.weights`` and so on.
    """

    __slots__ = ("bias", "centre", "normalise", "weights")

    def __init__(
        self, weights: ArrayLike, bias: ArrayLike, *, normalise: Normalise = "none", centre: ArrayLike | None = None
    ) -> None:
        self.weights: Final = _array("weights", weights, dimensions=2)
        labels, embedding = self.weights.shape
        if not 0 < self.weights.size <= MAX_WEIGHTS:
            what, way_out = f"has {self.weights.size} numbers", f"Give 1 to {MAX_WEIGHTS}: a smaller embedding"
            raise ModelError(what, key="head.weights", way_out=way_out)
        self.bias: Final = _array("bias", bias, dimensions=1)
        _check_count("bias", len(self.bias), wanted=labels, noun="rows")
        self.centre: Final = None if centre is None else _array("centre", centre, dimensions=1)
        if self.centre is not None:
            _check_count("centre", len(self.centre), wanted=embedding, noun="columns")
        if normalise not in ("none", "l2"):
            way_out = "Write 'none' or 'l2'"
            raise ModelError("is no way to normalise", key="head.normalise", value=normalise, way_out=way_out)
        self.normalise: Final = normalise

    @property
    def labels(self) -> int:
        """How many it tells apart."""
        return int(self.weights.shape[0])

    @property
    def embedding(self) -> int:
        """How many outputs its model has."""
        return int(self.weights.shape[1])

    def logits(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits, shape (labels,), float32, of one embedding, shape (embedding,)."""
        if self.centre is not None:
            embedding = embedding - self.centre
        if self.normalise == "l2":
            embedding = embedding / max(np.float32(np.sqrt(np.dot(embedding, embedding))), _TINY)
        return np.asarray(self.weights @ embedding + self.bias, dtype=np.float32)

    def told(self) -> dict[str, Any]:
        """Give it as a manifest writes it; `head_of` makes the same of it, bit for bit."""
        told: dict[str, Any] = {"normalise": self.normalise}
        if self.centre is not None:
            told["centre"] = _written(self.centre)
        return told | {"weights": [_written(row) for row in self.weights], "bias": _written(self.bias)}

    def __eq__(self, other: object) -> bool:
        """Whether it is the same to the last bit."""
        return isinstance(other, Head) and self._bits() == other._bits()

    def __hash__(self) -> int:
        """Go by the same bits."""
        return hash(self._bits())

    def __repr__(self) -> str:
        """Name its shape."""
        return f"Head({self.labels} labels, {self.embedding} columns, normalise={self.normalise!r})"

    def _bits(self) -> tuple[object, ...]:
        centre = None if self.centre is None else self.centre.tobytes()
        return self.weights.shape, self.weights.tobytes(), self.bias.tobytes(), centre, self.normalise


def head_of(told: Mapping[str, Any]) -> Head:
    """Make the head that a manifest tells of, whose numbers have been read.

    Raises:
        ModelError: As of `Head`.
    """
    return Head(told["weights"], told["bias"], normalise=told.get("normalise", "none"), centre=told.get("centre"))


def _array(key: str, values: ArrayLike, *, dimensions: int) -> NDArray[np.float32]:
    key = f"head.{key}"
    if dimensions > 1 and not isinstance(values, np.ndarray):
        _check_rows(key, values)
    with np.errstate(over="ignore"):
        found = np.array(values, dtype=np.float32, order="C")
    if found.ndim != dimensions:
        way_out = "Give a list of rows, one for each label" if dimensions > 1 else "Give a list of numbers"
        raise ModelError(f"has shape {list(found.shape)}", key=key, way_out=way_out)
    for place in np.argwhere(~np.isfinite(found)):
        place_key = key + "".join(f"[{index}]" for index in place)
        way_out = "Train the head again: a number too large or none is in it"
        raise ModelError("is not a finite number", key=place_key, value=float(found[tuple(place)]), way_out=way_out)
    found.flags.writeable = False
    return found


def _check_rows(key: str, rows: Any) -> None:
    """Refuse rows of different lengths, of which NumPy can make no array."""
    lengths = [np.size(row) for row in rows]
    for number, length in enumerate(lengths):
        if length != lengths[0]:
            what = f"has {length} numbers, and the first row {lengths[0]}"
            raise ModelError(what, key=f"{key}[{number}]", way_out="Give each row one number for each output")


def _check_count(key: str, found: int, *, wanted: int, noun: str) -> None:
    if found != wanted:
        what = f"has {found} numbers, and head.weights {wanted} {noun}"
        raise ModelError(what, key=f"head.{key}", way_out=f"Give {wanted}")


def _written(values: NDArray[np.float32]) -> list[float]:
    """Write each number in the fewest digits that give it again."""
    return [float(str(value)) for value in values]
