"""How a bundle hears and decides, in whole numbers: the same as the gateway does in floats."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from nabu import nabu

from edged.classify.bundle import default_model
from edged.classify.model import open_model
from edged.classify.tflite import TfliteModel
from edged.compiler.blob import Port
from edged.compiler.compiled import Source, compile_model
from edged.compiler.hearing import decisions_of, front_end_of, largest_sum, why_not
from edged.compiler.sections import NEVER
from edged.errors import ModelError
from edged.features.spec import LogMel
from edged.records import Policy

NABU = nabu()
RAW = np.arange(1 << 16)


def port(scale: float, zero: int, dtype: str = "int8") -> Port:
    return Port(0, 120, zero, float(np.float32(scale)), dtype)


def test_a_raw_value_becomes_what_the_gateway_makes_of_it() -> None:
    made = compile_model(Source(NABU.path, NABU.model, NABU))
    assert made.plan.front_end is not None
    model = open_model(NABU, library="litert", kernels="reference")
    assert isinstance(model, TfliteModel)
    features = (RAW * (10 / 256)).astype(np.float32)
    theirs = [model._quantise(row.reshape(3, 40)).astype(int).ravel() for row in np.resize(features, (547, 120))]
    ours = -128 + np.searchsorted(made.plan.front_end.thresholds, RAW, side="right")
    assert (np.concatenate(theirs)[: len(RAW)] == ours).all()
    assert len(set(ours)) == 256


@pytest.mark.parametrize(("scale", "zero", "dtype"), [(0.1, 0, "int8"), (0.07, 13, "uint8"), (0.0391, -128, "int8")])
def test_whatever_the_scale(scale: float, zero: int, dtype: str) -> None:
    told = port(scale, zero, dtype)
    low, high = (-128, 127) if dtype == "int8" else (0, 255)
    exact = np.rint((RAW * (10 / 256)).astype(np.float32).astype(np.float64) / told.scale + zero)
    ours = low + np.searchsorted(front_end_of(NABU, told).thresholds, RAW, side="right")
    assert (np.clip(exact, low, high) == ours).all()


def test_an_input_that_the_front_end_never_fills_is_refused() -> None:
    with pytest.raises(ModelError, match="is not filled by the micro front end"):
        front_end_of(NABU, port(100.0, -128))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.81, 0.97, 1.0])
@pytest.mark.parametrize(("scale", "zero"), [(1 / 256, -128), (0.00391, -128), (0.0123, -100)])
def test_a_sum_is_over_the_threshold_where_the_mean_is(threshold: float, scale: float, zero: int) -> None:
    told, policy = port(scale, zero), Policy(threshold=threshold, mean_of=2)
    largest = largest_sum(threshold, policy, told)
    for row in product(range(0, 256, 3), repeat=2):
        values = (np.array(row, dtype=np.float32) + np.float32(-128 - zero)) * np.float32(told.scale)
        assert (values.astype(np.float64).sum() / 2 > threshold) == (sum(row) > largest)


def test_policies_become_samples_and_sums() -> None:
    bundle = default_model()
    policy = Policy(kind="sound", threshold=0.5, release=0.25, mean_of=4, n=2, of_m=3, refractory_s=1.5, min_s=0.1)
    told = decisions_of(replace(bundle, policies={"jarvis": policy}), port(1 / 256, 0, "uint8"))
    (watched,) = told.watched
    assert told.outputs == len(bundle.labels)
    assert (watched.column, watched.sound, watched.threshold, watched.release) == (1, True, 512, 256)
    assert (watched.mean_of, watched.n, watched.of_m) == (4, 2, 3)
    assert (watched.refractory, watched.min, watched.max) == (24_000, 1600, NEVER)


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ({"a": Policy(mean_of=256)}, "a board keeps 255 windows of a label and 1024 of all; here it is 256"),
        (dict.fromkeys("abcde", Policy(mean_of=250)), "here it is 1250"),
        (dict.fromkeys("abcdefghijklmnopq", Policy()), "17 labels are watched; a board can watch 16"),
        ({"a": Policy(refractory_s=1e9)}, "a board counts samples in 32 bits"),
    ],
)
def test_what_a_board_cannot_hold_is_refused(policies: dict[str, Policy], words: str) -> None:
    bundle = replace(NABU, labels=tuple(policies), policies=policies)
    with pytest.raises(ModelError, match=words):
        decisions_of(bundle, port(1 / 256, 0, "uint8"))


def test_what_a_board_cannot_hear_with_says_why() -> None:
    assert why_not(NABU) == ""
    assert why_not(replace(NABU, front_end=LogMel())) == "the firmware has no front end log-mel"
    assert why_not(replace(NABU, output="softmax")) == "the firmware makes no softmax of its outputs"
