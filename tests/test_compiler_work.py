"""The compiler and the engine count a plan's work alike, and neither lets through what outlasts a watchdog."""

from __future__ import annotations

import re

import numpy as np
import pytest
from engine import Engine
from firmware import FIRMWARE
from planned import compiled
from single_op import KINDS
from sketch import Sketch

from edged.compiler import golden, work
from edged.compiler.blob import read_plan
from edged.errors import ModelError


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the first golden outputs there are."""
    monkeypatch.setattr(golden, "SEEDS", 1)


@pytest.mark.parametrize("operator", KINDS)
def test_both_count_alike(operator: str) -> None:
    for trial in range(12):
        data = compiled(KINDS[operator](np.random.default_rng([11, trial])))
        assert sum(map(work.work, read_plan(data).network.run)) == Engine(data).work


def test_both_have_the_same_bounds() -> None:
    header = (FIRMWARE / "nn" / "nn.h").read_text()
    said = {name: int(value, 16) for name, value in re.findall(r"#define NN_(MAX_\w*WORK) (0x\w+)u", header)}
    assert said == {name: getattr(work, name) for name in ("MAX_WORK", "MAX_RESET_WORK", "MAX_GOLDEN_WORK")}


def wide(channels: int) -> bytes:
    """A convolution of 3 x 3 over 64 x 64 pixels, to so many channels, and their means."""
    told = Sketch()
    given = told.tensor((1, 64, 64, 4), scale=0.1)
    weights = told.tensor((channels, 3, 3, 4), scale=0.1, data=np.ones((channels, 3, 3, 4), np.int8))
    made = told.tensor((1, 64, 64, channels), scale=0.1)
    bias = told.tensor((channels,), dtype="int32", scale=0.01, data=np.zeros(channels, np.int32))
    told.operator("CONV_2D", (given, weights, bias), (made,), "Conv2D", padding=0, strideH=1, strideW=1)
    mean = told.tensor((1, 1, 1, channels), scale=0.1)
    window = {"filterHeight": 64, "filterWidth": 64, "strideH": 1, "strideW": 1}
    told.operator("AVERAGE_POOL_2D", (made,), (mean,), "Pool2D", padding=1, **window)
    return told.model(inputs=(given,), outputs=(mean,))


def test_a_model_that_boards_would_refuse_is_refused_here() -> None:
    with pytest.raises(ModelError, match=r"one run of it is 20\.5 million units of work, and boards take 18\.9"):
        compiled(wide(64))


def test_a_large_model_has_few_golden_windows() -> None:
    data = compiled(wide(56))
    windows = len(read_plan(data).golden.outputs)
    engine = Engine(data)
    each = engine.work + 2 * (engine.input_bytes + engine.output_bytes) + work.WINDOW
    assert 1 <= windows < golden.WINDOWS
    assert windows == work.golden_windows(engine.work, engine.input_bytes + engine.output_bytes)
    assert windows * each <= work.MAX_GOLDEN_WORK < (windows + 1) * each
    assert engine.golden() == 0


def test_an_output_that_no_plan_can_tell_of_is_refused() -> None:
    told = Sketch()
    given = told.tensor((1, 1 << 16), scale=0.1)
    made = told.tensor((1, 1 << 16), scale=0.00390625, zero=-128)
    told.operator("LOGISTIC", (given,), (made,))
    with pytest.raises(ModelError, match=r"its output has 65,536 bytes, and a plan's 65,535 at most"):
        compiled(told.model(inputs=(given,), outputs=(made,)))
