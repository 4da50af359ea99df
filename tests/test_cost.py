"""What a model costs: beside published counts, what the interpreter says of the same file, and sums made by hand."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nabu import nabu

from edged.classify.flatbuffer import Damaged
from edged.classify.runtime import installed, open_interpreter
from edged.compiler.compiled import compile_model, read_source
from edged.compiler.records import macs as macs_of
from edged.shipped import shipped
from edged.workshop.cost import Cost, as_compiled, cost_of, macs
from edged.workshop.graph import Graph, Operator, Tensor, read_graphs
from edged.workshop.operators import BUILTINS, operator_name

NABU = nabu()
PUBLISHED = {
    # bytes and MACs as MLPerf Tiny, TensorFlow Lite Micro's micro_speech and microWakeWord have them
    "micro_speech_quantized": (18_800, 336_000),
    "mlperf_kws_ref_model": (53_936, 2_656_768),
    "mlperf_ic_pretrainedResnet_quant": (98_496, 12_501_632),
    "mlperf_ad01_int8": (276_976, 264_192),
    "mlperf_str_ww_ref_model": (74_520, 826_368),
    "yamnet_spectra_in": (4_047_424, 69_165_056),
}
PAGE = [*(name for name in PUBLISHED if name[0] == "m"), "mww_v2_hey_jarvis", "mww_v2_okay_nabu", "mww_v2_vad"]
needs_litert = pytest.mark.skipif("litert" not in installed(), reason="LiteRT, which has the schema, is not for here")


def by_the_interpreter(model: bytes) -> Any:
    return open_interpreter(model, library=installed()[0], kernels="reference", file=Path("x.tflite"))


@pytest.mark.shared
@pytest.mark.parametrize("name", PUBLISHED)
def test_bytes_and_macs_are_those_that_are_published(shared: Path, name: str) -> None:
    cost = cost_of((shared / "models" / f"{name}.tflite").read_bytes())
    assert (cost.file_bytes, cost.macs) == PUBLISHED[name]
    assert cost.uncounted == ()


@pytest.mark.shared
@pytest.mark.parametrize("name", [*PUBLISHED, "mww_v2_hey_jarvis", "mww_v2_okay_nabu", "mww_v2_vad"])
def test_operators_shapes_and_macs_are_those_that_the_interpreter_works_with(shared: Path, name: str) -> None:
    model = (shared / "models" / f"{name}.tflite").read_bytes()
    interpreter = by_the_interpreter(model)
    theirs = {each["index"]: each for each in interpreter.get_tensor_details()}
    operators = [each for each in interpreter._get_ops_details() if each["op_name"] != "DELEGATE"]
    graphs = read_graphs(model)
    assert [each.name for each in graphs[0].operators] == [each["op_name"] for each in operators]
    for index, tensor in enumerate(graphs[0].tensors):
        if index in theirs and tensor.dtype != "resource":
            assert tensor.shape == tuple(theirs[index]["shape"])
            assert tensor.dtype == theirs[index]["dtype"].__name__
            assert tensor.size_bytes == math.prod(tensor.shape) * np.dtype(theirs[index]["dtype"]).itemsize
    # Each weight is met once at each place of the output; a fully connected layer has one place.
    sizes = {index: math.prod(each["shape"].tolist()) for index, each in theirs.items()}
    places = {"CONV_2D": slice(0, 3), "DEPTHWISE_CONV_2D": slice(0, 3), "FULLY_CONNECTED": slice(0, 1)}
    expected = sum(
        sizes[each["inputs"][1]] * math.prod(theirs[each["outputs"][0]]["shape"][places[each["op_name"]]].tolist())
        for each in operators
        if each["op_name"] in places
    )
    cost = cost_of(model)
    assert cost.macs == expected > 0
    everywhere = Counter(each.name for graph in graphs for each in graph.operators)
    assert cost.operators == everywhere
    assert sum(cost.operators.values()) >= len(operators)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "state_bytes"),
    # hey_jarvis: 2 x 40, 4 x 30, 8 x 60, 12 x 60, 20 x 60 and 4 x 60 bytes, each in steps of 16
    [("mww_v2_hey_jarvis", 80 + 128 + 480 + 720 + 1200 + 240), ("micro_speech_quantized", 0)],
)
def test_a_streaming_models_state_is_that_of_its_variables(shared: Path, name: str, state_bytes: int) -> None:
    assert cost_of((shared / "models" / f"{name}.tflite").read_bytes()).arena.state_bytes == state_bytes


@pytest.mark.shared
def test_the_numbers_on_the_page_are_these(shared: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "OPTIMISE.md").read_text(encoding="utf-8")
    for name in PAGE:
        cost = compiled(shared / "models" / f"{name}.tflite")
        state = f" ({cost.arena.state_bytes:,} of it state)" if cost.arena.state_bytes else ""
        assert f"| {cost.macs:,} | {cost.plan_bytes:,} | {cost.arena.total_bytes:,}{state} |" in page, name


def compiled(path: Path) -> Cost:
    """The cost with the figures of the plan."""
    source = read_source(path)
    return as_compiled(cost_of(source.model), compile_model(source))


@pytest.mark.shared
@pytest.mark.parametrize("name", PAGE)
def test_the_estimate_is_near_the_plan(shared: Path, name: str) -> None:
    described = (shared / "models" / f"{name}.tflite").with_suffix(".json")
    near_the_plan(described if described.is_file() else described.with_suffix(".tflite"))


@pytest.mark.parametrize("path", [NABU.path, shipped("wake-en/wake-en.edged"), shipped("sounds/sounds.edged")])
def test_it_is_near_for_our_models_too(path: Path) -> None:
    near_the_plan(path)


def near_the_plan(path: Path) -> None:
    source = read_source(path)
    estimated, made = cost_of(source.model), compile_model(source)
    exact = as_compiled(estimated, made)
    assert (estimated.compiled, exact.compiled) == (False, True)
    assert exact.plan_bytes == len(made.data)
    assert estimated.plan_bytes == pytest.approx(exact.plan_bytes, rel=0.05)
    assert exact.arena.total_bytes == made.plan.network.arena_bytes
    assert exact.macs == sum(map(macs_of, made.plan.network.run))
    # A stream's past and new share one place in a plan. An estimate knows nothing of that: it never says too little.
    assert estimated.arena.total_bytes >= exact.arena.total_bytes
    if not exact.arena.state_bytes:
        assert estimated.arena.total_bytes == pytest.approx(exact.arena.total_bytes, rel=0.05)


def test_constants_are_counted_once_and_are_most_of_a_boards_flash() -> None:
    cost = cost_of(NABU.model)
    assert 0 < cost.constants_bytes < cost.plan_bytes < cost.file_bytes == len(NABU.model)
    assert cost.types == ("int8", "resource", "uint8")


@needs_litert
def test_a_constant_that_two_tensors_share_is_counted_once() -> None:
    from model_maker import changed  # noqa: PLC0415 - needs LiteRT

    main = read_graphs(NABU.model)[0]
    sizes = Counter(tensor.size_bytes for tensor in main.tensors if tensor.constant)
    size = next(size for size, count in sizes.most_common() if size > 16)
    one, other = [i for i, tensor in enumerate(main.tensors) if tensor.constant and tensor.size_bytes == size][:2]
    assert main.tensors[one].buffer != main.tensors[other].buffer

    def share(model: Any) -> None:
        model.subgraphs[0].tensors[one].buffer = model.subgraphs[0].tensors[other].buffer

    before, after = cost_of(NABU.model), cost_of(changed(NABU.model, share))
    assert before.constants_bytes - after.constants_bytes == size


@needs_litert
def test_the_names_of_the_operators_are_those_of_the_schema() -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOperator  # noqa: PLC0415 - where it is installed

    theirs = {number: name for name, number in vars(BuiltinOperator).items() if not name.startswith("_")}
    assert dict(enumerate(BUILTINS)) == theirs
    assert (operator_name(3), operator_name(250), operator_name(-1)) == ("CONV_2D", "operator 250", "operator -1")
    assert operator_name(BUILTINS.index("CUSTOM"), "AudioSpectrogram") == "CUSTOM AudioSpectrogram"


@needs_litert
def test_an_operator_that_nobody_knows_is_told_by_its_number_and_left_out_of_the_macs() -> None:
    from model_maker import changed  # noqa: PLC0415 - needs LiteRT

    def unknown(model: Any) -> None:
        code = next(code for code in model.operatorCodes if BUILTINS[code.builtinCode] == "DEPTHWISE_CONV_2D")
        code.builtinCode = code.deprecatedBuiltinCode = 0
        code.builtinCode = 250

    before, after = cost_of(NABU.model), cost_of(changed(NABU.model, unknown))
    assert after.operators["operator 250"] == before.operators["DEPTHWISE_CONV_2D"]
    assert after.uncounted == ("operator 250",)
    assert 0 < after.macs < before.macs


@needs_litert
def test_a_custom_operator_and_a_type_that_nobody_knows_are_told_as_they_are() -> None:
    from model_maker import changed  # noqa: PLC0415 - needs LiteRT

    def foreign(model: Any) -> None:
        model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = BUILTINS.index("CUSTOM")
        model.operatorCodes[0].customCode = "AudioSpectrogram"
        model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = 99

    cost = cost_of(changed(NABU.model, foreign))
    assert "CUSTOM AudioSpectrogram" in cost.operators
    assert "type 99" in cost.types


@needs_litert
@pytest.mark.parametrize(("number", "name", "size_bytes"), [(17, "int4", 60), (7, "int16", 240), (99, "type 99", 480)])
def test_a_tensor_takes_as_much_as_its_type_does(number: int, name: str, size_bytes: int) -> None:
    from model_maker import changed  # noqa: PLC0415 - needs LiteRT

    def retyped(model: Any) -> None:
        model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = number

    main = read_graphs(changed(NABU.model, retyped))[0]
    given = main.tensors[main.inputs[0]]
    assert (given.shape, given.dtype, given.size_bytes) == ((1, 3, 40), name, size_bytes)


def graph(*shapes: tuple[int, ...]) -> Graph:
    tensors = tuple(Tensor(shape, "int8", math.prod(shape), 0, constant=False, variable=False) for shape in shapes)
    return Graph(tensors, inputs=(), outputs=(), operators=())


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        # inputs, then the output; each count from the operator's definition
        ("CONV_2D", [(1, 49, 10, 1), (64, 10, 4, 1), (64,), (1, 25, 5, 64)], 25 * 5 * 64 * 10 * 4),
        ("CONV_2D", [(1, 8, 8, 6), (12, 3, 3, 2), (12,), (1, 8, 8, 12)], 8 * 8 * 12 * 3 * 3 * 2),  # in three groups
        ("DEPTHWISE_CONV_2D", [(1, 25, 5, 64), (1, 3, 3, 64), (64,), (1, 25, 5, 64)], 25 * 5 * 64 * 9),
        ("DEPTHWISE_CONV_2D", [(1, 49, 40, 1), (1, 10, 8, 8), (8,), (1, 25, 20, 8)], 25 * 20 * 8 * 80),  # a multiplier
        ("FULLY_CONNECTED", [(1, 64), (12, 64), (12,), (1, 12)], 12 * 64),
        ("FULLY_CONNECTED", [(5, 64), (12, 64), (5, 12)], 5 * 12 * 64),
        ("TRANSPOSE_CONV", [(4,), (16, 3, 3, 8), (1, 7, 9, 8), (1, 14, 18, 16)], 7 * 9 * 8 * 16 * 3 * 3),
        ("BATCH_MATMUL", [(2, 5, 7), (2, 7, 3), (2, 5, 3)], 2 * 5 * 7 * 3),
        ("BATCH_MATMUL", [(2, 7, 5), (2, 7, 3), (2, 5, 3)], 2 * 5 * 7 * 3),  # adj_x
        ("SVDF", [(1, 40), (32, 40), (32, 8), (32,), (1, 256), (1, 32)], 32 * 40 + 32 * 8),
        ("AVERAGE_POOL_2D", [(1, 25, 5, 64), (1, 1, 1, 64)], 0),
        ("ADD", [(1, 25), (1, 25), (1, 25)], 0),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", [(1, 25), (1, 25)], None),
        ("CUSTOM AudioSpectrogram", [(1, 25), (1, 25)], None),
        ("operator 250", [(1, 25), (1, 25)], None),
        ("CONV_2D", [(1, 25)], None),  # well formed as a file, and no convolution
        ("CONV_2D", [(1, 25), (1, 25), (1, 25)], None),
        ("SVDF", [(1, 25)], None),
    ],
)
def test_macs_by_hand(name: str, shapes: list[tuple[int, ...]], expected: int | None) -> None:
    operator = Operator(name, inputs=tuple(range(len(shapes) - 1)), outputs=(len(shapes) - 1,))
    assert macs(operator, graph(*shapes)) == expected


def test_an_operator_without_in_and_outputs_is_no_reason_to_fall() -> None:
    assert macs(Operator("CONV_2D", inputs=(), outputs=()), graph()) is None
    assert macs(Operator("CONV_2D", inputs=(-1, -1), outputs=(-1,)), graph()) is None
    assert macs(Operator("CALL_ONCE", inputs=(), outputs=()), graph()) == 0


def test_a_damaged_file_is_refused() -> None:
    with pytest.raises(Damaged):
        cost_of(NABU.model[:1000])
