"""A model that was damaged, or makes no sense, ends in a plan or in a refusal, within seconds: whatever was done to it.

A plan that comes of a damaged model is a good one: the engine opens it, and answers as LiteRT does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engine import Engine
from model_maker import changed
from sketch import Sketch

from edged.classify.fit import outline_of
from edged.compiler import golden
from edged.compiler.compiled import Source, compile_model, read_source
from edged.errors import ModelError
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.timeout(60)

FILE = Path("made.tflite")
SIDES = (-1, 0, 1, 2, 3, 40, 65_535, 1 << 30)
TRIALS = 150


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the first golden outputs there are."""
    monkeypatch.setattr(golden, "SEEDS", 1)


def is_compiled(model: bytes) -> bool:
    """Whether it becomes a plan, a good one; else it was refused with words."""
    try:
        outline_of(model, file=FILE)
        data = compile_model(Source(FILE, model)).data
    except ModelError:
        return False
    assert Engine(data).golden() == 0
    return True


def flipped(model: bytes, chance: np.random.Generator) -> bytes:
    """One to three bits turned over."""
    made = bytearray(model)
    for _ in range(chance.integers(1, 4)):
        made[chance.integers(len(made))] ^= 1 << int(chance.integers(8))
    return bytes(made)


def rewired(model: bytes, chance: np.random.Generator) -> bytes:
    """Well written, and senseless: an operator reads or writes another tensor, is another one, or comes too early."""

    def spoiled(values: Sequence[int], others: Sequence[int]) -> list[int]:
        made = list(values)
        made[chance.integers(len(made))] = others[chance.integers(len(others))]
        return made

    def rewire(told: Any) -> None:
        graph = told.subgraphs[chance.integers(len(told.subgraphs))]
        operator = graph.operators[chance.integers(len(graph.operators))]
        tensor = graph.tensors[chance.integers(len(graph.tensors))]
        match chance.integers(6):
            case 0 | 1 if operator.inputs is not None and len(operator.inputs):
                operator.inputs = spoiled(operator.inputs, range(-1, len(graph.tensors)))
            case 2 if operator.outputs is not None and len(operator.outputs):
                operator.outputs = spoiled(operator.outputs, range(-1, len(graph.tensors)))
            case 3:
                operator.opcodeIndex = int(chance.integers(len(told.operatorCodes)))
            case 4 if tensor.shape is not None and len(tensor.shape):
                tensor.shape = spoiled(tensor.shape, SIDES)
            case _:
                graph.operators.insert(int(chance.integers(len(graph.operators))), graph.operators.pop())

    return changed(model, rewire)


@pytest.mark.parametrize("damage", [flipped, rewired])
def test_a_damaged_model_is_compiled_or_refused(damage: Callable[[bytes, np.random.Generator], bytes]) -> None:
    model = read_source(shipped("wake-en/wake-en.edged")).model
    compiled = sum(is_compiled(damage(model, np.random.default_rng([17, trial]))) for trial in range(TRIALS))
    assert TRIALS // 20 < compiled < TRIALS * 3 // 4


def reshaped(*pairs: tuple[int, int]) -> bytes:
    """Four tensors, of which the first is the input and the last the output, reshaped one into the other."""
    told = Sketch()
    tensors = [told.tensor((1, 16), scale=0.1) for _ in range(4)]
    for source, made in pairs:
        told.operator("RESHAPE", (tensors[source], told.numbers(1, 16)), (tensors[made],), "Reshape", newShape=[1, 16])
    return told.model(inputs=(tensors[0],), outputs=(tensors[3],))


SENSELESS = {
    "a circle": (((0, 1), (1, 2), (2, 1), (2, 3)), "makes tensor 1, which is there already"),
    "itself": (((0, 1), (2, 2), (1, 3)), "reads tensor 2 before it is there"),
    "the input made": (((0, 1), (1, 0), (1, 3)), "makes tensor 0, which is there already"),
    "too early": (((1, 2), (0, 1), (2, 3)), "reads tensor 1 before it is there"),
    "no output": (((0, 1), (1, 2)), "nothing makes its output 3"),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_a_graph_that_cannot_be_followed(case: str) -> None:
    """Of a circle the search for who is a view of whom had no end."""
    pairs, why = SENSELESS[case]
    with pytest.raises(ModelError, match=why):
        compile_model(Source(FILE, reshaped(*pairs)))


def test_what_only_the_interpreter_finds_wrong_is_refused() -> None:
    """Behind an empty string stands no zero: the interpreter, to which strings end there, sees another variable."""
    model = bytearray(read_source(shipped("wake-en/wake-en.edged")).model)
    name = b"Variable_2"
    model[model.index(name + bytes(7)) + len(name) + 6] = ord(" ")
    with pytest.raises(ModelError, match="cannot run it"):
        compile_model(Source(FILE, bytes(model)))
