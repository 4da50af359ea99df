"""Every operator on the board's engine gives, bit for bit, what LiteRT's reference kernels give.

A sample of what `system/test_firmware_nn.py` does with two hundred models an operator.
"""

from __future__ import annotations

import numpy as np
import pytest
from engine import Engine
from planned import compiled, poked, records_at
from reference import Reference, differing, windows
from single_op import KINDS

from edged.classify.runtime import Library, installed

MODELS = 15
WINDOWS = 4


def differences(model: bytes, library: Library, *, count: int) -> int:
    """Output bytes in which engine and library differ, over a few windows; the plan's own golden windows fit, too."""
    engine, reference = Engine(compiled(model, library)), Reference(model, library)
    assert engine.golden() == 0
    given = windows(engine.input_bytes, count=count, seed=len(model))
    return differing(engine.run_all(given), reference.run_all(given))


@pytest.mark.parametrize("operator", KINDS)
def test_models_made_by_chance(operator: str) -> None:
    for seed in range(MODELS):
        model = KINDS[operator](np.random.default_rng([seed, *operator.encode()]))
        for library in installed():
            assert differences(model, library, count=WINDOWS) == 0, f"{operator} {seed} {library}"


def test_litert_rounds_a_fully_connected_layer_once() -> None:
    """Why plans say how often a sum is rounded: were it no longer so, they need not."""
    wrong = 0
    for seed in range(60):
        model = KINDS["FULLY_CONNECTED"](np.random.default_rng([seed, 1]))
        once, reference = compiled(model, "litert"), Reference(model, "litert")
        (record,) = records_at(once)
        given = windows(reference.input_bytes, count=20, seed=seed)
        expected = reference.run_all(given)
        assert differing(Engine(once).run_all(given), expected) == 0
        wrong += differing(Engine(poked(once, record + 1, "<B", 0)).run_all(given), expected)
    assert wrong > 0
