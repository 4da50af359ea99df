"""A board's clock on ours: whatever the line and the oscillators do, the stated error holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.mcu.ticks import BOOTS, KEPT, KEPT_NS, Ticks

MS, S = 10**6, 10**9
BOOTED_NS = 5000 * S


class Board:
    """A clock of its own, and a line with delays."""

    def __init__(self, *, booted_ns: int = BOOTED_NS, ppm: float = 0.0) -> None:
        self.booted_ns, self.rate = booted_ns, 1 + ppm / 1e6

    def ms_at(self, ns: int) -> int:
        return int((ns - self.booted_ns) * self.rate) // MS

    def answer(self, ticks: Ticks, asked_ns: int, *, there_ns: int = MS, back_ns: int = MS, boot: int = 1) -> None:
        ticks.note(boot, self.ms_at(asked_ns + there_ns), asked_ns, asked_ns + there_ns + back_ns)


def test_what_was_never_heard_of_is_not_made_up() -> None:
    ticks = Ticks()
    assert ticks.place(1, 1000) is None
    Board().answer(ticks, BOOTED_NS + S, boot=2)
    assert ticks.place(1, 1000) is None
    assert ticks.place(2, 1000) is not None


def test_one_heartbeat_places_a_moment_to_half_its_round_trip() -> None:
    ticks = Ticks()
    Board().answer(ticks, BOOTED_NS + 60 * S, there_ns=4 * MS, back_ns=4 * MS)
    placed = ticks.place(1, 60_000)
    assert placed is not None
    assert placed.error_ms == pytest.approx(4 + 1, abs=0.01)
    assert abs(placed.monotonic_ns - BOOTED_NS - 60 * S) <= 5 * MS


def test_the_error_grows_by_the_drift() -> None:
    ticks = Ticks()
    Board().answer(ticks, BOOTED_NS + 60 * S)
    placed = ticks.place(1, 160_000)
    assert placed is not None
    assert placed.error_ms == pytest.approx(1 + 1 + 100_000 * 100e-6, abs=0.1)


def test_the_shortest_round_trip_counts_until_it_is_old() -> None:
    ticks, board = Ticks(), Board()
    board.answer(ticks, BOOTED_NS + 10 * S)
    for second in range(13, 60, 3):
        board.answer(ticks, BOOTED_NS + second * S, there_ns=300 * MS, back_ns=20 * MS)
    placed = ticks.place(1, 58_000)
    assert placed is not None
    assert placed.error_ms == pytest.approx(1 + 1 + 48_000 * 100e-6, abs=0.1)
    board.answer(ticks, BOOTED_NS + 12 * S + KEPT_NS, there_ns=300 * MS, back_ns=20 * MS)
    placed = ticks.place(1, 58_000)
    assert placed is not None
    assert placed.error_ms is not None
    assert placed.error_ms > 160


def test_what_survived_a_reset_keeps_its_time() -> None:
    ticks, first = Ticks(), Board()
    first.answer(ticks, BOOTED_NS + 60 * S)
    before = ticks.place(1, 59_000)
    Board(booted_ns=BOOTED_NS + 70 * S).answer(ticks, BOOTED_NS + 73 * S, boot=2)
    assert ticks.place(1, 59_000) == before
    after = ticks.place(2, 1000)
    assert after is not None
    assert abs(after.monotonic_ns - (BOOTED_NS + 71 * S)) <= 2 * MS


def test_so_many_boots_are_remembered_and_no_more() -> None:
    ticks = Ticks()
    for boot in range(1, BOOTS + 3):
        Board(booted_ns=boot * 100 * S).answer(ticks, boot * 100 * S + S, boot=boot)
    known = [boot for boot in range(1, BOOTS + 3) if ticks.place(boot, 0) is not None]
    assert known == list(range(3, BOOTS + 3))


def test_the_present_boot_is_not_forgotten_for_old_ones_that_are_told_of_again() -> None:
    ticks = Ticks()
    for _ in range(3):
        for boot in range(1, BOOTS + 1):
            Board(booted_ns=boot * 100 * S).answer(ticks, boot * 100 * S + S, boot=boot)
    assert all(ticks.place(boot, 0) is not None for boot in range(1, BOOTS + 1))


def test_a_board_that_counts_no_boots_begins_anew() -> None:
    ticks = Ticks()
    Board().answer(ticks, BOOTED_NS + 500 * S)
    Board(booted_ns=BOOTED_NS + 600 * S).answer(ticks, BOOTED_NS + 601 * S)
    placed = ticks.place(1, 1000)
    assert placed is not None
    assert abs(placed.monotonic_ns - (BOOTED_NS + 601 * S)) <= 2 * MS


def test_memory_is_bounded() -> None:
    ticks, board = Ticks(), Board()
    for second in range(10_000):
        board.answer(ticks, BOOTED_NS + second * S // 10)
    assert [len(beats) for beats in ticks._boots.values()] == [KEPT]


@given(
    ppm=st.floats(-100, 100),
    delays=st.lists(st.tuples(st.integers(0, 2 * S), st.integers(0, 2 * S)), min_size=1, max_size=20),
    event_s=st.floats(0, 120),
)
def test_the_stated_error_holds_for_crystals(ppm: float, delays: list[tuple[int, int]], event_s: float) -> None:
    ticks, board = Ticks(), Board(ppm=ppm)
    for number, (there_ns, back_ns) in enumerate(delays):
        board.answer(ticks, BOOTED_NS + (number + 1) * 5 * S, there_ns=there_ns, back_ns=back_ns)
    happened_ns = BOOTED_NS + int(event_s * 1e9)
    placed = ticks.place(1, board.ms_at(happened_ns))
    assert placed is not None
    assert placed.error_ms is not None
    assert abs(placed.monotonic_ns - happened_ns) <= placed.error_ms * MS + 1000


@pytest.mark.parametrize("ppm", [-30_000, 10_000, 30_000])
def test_an_oscillator_worse_than_a_crystal_is_found_out(ppm: float) -> None:
    """Such as an RC oscillator, good for some percent: the heartbeats show it, and the error says so."""
    ticks, board = Ticks(), Board(ppm=ppm)
    for second in range(3, 60, 3):
        board.answer(ticks, BOOTED_NS + second * S)
    for event_s in (20.0, 57.0, 70.0):
        happened_ns = BOOTED_NS + int(event_s * 1e9)
        placed = ticks.place(1, board.ms_at(happened_ns))
        assert placed is not None
        assert placed.error_ms is not None
        assert abs(placed.monotonic_ns - happened_ns) <= placed.error_ms * MS * 1.1
    placed = ticks.place(1, board.ms_at(BOOTED_NS + 70 * S))
    assert placed is not None
    assert placed.error_ms is not None
    assert placed.error_ms > 100
