"""Every operator on the board's engine gives, bit for bit, what LiteRT's reference kernels give.

A sample of what `system/test_firmware_nn.py` does with two hundred models an operator.
"""

from __future__ import annotations

import numpy as np
import pytest
from engine import Engine
from planned import ROUND_ONCE, compiled, plan_of
from reference import Reference, differing, windows
from single_op import KINDS

from edged.classify.runtime import Library, installed

MODELS = 15
WINDOWS = 4


def differences(model: bytes, library: Library, *, count: int) -> int:
    """Output bytes in which engine and library differ, over a few windows; the plan's own golden windows fit, too."""
    made = compiled(model)
    engine, reference = Engine(plan_of(made, library)), Reference(model, library)
    given = windows(engine.input_bytes, count=count, seed=len(model))
    return differing(engine.run_all(given), reference.run_all(given))


@pytest.mark.parametrize("operator", KINDS)
def test_models_made_by_chance(operator: str) -> None:
    for seed in range(MODELS):
        model = KINDS[operator](np.random.default_rng([seed, *operator.encode()]))
        for library in installed():
            assert differences(model, library, count=WINDOWS) == 0, f"{operator} {seed} {library}"


def test_the_two_libraries_round_a_fully_connected_layer_differently() -> None:
    """Why plans say how often a sum is rounded: were it no longer so, they need not."""
    if set(installed()) != set(ROUND_ONCE):
        pytest.skip("needs both tflite-runtime and ai-edge-litert")
    found = {"same": 0, "wrong": 0}
    for seed in range(60):
        model = KINDS["FULLY_CONNECTED"](np.random.default_rng([seed, 1]))
        made = compiled(model)
        reference = Reference(model, "litert")
        given = windows(reference.input_bytes, count=20, seed=seed)
        expected = reference.run_all(given)
        found["same"] += differing(Engine(plan_of(made, "litert")).run_all(given), expected)
        found["wrong"] += differing(Engine(plan_of(made, "tflite-runtime")).run_all(given), expected)
    assert found["same"] == 0
    assert found["wrong"] > 0
