"""The training of a head: it finds the one best answer, in whatever order, and says what the road says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.classify.head import Head
from edged.workshop.head import PENALTY, Examples, balanced, fit_head, posteriors, unit

LABELS, SIZE = 3, 8


def examples(seed: int, *, each: int = 20, spread: float = 0.3) -> Examples:
    """Three clouds about directions of their own."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(LABELS), each)
    points = np.eye(LABELS, SIZE)[targets] + spread * rng.standard_normal((len(targets), SIZE))
    return Examples(points.astype(np.float32), targets, balanced(targets, shares=np.ones(LABELS)))


def loss(head: Head, known: Examples, *, penalty: float) -> float:
    share = known.weights / known.weights.sum()
    likely = posteriors(head, known.embeddings)[np.arange(len(known.targets)), known.targets]
    size = np.square(head.weights, dtype=np.float64).sum() + np.square(head.bias, dtype=np.float64).sum()
    return float(-(share * np.log(likely)).sum() + penalty / 2 * size)


def test_clouds_apart_are_told_apart() -> None:
    known, unseen = examples(0, spread=0.1), examples(1, spread=0.1)
    head = fit_head(known, labels=LABELS, centre=np.zeros(SIZE, np.float32))
    assert (posteriors(head, unseen.embeddings).argmax(axis=1) == unseen.targets).all()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), penalty=st.sampled_from([PENALTY, 1e-2]))
def test_no_head_nearby_is_better(seed: int, penalty: float) -> None:
    known = examples(seed, spread=0.6)
    head = fit_head(known, labels=LABELS, centre=np.full(SIZE, 0.1, np.float32), penalty=penalty)
    found, rng = loss(head, known, penalty=penalty), np.random.default_rng(seed)
    for size in (1e-2, 0.3):
        weights = head.weights + size * rng.standard_normal(head.weights.shape)
        bias = head.bias + size * rng.standard_normal(head.bias.shape)
        other = Head(weights, bias, normalise=head.normalise, centre=head.centre)
        assert loss(other, known, penalty=penalty) > found - 1e-6


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_examples_means_nothing(seed: int) -> None:
    known = examples(seed % 100)
    order = np.random.default_rng(seed).permutation(len(known.targets))
    mixed = Examples(known.embeddings[order], known.targets[order], known.weights[order])
    centre = np.zeros(SIZE, np.float32)
    one, other = (fit_head(each, labels=LABELS, centre=centre) for each in (known, mixed))
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-3)
    assert fit_head(known, labels=LABELS, centre=centre) == one


def test_an_example_that_weighs_double_is_one_that_is_there_twice() -> None:
    known = examples(2, each=5)
    twice = Examples(
        np.concatenate((known.embeddings, known.embeddings[:4])),
        np.concatenate((known.targets, known.targets[:4])),
        np.ones(len(known.targets) + 4),
    )
    weights = np.ones(len(known.targets))
    weights[:4] = 2
    centre = np.zeros(SIZE, np.float32)
    double = fit_head(Examples(known.embeddings, known.targets, weights), labels=LABELS, centre=centre)
    np.testing.assert_allclose(double.weights, fit_head(twice, labels=LABELS, centre=centre).weights, atol=1e-4)


def test_labels_count_for_their_shares_however_many_examples_they_have() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    weights = balanced(targets, shares=np.array([1.0, 3.0]))
    assert weights[:90].sum() == pytest.approx(0.25)
    assert weights[90:].sum() == pytest.approx(0.75)


def test_it_says_what_the_road_says() -> None:
    """`posteriors` is `Head.logits` and a softmax, over many at once."""
    known = examples(3)
    head = fit_head(known, labels=LABELS, centre=known.embeddings.mean(axis=0))
    for point, said in zip(known.embeddings, posteriors(head, known.embeddings), strict=True):
        powers = np.exp(head.logits(point).astype(np.float64))
        np.testing.assert_allclose(said, powers / powers.sum(), atol=1e-5)


def test_a_point_at_the_centre_has_no_direction() -> None:
    centre = np.full(SIZE, 0.5, np.float32)
    assert np.isfinite(unit(centre[None], centre=centre)).all()
