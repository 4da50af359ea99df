"""The board decides as the gateway does: the same outputs, the same decisions."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pytest
from board_decider import BYTE, KINDS, BoardDecider, decisions, plan_of
from firmware import library
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_decide import TABLE, told

from edged.compiler.blob import Port
from edged.compiler.sections import NEVER, Decisions, Watched
from edged.decide import Decider
from edged.records import Decision, Policy, Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RATE_HZ: Final = 16_000
HOP: Final = 160
SECTION: Final = -5
"""PLAN_SECTION."""
LABELS: Final = ("a", "b", "c", "d")
Step: TypeAlias = tuple[int, bytes] | int
"""So many samples later these outputs; or a break so many samples later."""


class Both:
    """A gateway and a board that hear the same."""

    def __init__(self, policies: Mapping[str, Policy], *, labels: Sequence[str] = LABELS, port: Port = BYTE) -> None:
        self._port, self._labels = port, labels
        self.gateway = Decider(labels=labels, policies=policies, rate_hz=RATE_HZ)
        self.board = BoardDecider(library(), plan_of(decisions(policies, labels, port), outputs=len(labels), port=port))
        assert (self.board.status, self.board.why) == (0, "")
        self.now = 0

    def hear(self, step: Step) -> list[Decision]:
        """What both say of it; it must be the same."""
        if isinstance(step, int):
            self.now += step
            said, board = self.gateway.reset(self.now), self.board.reset(self.now)
        else:
            self.now += step[0]
            said, board = self.gateway.step(self._scores(step[1])), self.board.step(step[1], self.now)
        assert [(KINDS[one.kind], self._labels[one.column], one.began, one.at) for one in board] == [
            (one.kind, one.label, one.began, one.at) for one in said
        ]
        for mine, its in zip(board, said, strict=True):
            self._same_scores((mine.score, mine.peak, mine.mean), (its.score, its.peak, its.mean))
        return said

    def _scores(self, outputs: bytes) -> Scores:
        """As `TfliteModel` makes posteriors of outputs."""
        values = np.frombuffer(outputs, self._port.dtype).astype(np.float32) - np.float32(self._port.zero)
        return Scores(values * np.float32(self._port.scale), self.now)

    def _same_scores(self, board: Iterable[int], gateway: Iterable[float]) -> None:
        (score, peak, mean), exact = board, [max(0.0, value) * 65536 for value in gateway]
        if math.frexp(self._port.scale)[0] == 0.5:  # a power of two: the gateway's floats are exact, but for the mean
            assert (score, peak) == (math.floor(exact[0] + 0.5), math.floor(exact[1] + 0.5))
        for mine, its in zip((score, peak, mean), exact, strict=True):
            assert abs(mine - its) <= 0.5 + 1e-6 * its
        assert mean <= peak


def samples(most: int) -> st.SearchStrategy[float]:
    """Seconds that are whole samples, about some windows long."""
    return st.integers(0, most).map(lambda count: count / RATE_HZ)


@st.composite
def policy(draw: st.DrawFn) -> Policy:
    threshold = draw(st.integers(0, 256).map(lambda k: k / 256) | st.floats(0, 1))
    of_m = draw(st.integers(1, 5) | st.just(62))
    return Policy(
        kind=draw(st.sampled_from(["detection", "sound"])),
        threshold=threshold,
        release=draw(st.none() | st.floats(0, 1).map(lambda part: part * threshold)),
        mean_of=draw(st.just(1) | st.integers(1, 6) | st.just(100)),
        n=draw(st.integers(1, min(of_m, 3))),
        of_m=of_m,
        refractory_s=draw(samples(1500)),
        min_s=draw(samples(800)),
        max_s=draw(st.none() | samples(2500)),
        update_s=draw(samples(1500)),
    )


def bouts(of: int) -> st.SearchStrategy[list[Step]]:
    """Loud and quiet spells, with noise and breaks between: decisions need scores that last."""
    row = st.lists(
        st.sampled_from([0, 40, 90, 128, 129, 200, 255]) | st.integers(0, 255), min_size=of, max_size=of
    ).map(bytes)
    gap = st.just(HOP) | st.integers(0, 1000)
    spell = st.tuples(st.tuples(gap, row), st.integers(1, 12)).map(lambda two: [two[0]] * two[1])
    broken = st.integers(0, 500).map(lambda later: [later])
    spells: st.SearchStrategy[list[list[Step]]] = st.lists(st.one_of(spell, spell, spell, broken), max_size=25)
    return spells.map(lambda many: [step for one in many for step in one])


PORTS: Final = st.sampled_from(
    [
        BYTE,
        Port(0, 1, -128, 1 / 256, "int8"),
        Port(0, 1, -100, 1 / 256, "int8"),
        Port(0, 1, 3, 1 / 128, "uint8"),
        Port(0, 1, 0, 2.0**-12, "int8"),
        Port(0, 1, 127, 4.0, "int8"),
        Port(0, 1, 0, 0.5, "uint8"),
    ]
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(LABELS), policy()), bouts(len(LABELS)), PORTS)
def test_the_board_decides_as_the_gateway(policies: Mapping[str, Policy], steps: list[Step], port: Port) -> None:
    both = Both(policies, port=port)
    for step in steps:
        both.hear(step)


@settings(max_examples=100)
@given(policy(), bouts(1), st.floats(2.0**-20, 200, width=32), st.integers(-128, 127))
def test_scales_of_any_kind(one: Policy, steps: list[Step], scale: float, zero: int) -> None:
    """Without a mean, whose sums the gateway takes of rounded floats, decisions are the same there, too."""
    both = Both({"a": replace(one, mean_of=1)}, labels=["a"], port=Port(0, 1, zero, scale, "int8"))
    for step in steps:
        both.hear(step)


@pytest.mark.parametrize(("one", "values", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_gateway_s_table(one: Policy, values: Sequence[float], says: list[str]) -> None:
    """A window a second; what is no number is 0 for both."""
    both = Both({"a": one}, labels=["a"])
    heard = [min(255, round(value * 256)) if math.isfinite(value) else 0 for value in values]
    said = [decision for value in heard for decision in both.hear((RATE_HZ, bytes([value])))]
    assert told([replace(one, began=one.began // 160, at=one.at // 160) for one in said]) == says


def test_sixteen_labels_at_once_end_and_begin_anew() -> None:
    names = [f"l{i}" for i in range(16)]
    both = Both(dict.fromkeys(names, Policy(kind="sound", max_s=HOP / RATE_HZ)), labels=names)
    assert len(both.hear((HOP, b"\xff" * 16))) == 16
    assert len(both.hear((HOP, b"\xfe" * 16))) == 32
    assert len(both.hear(HOP)) == 16


def test_hours_of_one_sound() -> None:
    """The mean is of all of it, exactly; half a unit of the last place counts up."""
    both = Both({"a": Policy(kind="sound", update_s=1e9 / RATE_HZ, threshold=0.25)}, labels=["a"])
    total = count = 0
    for turn in range(20_000):
        value = 65 + turn % 191
        total, count = total + value, count + 1
        both.hear((HOP, bytes([value])))
    (end,) = both.board.reset(both.now)
    assert end.mean == math.floor(Fraction(total * 256, count) + Fraction(1, 2))
    assert end.peak == 255 * 256


@pytest.mark.parametrize("scale", [2.0**-9, 2.0**-10, 0.001, 2.0**-12 * 1.1, 2.0**-16, 2.0**-20, 0.9, 1.7, 255.9])
def test_scores_of_any_scale(scale: float) -> None:
    both = Both({"a": Policy(threshold=0)}, labels=["a"], port=Port(0, 1, 0, float(np.float32(scale)), "uint8"))
    assert len([both.hear((HOP, bytes([value]))) for high in range(1, 256) for value in (high, 0)]) == 510


def test_a_break_before_the_last_window_ends_with_it() -> None:
    both = Both({"a": Policy(kind="sound")}, labels=["a"])
    both.hear((HOP, b"\xff"))
    assert [one.at for one in both.hear(-1)] == [HOP]


def test_a_tie_is_rounded_up() -> None:
    """512 windows, of which one is louder by 1: half of 1/65536 more."""
    both = Both({"a": Policy(kind="sound", update_s=1e9 / RATE_HZ)}, labels=["a"])
    for value in [201, *[200] * 511]:
        both.hear((HOP, bytes([value])))
    assert both.board.reset(both.now)[0].mean == 200 * 256 + 1


def test_the_largest_mean_of() -> None:
    both = Both({"a": Policy(mean_of=255, threshold=0.9)}, labels=["a"])
    assert [len(both.hear((HOP, b"\xff"))) for _ in range(300)].index(1) == 254


def test_no_policies_decide_nothing() -> None:
    for section in (None, Decisions(outputs=1, watched=())):
        board = BoardDecider(library(), plan_of(section))
        assert (board.status, board.why) == (0, "")
        assert not board.step(b"\xff", HOP)


def test_what_has_no_room_is_lost_and_the_rest_goes_on() -> None:
    names = ["a", "b", "c"]
    board = BoardDecider(library(), plan_of(decisions(dict.fromkeys(names, Policy(kind="sound")), names), outputs=3))
    assert [one.column for one in board.step(b"\xff\xff\xff", HOP, room=2)] == [0, 1]
    assert not board.step(b"\xff\xff\xff", 2 * HOP)
    assert [one.column for one in board.step(bytes(3), 3 * HOP, room=1)] == [0]
    assert not board.reset(4 * HOP)


ONE = Watched(
    column=0, sound=True, mean_of=2, n=1, of_m=3, threshold=100, release=50, refractory=0, min=0, max=NEVER, update=9
)
WRONG: list[tuple[str, Decisions, int, str]] = [
    ("column outside", Decisions(2, (replace(ONE, column=2),)), 2, "column"),
    ("column twice", Decisions(2, (ONE, ONE)), 2, "column"),
    ("columns descend", Decisions(2, (replace(ONE, column=1), ONE)), 2, "column"),
    ("no mean", Decisions(2, (replace(ONE, mean_of=0),)), 2, "mean"),
    ("too long means", Decisions(9, tuple(replace(ONE, column=i, mean_of=205) for i in range(5))), 9, "windows"),
    ("n 0", Decisions(2, (replace(ONE, n=0),)), 2, "votes"),
    ("n of fewer", Decisions(2, (replace(ONE, n=4),)), 2, "votes"),
    ("of none", Decisions(2, (replace(ONE, of_m=0, n=0),)), 2, "votes"),
    ("of too many", Decisions(2, (replace(ONE, of_m=63),)), 2, "votes"),
    ("release above", Decisions(2, (replace(ONE, release=101),)), 2, "release"),
    ("other outputs", Decisions(3, (ONE,)), 2, "number of outputs"),
    ("too many labels", Decisions(17, tuple(replace(ONE, column=i) for i in range(17))), 17, "more policies"),
]


def refused(data: bytes) -> str:
    """Why decide_open refuses it; nothing is decided then."""
    board = BoardDecider(library(), data)
    assert board.status == SECTION
    assert not board.step(b"\xff" * 17, HOP)
    assert not board.reset(HOP)
    return board.why


@pytest.mark.parametrize(("section", "outputs", "why"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_policies_that_cannot_be(section: Decisions, outputs: int, why: str) -> None:
    assert why in refused(plan_of(section, outputs=outputs))


class Raw(Decisions):
    """A section of any bytes."""

    data: bytes

    def packed(self) -> bytes:
        return self.data


def raw(data: bytes) -> Raw:
    section = Raw(1, ())
    object.__setattr__(section, "data", data)
    return section


GOOD = Decisions(1, (ONE,)).packed()


@pytest.mark.parametrize("size", [*range(4), 35, 37, 40, 68])
def test_a_section_of_another_length(size: int) -> None:
    assert "section" in refused(plan_of(raw(GOOD.ljust(size, b"\0")[:size])))


@pytest.mark.parametrize(("at", "value"), [(5, 2), (5, 255), (9, 1), (10, 1), (11, 128)])
def test_kinds_that_nobody_knows_yet(at: int, value: int) -> None:
    assert "kind" in refused(plan_of(raw(GOOD[:at] + bytes([value]) + GOOD[at + 1 :])))


@pytest.mark.parametrize(
    "scale", [0.0, -1 / 256, math.inf, math.nan, 256.0, 1e-30, struct.unpack("<f", b"\1\0\0\0")[0]]
)
def test_scales_that_cannot_be(scale: float) -> None:
    assert "scale" in refused(plan_of(Decisions(1, (ONE,)), port=Port(0, 1, 0, scale, "uint8")))


@pytest.mark.parametrize(
    ("zero", "dtype"), [(-1, "uint8"), (256, "uint8"), (-129, "int8"), (128, "int8"), (2**31 - 1, "int8")]
)
def test_zero_points_that_cannot_be(zero: int, dtype: str) -> None:
    assert "zero point" in refused(plan_of(Decisions(1, (ONE,)), port=Port(0, 1, zero, 1 / 256, dtype)))


@example(bytes(36))
@given(st.binary(min_size=36, max_size=36))
def test_any_section_is_refused_or_decides(data: bytes) -> None:
    board = BoardDecider(library(), plan_of(raw(b"\1\0\1\0" + data[4:])))
    assert board.status in {0, SECTION}
    assert bool(board.why) == (board.status != 0)
    for turn in range(20):
        board.step(data[turn : turn + 1], turn * HOP)
