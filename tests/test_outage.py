"""What flaps is said once; what is news is said at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.outage import SAME_S, Outage


def test_what_comes_and_goes_is_said_once() -> None:
    outage = Outage()
    said = []
    for cycle in range(1000):
        said += [outage.trouble("absent", 10.0 * cycle), outage.recovery(10.0 * cycle + 5)]
    assert said == [True, True, *[False] * 1998]


def test_an_outage_after_a_lasting_recovery_is_another() -> None:
    outage = Outage()
    assert [outage.trouble("absent", 0), outage.recovery(1), outage.trouble("absent", 1 + SAME_S)] == [True] * 3
    assert outage.recovery(2 + SAME_S)


def test_what_repeats_is_said_once() -> None:
    outage = Outage()
    assert [outage.trouble("absent", now_s) for now_s in range(1000)] == [True, *[False] * 999]
    assert outage.recovery(1000)


def test_another_trouble_is_news_once_an_outage() -> None:
    outage = Outage()
    assert outage.trouble("absent", 0)
    assert outage.trouble("busy", 1)
    assert not outage.trouble("absent", 2)
    assert not outage.trouble("busy", 3)


def test_a_trouble_that_was_passed_over_and_stays_is_said() -> None:
    outage = Outage()
    assert [outage.trouble("absent", 0), outage.recovery(1)] == [True, True]
    assert [outage.trouble("absent", now_s) for now_s in range(2, 200)].index(True) == SAME_S
    assert outage.recovery(200)
    assert not outage.trouble("absent", 201)


def test_without_a_trouble_every_change_is_said() -> None:
    outage = Outage()
    assert [outage.recovery(now_s) for now_s in (0, 1, 1000)] == [True] * 3


def test_long_after_an_outage_every_change_is_said() -> None:
    outage = Outage()
    outage.trouble("clipped", 0)
    outage.recovery(1)
    assert not outage.recovery(2)
    assert outage.recovery(1 + SAME_S)


@given(st.lists(st.tuples(st.sampled_from(["absent", "busy", "clipped", ""]), st.floats(0, SAME_S - 1)), max_size=200))
def test_however_it_flaps_it_writes_few_lines(words: list[tuple[str, float]]) -> None:
    """Each trouble once for the outage, then at most one a minute, and one recovery for each."""
    outage, now_s, lines = Outage(), 0.0, 0
    outage.trouble("absent", now_s)
    for kind, after_s in words:
        now_s += after_s
        lines += outage.trouble(kind, now_s) if kind else outage.recovery(now_s)
    assert lines <= 2 * (3 + now_s / SAME_S)
