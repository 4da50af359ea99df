"""The arena: nobody's place is taken while they live, and the sizes are those that can be worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.classify.flatbuffer import Damaged
from edged.compiler.memory import ALIGNMENT_BYTES, Life, aligned, live, peak, plan
from edged.workshop.arena import arena, lifetimes, state
from edged.workshop.graph import Graph, Operator, Tensor, read_graphs

if TYPE_CHECKING:
    from pathlib import Path

lives_of_any_kind = st.lists(
    st.builds(
        lambda blocks, first, length: Life(blocks * ALIGNMENT_BYTES, first, first + length),
        st.integers(0, 40),
        st.integers(0, 30),
        st.integers(0, 12),
    ),
    max_size=25,
)


@given(lives_of_any_kind)
def test_no_two_that_live_at_once_share_a_byte(lives: list[Life]) -> None:
    offsets = plan(lives)
    assert len(offsets) == len(lives)
    for moment in range(44):
        taken = sorted(
            (offset, offset + life.size_bytes)
            for life, offset in zip(lives, offsets, strict=True)
            if life.first <= moment <= life.last and life.size_bytes
        )
        assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))


@given(lives_of_any_kind)
def test_a_plan_is_aligned_and_between_what_is_alive_at_once_and_all_there_is(lives: list[Life]) -> None:
    offsets = plan(lives)
    assert all(offset % ALIGNMENT_BYTES == 0 for offset in offsets)
    # counted moment by moment, where `live` adds up changes
    alive = [sum(life.size_bytes for life in lives if life.first <= now <= life.last) for now in range(44)]
    assert max(alive) == live(lives)
    assert live(lives) <= peak(lives, offsets) <= sum(life.size_bytes for life in lives)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_a_chain_needs_its_two_largest_neighbours(sizes: list[int]) -> None:
    """Each operator reads one tensor and writes the next: no more than two are ever alive."""
    found = arena([chain(sizes)])
    wanted = max((aligned(a) + aligned(b) for a, b in pairwise(sizes)), default=aligned(sizes[0]))
    assert found.live_bytes == wanted
    assert found.activations_bytes >= wanted
    assert found.state_bytes == 0


def test_the_largest_is_placed_first_and_each_into_the_lowest_gap() -> None:
    # Of two alike, the one that stands last in the file.
    assert plan([Life(16, 0, 0), Life(16, 0, 0)]) == [16, 0]
    # A gap between two that are there, exactly as large.
    lives = [Life(64, 0, 9), Life(48, 0, 4), Life(32, 5, 9), Life(16, 5, 9)]
    assert plan(lives) == [0, 64, 64, 96]


@pytest.mark.parametrize(
    ("lives", "offsets", "most"),
    [
        # TensorFlow Lite Micro's own expectations, from greedy_memory_planner_test.cc: TestGreedyBasics,
        # TestGreedyMedium and, without offsets, TestOverlapCase
        ([Life(10, 0, 1), Life(20, 2, 3)], [0, 0], 20),
        ([Life(10, 0, 1), Life(20, 1, 2), Life(30, 2, 3), Life(40, 3, 4), Life(50, 0, 1)], [50, 70, 40, 0, 0], 90),
        ([Life(100, 0, 1), Life(50, 2, 3), Life(20, 1, 2)], None, 120),
    ],
)
def test_it_plans_what_tflm_plans(lives: list[Life], offsets: list[int] | None, most: int) -> None:
    found = plan(lives)
    assert offsets is None or found == offsets
    assert peak(lives, found) == most


def test_nothing_takes_nothing() -> None:
    assert plan([]) == []
    assert peak([], []) == live([]) == 0


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "by_hand", "tflm_bytes"),
    [
        # the widest operator's input and output; and the whole arena that TensorFlow Lite Micro with CMSIS-NN takes,
        # measured on a Cortex-M4, which holds scratch buffers and TFLM's own records too
        ("mlperf_kws_ref_model", 2 * 25 * 5 * 64, 22_820),
        ("mlperf_ic_pretrainedResnet_quant", 3 * 32 * 32 * 16, 54_996),  # a residual block: its input waits
        ("mlperf_ad01_int8", 640 + 128, 2_580),
        ("micro_speech_quantized", 1968 + 4000, 6_836),  # 1960 and 25 x 20 x 8
        ("mlperf_str_ww_ref_model", None, 16_596),
        ("mww_v2_hey_jarvis", None, 17_764),
        ("mww_v2_okay_nabu", None, 19_540),
        ("mww_v2_vad", None, 10_372),
    ],
)
def test_known_models_take_what_they_must_and_no_more_than_tflm(
    shared: Path, name: str, by_hand: int | None, tflm_bytes: int
) -> None:
    found = arena(read_graphs((shared / "models" / f"{name}.tflite").read_bytes()))
    if by_hand is not None:
        assert found.total_bytes == found.live_bytes == by_hand
    assert found.live_bytes <= found.activations_bytes <= 1.05 * found.live_bytes
    assert found.total_bytes < tflm_bytes


def tensor(size: int, *, constant: bool = False, variable: bool = False) -> Tensor:
    return Tensor((size,), "int8", size, buffer=0, constant=constant, variable=variable)


def chain(sizes: list[int]) -> Graph:
    steps = [Operator("RELU", (i,), (i + 1,)) for i in range(len(sizes) - 1)]
    return Graph(tuple(map(tensor, sizes)), inputs=(0,), outputs=(len(sizes) - 1,), operators=tuple(steps))


def test_lives_follow_the_order_of_the_operators() -> None:
    graph = Graph(
        tensors=(tensor(16), tensor(32), tensor(48), tensor(64), tensor(99, constant=True), tensor(7)),
        inputs=(0,),
        outputs=(3,),
        operators=(
            Operator("CONV_2D", (0, 4), (1,)),
            Operator("RELU", (1,), (2,)),
            Operator("ADD", (1, 2, -1), (3,)),
            Operator("PRINT", (2,), ()),
        ),
    )
    # an input lives from before the first operator; an output to the end; a constant and one that nobody uses nowhere
    assert lifetimes([graph]) == [Life(16, 0, 1), Life(32, 1, 3), Life(48, 2, 4), Life(64, 3, 4)]


def test_what_a_called_graph_works_on_lives_beside_what_waits_for_it() -> None:
    inner = Graph((tensor(160), tensor(320)), inputs=(0,), outputs=(1,), operators=(Operator("RELU", (0,), (1,)),))
    main = Graph(
        tensors=(tensor(16), tensor(32)),
        inputs=(0,),
        outputs=(1,),
        operators=(Operator("IF", (0,), (1,), calls=(1, 2)),),
    )
    found = arena([main, inner, inner])
    # both graphs of an IF are planned one after the other: they share their place
    assert found.live_bytes == found.activations_bytes == 16 + 32 + 160 + 320


def test_graphs_that_run_one_another_without_end_are_refused() -> None:
    def calling(*calls: int) -> Graph:
        return Graph((tensor(16),), (0,), (0,), (Operator("IF", (0,), (0,), calls=calls),))

    with pytest.raises(Damaged, match="without end"):
        arena([*(calling(i + 1) for i in range(40)), calling()])
    twice = [*(calling(i + 1, i + 1) for i in range(30)), calling()]
    with pytest.raises(Damaged, match="without end"):
        arena(twice)


def test_a_variable_has_its_place_for_good_once_by_name() -> None:
    def stream(name: str, size: int) -> Graph:
        return Graph(
            tensors=(Tensor((), "resource", 4, 0, constant=False, variable=False), tensor(size), tensor(size)),
            inputs=(),
            outputs=(1,),
            operators=(
                Operator("VAR_HANDLE", (), (0,), variable=name),
                Operator("READ_VARIABLE", (0,), (1,)),
                Operator("ASSIGN_VARIABLE", (0, 2), ()),
            ),
        )

    assert state([stream("a", 100), stream("a", 100)]) == 112
    assert state([stream("a", 100), stream("b", 100)]) == 224


def test_a_tensor_that_is_a_variable_itself_is_state_and_no_activation() -> None:
    graph = Graph(
        tensors=(tensor(40), tensor(256, variable=True), tensor(32)),
        inputs=(0,),
        outputs=(2,),
        operators=(Operator("SVDF", (0, 1), (2,)),),
    )
    found = arena([graph])
    assert (found.activations_bytes, found.state_bytes, found.total_bytes) == (48 + 32, 256, 336)


def test_an_unread_handle_is_no_reason_to_fall() -> None:
    graph = Graph((tensor(4),), (), (), (Operator("READ_VARIABLE", (), ()), Operator("ASSIGN_VARIABLE", (0,), ())))
    assert state([graph]) == 0
