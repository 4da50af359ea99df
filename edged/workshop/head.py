"""A head from a few examples: multinomial logistic regression over embeddings, in NumPy alone.

An embedding keeps what tells words apart in its direction; its length says little more than how loud and how clear.
So each embedding is centred on the background's mean and brought to length 1, and what is learnt is a plane for each
label: the classical softmax regression with a penalty on the weights. The loss is convex, so the answer does not
depend on where the search begins, and there is no randomness in it: the same examples give the same head.

The search is Nesterov's gradient descent. Its step follows from the curvature, which for rows of length 1 is known
beforehand, so there is no learning rate to guess and nothing that could diverge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edged.classify.head import Head
from edged.workshop.softmax import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTY: Final = 3e-4
"""On half the squared weights, per unit of the examples' total weight; by trial, see docs/TEACH.md."""
MAX_STEPS: Final = 600
SETTLED: Final = 1e-5
"""The search ends where no component of the gradient is larger."""
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Examples:
    """What a head is to learn from."""

    embeddings: NDArray[np.float32]
    """Shape (n, embedding)."""
    targets: NDArray[np.int64]
    """Shape (n,): the index of each one's label."""
    weights: NDArray[np.float64]
    """Shape (n,): how much each counts; their sum does not matter."""


def balanced(targets: NDArray[np.int64], *, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights with which the examples of each label together count for its share.

    Args:
        targets: Shape (n,), indices of labels.
        shares: Shape (labels,), each over 0.

    Returns:
        Shape (n,), with sum 1 where every label has examples.
    """
    counts = np.bincount(targets, minlength=len(shares))
    each = shares / shares.sum() / np.maximum(counts, 1)
    return np.asarray(each[targets])


def fit_head(examples: Examples, *, labels: int, centre: NDArray[np.float32], penalty: float = PENALTY) -> Head:
    """Find the head under which the examples are likeliest, less the penalty.

    Args:
        examples: At least one; labels without any get a head that never names them.
        labels: How many there are.
        centre: Shape (embedding,): what is taken from every embedding first.
        penalty: On the weights; the larger, the less sure the head is of anything.
    """
    rows = unit(examples.embeddings, centre=centre)
    share = (examples.weights / examples.weights.sum())[:, None]
    wanted = np.zeros((len(rows), labels))
    wanted[np.arange(len(rows)), examples.targets] = 1.0
    # The last column is the bias. The curvature of the softmax is at most half that of the weighted rows.
    rows = np.hstack((rows, np.ones((len(rows), 1))))
    step = 1 / (0.5 * np.linalg.eigvalsh(rows.T @ (share * rows))[-1] + penalty)
    solution = _descend(rows, wanted, share=share, step=float(step), penalty=penalty)
    weights = np.asarray(solution[:-1].T, dtype=np.float32)
    return Head(weights, np.asarray(solution[-1], dtype=np.float32), normalise="l2", centre=centre)


def unit(embeddings: NDArray[np.float32], *, centre: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centre and bring to length 1, each row of shape (n, embedding), as `edged.classify.head.Head` does."""
    rows = embeddings.astype(np.float64) - centre
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY))


def posteriors(head: Head, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a head makes of many embeddings at once, shape (n, embedding): posteriors, shape (n, labels)."""
    centre = np.zeros(head.embedding, np.float32) if head.centre is None else head.centre
    rows = unit(embeddings, centre=centre) if head.normalise == "l2" else embeddings - centre
    return softmax(rows @ head.weights.T.astype(np.float64) + head.bias)


def _descend(
    rows: NDArray[np.float64],
    wanted: NDArray[np.float64],
    *,
    share: NDArray[np.float64],
    step: float,
    penalty: float,
) -> NDArray[np.float64]:
    """Shape (embedding + 1, labels). The bias is penalised as well: without it, nothing would hold the logits' mean."""
    at = np.zeros((rows.shape[1], wanted.shape[1]))
    ahead = at
    pace = (1 - np.sqrt(penalty * step)) / (1 + np.sqrt(penalty * step))
    for _ in range(MAX_STEPS):
        gradient = rows.T @ (share * (softmax(rows @ ahead) - wanted)) + penalty * ahead
        if np.abs(gradient).max() < SETTLED:
            break
        before, at = at, ahead - step * gradient
        ahead = at + pace * (at - before)
    return at
