"""A linear head over a model's embedding: what it computes, how it is written, and what is refused of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nabu import nabu

from edged.classify.bundle import Bundle, open_bundle, write_bundle
from edged.classify.head import Head, head_of
from edged.classify.manifest import read_manifest, write_manifest
from edged.classify.model import open_model
from edged.errors import ModelError
from edged.features.spec import Micro

if TYPE_CHECKING:
    from pathlib import Path

NABU = nabu()
EMBEDDING = 1
"""The one output of okay_nabu stands for an embedding here."""
HEAD = Head([[4.0], [-4.0], [0.5]], [-2.0, 2.0, 0.0])
WHOLE: dict[str, Any] = {
    "model": NABU.model,
    "name": "taught",
    "labels": ["door", "other", "bell"],
    "front_end": Micro(),
    "window_frames": 3,
    "hop_frames": 3,
    "output": "softmax",
    "head": HEAD,
}
WINDOWS = np.random.default_rng(3).normal(10, 8, (12, 3, 40)).astype(np.float32)


def made(path: Path, **changes: Any) -> Bundle:
    return write_bundle(path, **(WHOLE | changes))


# What it computes.


def test_a_head_makes_posteriors_of_the_models_outputs(tmp_path: Path) -> None:
    bundle = made(tmp_path / "taught.edged")
    plain, headed = open_model(NABU), open_model(bundle)
    for window in WINDOWS:
        (embedding,) = plain.scores(window)
        logits = np.array([4 * embedding - 2, 2 - 4 * embedding, 0.5 * embedding])
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(headed.scores(window), expected, rtol=1e-5)
    assert headed.labels == ("door", "other", "bell")


def test_centre_and_length_come_first() -> None:
    head = Head([[1, 0], [0, 2]], [0.5, 0], normalise="l2", centre=[1, 1])
    np.testing.assert_allclose(head.logits(np.array([4, 5], np.float32)), [3 / 5 + 0.5, 2 * 4 / 5])


def test_an_embedding_of_nothing_has_no_direction_and_no_nan() -> None:
    np.testing.assert_array_equal(Head([[1, 2]], [3], normalise="l2").logits(np.zeros(2, np.float32)), [3])


# How it is written.

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    weights=arrays.arrays(np.float32, (3, 5), elements=FLOATS),
    bias=arrays.arrays(np.float32, 3, elements=FLOATS),
    centre=st.none() | arrays.arrays(np.float32, 5, elements=FLOATS),
    normalise=st.sampled_from(["none", "l2"]),
)
def test_every_head_survives_the_round_trip(weights: Any, bias: Any, centre: Any, normalise: Any) -> None:
    head = Head(weights, bias, normalise=normalise, centre=centre)
    assert head_of(json.loads(json.dumps(head.told()))) == head


def test_a_taught_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    wrote = made(tmp_path / "taught.edged")
    read = open_bundle(tmp_path / "taught.edged")
    assert read == wrote
    assert read.head == HEAD
    assert hash(read.head) == hash(HEAD)
    assert read.labels == ("door", "other", "bell")
    assert set(read.policies) == set(read.labels)


def test_another_head_makes_another_bundle(tmp_path: Path) -> None:
    """A reload compares bundles: the same embedding with another head is another model."""
    bundle = made(tmp_path / "taught.edged")
    assert bundle != replace(bundle, head=Head(HEAD.weights, [-2.0, 2.0, 0.25]))
    assert bundle != replace(bundle, head=None)


def test_a_head_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        HEAD.weights[0, 0] = 1


# What is refused.


@pytest.mark.parametrize(
    ("weights", "bias", "more", "key", "what"),
    [
        ([[1, 2], [3]], [0, 0], {}, "head.weights[1]", "has 1 numbers, and the first row 2"),
        ([1, 2], [0], {}, "head.weights", r"has shape \[2\]"),
        (np.zeros((0, 4)), [], {}, "head.weights", "has 0 numbers"),
        (np.zeros((300, 300)), np.zeros(300), {}, "head.weights", "has 90000 numbers"),
        ([[1, float("nan")]], [0], {}, "head.weights[0][1]", "is not a finite number"),
        ([[1, 1e39]], [0], {}, "head.weights[0][1]", "is not a finite number"),
        ([[1, 2]], [float("inf")], {}, "head.bias[0]", "is not a finite number"),
        ([[1, 2]], [0, 1], {}, "head.bias", "has 2 numbers, and head.weights 1 rows"),
        ([[1, 2]], [0], {"centre": [1]}, "head.centre", "has 1 numbers, and head.weights 2 columns"),
        ([[1, 2]], [0], {"normalise": "l1"}, "head.normalise", "is no way to normalise"),
    ],
)
def test_a_wrong_head_is_refused_by_its_key(weights: Any, bias: Any, more: dict[str, Any], key: str, what: str) -> None:
    with pytest.raises(ModelError, match=what) as refusal:
        Head(weights, bias, **more)
    assert refusal.value.key == key
    assert refusal.value.way_out


@pytest.mark.parametrize(
    ("changes", "key", "what"),
    [
        ({"weights": [[1]]}, "labels", "3 given, but head.weights has 1 rows"),
        ({"weights": [[1, 2]] * 3}, "head.weights", r"has 2 columns, but the output uint8 \[1, 1\] has 1 numbers"),
        ({"weights": [[1], [2], ["3"]]}, "head.weights[2][0]", "should be a valid number"),
        ({"weights": [[1], [2], [10**400]]}, "head.weights[2][0]", "should be a finite number"),
        ({"weights": [[1], 2, [3]]}, "head.weights[1]", "should be a valid array"),
        ({"weights": []}, "head.weights", "at least 1 item"),
        ({"bias": [0, True, 0]}, "head.bias[1]", "should be a valid number"),
        ({"normalise": "L2"}, "head.normalise", "should be 'none' or 'l2'"),
        ({"scale": 4}, "head.scale", "is not a known key"),
    ],
)
def test_a_wrong_head_in_a_manifest_is_refused_by_file_and_key(
    tmp_path: Path, changes: dict[str, Any], key: str, what: str
) -> None:
    made(tmp_path / "taught")
    file = tmp_path / "taught" / "manifest.json"
    told = json.loads(file.read_text())
    told["head"] |= changes
    if "weights" in changes and len(changes["weights"]) == 1:
        told["head"]["bias"] = [0]
    file.write_text(json.dumps(told))
    with pytest.raises(ModelError, match=what) as refusal:
        open_bundle(tmp_path / "taught")
    assert refusal.value.key == key
    assert refusal.value.file == str(file)
    assert refusal.value.way_out


def test_a_nan_in_a_manifest_is_no_json(tmp_path: Path) -> None:
    made(tmp_path / "taught")
    file = tmp_path / "taught" / "manifest.json"
    file.write_text(file.read_text().replace("[-2.0, 2.0, 0.0]", "[NaN, 2.0, 0.0]"))
    with pytest.raises(ModelError, match=r"is not JSON: NaN is no number there\. Mend the file"):
        open_bundle(tmp_path / "taught")


def test_the_largest_head_fits_into_a_manifest() -> None:
    weights = np.random.default_rng(1).normal(0, 1e-5, (60, 1000)).astype(np.float32)
    head = Head(weights, np.full(60, -1.2345678e-5))
    told = {"edged_bundle": 1, "name": "x", "sha256": "0" * 64, "labels": [f"l{n}" for n in range(60)]}
    told |= {"front_end": {"name": "micro"}, "window_frames": 1, "hop_frames": 1, "head": head.told()}
    data = write_manifest(told, file="manifest.json")
    assert len(data) < 2**20
    assert read_manifest(data, file="manifest.json").head == head
