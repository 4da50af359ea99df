"""Whole networks: the plan, run by its own description, answers what the reference kernels of both libraries answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from model_maker import changed
from nabu import NABU_PATH
from plan_machine import PlanMachine
from single_op import KINDS

from edged.classify.runtime import installed
from edged.compiler import golden
from edged.compiler.compiled import Compiled, Source, compile_model, read_source
from edged.compiler.golden import Reference, inputs
from edged.compiler.reach import read_by, written_by
from edged.compiler.records import IN_CONSTANTS, Add, Copy, Lut, Mul
from edged.shipped import shipped
from edged.workshop.operators import BUILTINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.classify.runtime import Library

LIBRARIES = installed()
SHARED = (
    *("micro_speech_quantized.tflite", "mlperf_kws_ref_model.tflite", "mlperf_ic_pretrainedResnet_quant.tflite"),
    *("mlperf_ad01_int8.tflite", "mlperf_str_ww_ref_model.tflite"),
    *("mww_v2_hey_jarvis.json", "mww_v2_okay_nabu.json", "mww_v2_vad.json"),
)
OURS = {
    "nabu": NABU_PATH,
    **{name: NABU_PATH.with_name(f"{name}.json") for name in ("alexa", "hey_jarvis", "hey_mycroft")},
    "wake-en": shipped("wake-en/wake-en.edged"),
    "sounds": shipped("sounds/sounds.edged"),
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the first golden outputs there are."""
    monkeypatch.setattr(golden, "SEEDS", 1)


def windows(made: Compiled, count: int) -> Iterator[bytes]:
    """Inputs of every loudness: of noise alone a network says little, and always the same."""
    size = made.plan.network.input.bytes
    chance = np.random.default_rng(5)
    for at in range(count):
        low, high = sorted(int(each) for each in chance.integers(0, 256, size=2))
        noise = chance.integers(low, high + 1, size=size) if at % 3 else chance.integers(0, 256, size=size)
        yield ((noise + 128) % 256).astype(np.uint8).tobytes()


def cut(source: Source, operator: str) -> Source:
    """The model with what its last operator of that name gives for its output: a softmax swallows what is below it."""

    def change(told: Any) -> None:
        graph = told.subgraphs[0]
        codes = [BUILTINS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in told.operatorCodes]
        graph.outputs = [each.outputs[0] for each in graph.operators if codes[each.opcodeIndex] == operator][-1:]

    return Source(source.path.with_suffix(".tflite"), changed(source.model, change))


def equal(made: Compiled, library: Library, *, count: int) -> int:
    """How many different answers there were to so many windows, all of them equal."""
    machine = PlanMachine(made.data)
    reference = Reference(made.source.model, library=library, file=made.source.path)
    answers = set()
    for at, window in enumerate(windows(made, count)):
        answer = machine.run(window)
        assert answer == reference.answer(window), f"window {at}"
        answers.add(answer)
    return len(answers)


def answers_as_the_reference_kernels(path: Path, library: Library) -> None:
    """The model itself, and cut off at two places where its numbers are still rich."""
    source = read_source(path)
    made = compile_model(source, library=library)
    count = 30 if made.program.flow.state else 2
    equal(made, library, count=count)
    names = {operator.name for operator in made.graph.operators}
    for operator in sorted({"CONV_2D", "CONCATENATION", "FULLY_CONNECTED"} & names):
        inner = compile_model(cut(source, operator), library=library)
        assert equal(inner, library, count=count) > count // 2, operator


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", OURS)
def test_a_plan_answers_as_the_reference_kernels(name: str, library: Library) -> None:
    answers_as_the_reference_kernels(OURS[name], library)


@pytest.mark.usefixtures("hasty")
@pytest.mark.shared
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", SHARED)
def test_so_does_that_of_every_shared_model(shared: Path, name: str, library: Library) -> None:
    answers_as_the_reference_kernels(shared / "models" / name, library)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", KINDS)
def test_so_do_those_of_single_operators(kind: str, library: Library) -> None:
    for seed in range(12):
        model = KINDS[kind](np.random.default_rng([seed, 11]))
        made = compile_model(Source(Path(f"{kind}-{seed}.tflite"), model), library=library)
        equal(made, library, count=4)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", OURS)
def test_a_reset_makes_the_state_as_new(name: str) -> None:
    made = compile_model(read_source(OURS[name]))
    machine = PlanMachine(made.data)
    few = list(windows(made, 4))
    first = [machine.run(window) for window in few]
    machine.reset()
    assert [machine.run(window) for window in few] == first


@pytest.mark.parametrize("name", OURS)
def test_the_golden_outputs_are_those_of_the_golden_inputs(name: str) -> None:
    made = compile_model(read_source(OURS[name]))
    told, machine = made.plan.golden, PlanMachine(made.data)
    made_windows = inputs(told.seed, made.plan.network.input.bytes, len(told.outputs))
    assert [machine.run(window) for window in made_windows] == list(told.outputs)
    assert len(told.outputs) == (64 if made.program.flow.state else 3 if name == "sounds" else 4)
    assert len(told.packed()) <= 4096 + 8


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", OURS)
def test_every_byte_that_is_read_was_written_and_nothing_is_overwritten_while_it_is_read(name: str) -> None:
    network = compile_model(read_source(OURS[name])).plan.network
    known = np.zeros(network.arena_bytes, dtype=bool)
    for record in network.init:
        assert not read_by(record).size
        known[written_by(record)] = True
    assert not known[network.state_bytes :].any()
    known[network.input.at : network.input.at + network.input.bytes] = True
    for record in network.run:
        read, written = read_by(record), written_by(record)
        assert known[read].all(), record
        both = np.intersect1d(read, written)
        dense = isinstance(record, Copy) and record.shape[:3] == (1, 1, 1)
        assert not both.size or dense or isinstance(record, Add | Mul | Lut), record
        known[written] = True
    assert known[network.output.at : network.output.at + network.output.bytes].all()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", OURS)
def test_places_are_those_that_plan_md_allows(name: str) -> None:
    network = compile_model(read_source(OURS[name])).plan.network
    assert network.arena_bytes % 16 == network.state_bytes % 16 == 0
    for record in network.run:
        assert not record.out & IN_CONSTANTS
        assert record.out % 4 == 0 or isinstance(record, Copy)


def test_the_same_model_always_makes_the_same_bytes() -> None:
    one, other = (compile_model(read_source(OURS["wake-en"])).data for _ in range(2))
    assert one == other


def test_the_inputs_are_marsaglias() -> None:
    # his paper of 2003 gives the triple 13, 17, 5; beginning with 1 it goes 270369, 67634689, 2647435461
    (window,) = inputs(1, 3, 1)
    assert window == bytes([270369 >> 24, 67634689 >> 24, 2647435461 >> 24])
