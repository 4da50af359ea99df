"""A board's log: all of it for who listens, little of it for everybody, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.mcu.boardlog import BURST, KEPT, LINES_PER_S, MAX_CHARS, BoardLog, legible


def test_what_comes_slowly_is_all_passed_on() -> None:
    log = BoardLog()
    passed = [line for second in range(300) for line in log.take(f"line {second}", at_ns=second, now_s=float(second))]
    assert passed == [f"line {second}" for second in range(300)]
    assert log.dropped == 0
    assert [line.text for line in log.last] == passed[-KEPT:]


def test_what_comes_too_fast_is_left_out_and_counted() -> None:
    log = BoardLog()
    heard: list[str] = []
    log.listeners.add(lambda line: heard.append(line.text))
    passed = [line for number in range(1000) for line in log.take(f"{number}", at_ns=0, now_s=100.0)]
    assert passed == [f"{number}" for number in range(BURST)]
    assert (log.dropped, len(heard)) == (1000 - BURST, 1000)
    assert log.overdue(100.0) == []
    assert log.overdue(101.0) == [f"({1000 - BURST} more lines came too fast, and are left out here)"]
    assert log.overdue(102.0) == []
    assert log.take("calm", at_ns=0, now_s=103.0) == ["calm"]


def test_that_lines_were_left_out_is_said_before_the_next_one() -> None:
    log = BoardLog()
    for number in range(BURST + 7):
        log.take(f"{number}", at_ns=0, now_s=0.0)
    assert log.take("next", at_ns=0, now_s=10.0) == ["(7 more lines came too fast, and are left out here)", "next"]


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=30))
def test_never_more_than_the_meter_lets_through(bouts: list[tuple[float, int]]) -> None:
    """And what is passed on and what is said to be left out are together all there was."""
    log, now_s, passed, said = BoardLog(), 0.0, 0, 0
    came = 0
    for pause_s, lines in bouts:
        now_s += pause_s
        for _ in range(lines):
            came += 1
            for line in log.take("x", at_ns=0, now_s=now_s):
                passed += 1
                said += 0 if line == "x" else int(line[1:].split()[0])
    assert passed <= BURST + now_s * LINES_PER_S + 1
    (rest,) = log.overdue(now_s + 1000) or ["(0 "]
    assert said + int(rest[1:].split()[0]) == log.dropped


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        ("plain, with äöü\r", "plain, with äöü"),
        ("\x1b[1;31m<err> adc: 3\x1b[0m", "<err> adc: 3"),
        ("\x1b]0;title\x07rm -rf", "0;title\ufffdrm -rf"),
        ("a\tb", "a       b"),
        ("\x00\x07\x7f\x9b", "\ufffd" * 4),
        ("x" * 3000, "x" * MAX_CHARS + " …"),
        ("", ""),
    ],
)
def test_a_line_from_a_wire_is_made_legible(came: str, shown: str) -> None:
    assert legible(came) == shown


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(came: str) -> None:
    shown = legible(came)
    assert shown.isprintable()
    assert len(shown) <= MAX_CHARS + 2
