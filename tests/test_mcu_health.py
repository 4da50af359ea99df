"""The table of a board's states: no dead end, nothing that only a person could end, and no news without a row."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from edged.mcu.board import BoardState
from edged.mcu.health import BROUGHT_BY, CLOSED, TABLE, News, NoSuchRow, State, after

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

ALONE = frozenset(news for news, by in BROUGHT_BY.items() if by & {"time", "board"})
"""What comes without a person."""


def reached(begin: State, brought: Container[News], *, table: Mapping[tuple[State, News], State] = TABLE) -> set[State]:
    """Every state that news of these kinds may lead to."""
    found, waiting = {begin}, deque([begin])
    while waiting:
        state = waiting.popleft()
        for (at, news), leads_to in table.items():
            if at is state and news in brought and leads_to not in found:
                found.add(leads_to)
                waiting.append(leads_to)
    return found


def dead_ends(table: Mapping[tuple[State, News], State]) -> set[State]:
    return {state for state in State if State.UP not in reached(state, ALONE, table=table)}


def test_time_and_the_board_alone_lead_back_up_from_everywhere() -> None:
    assert dead_ends(TABLE) == set()


@pytest.mark.parametrize("state", [State.ABSENT, State.BUSY, State.QUARANTINED, State.RESETTING])
def test_a_way_out_that_is_taken_away_is_missed(state: State) -> None:
    """The search itself can fail: it is only worth something if it does."""
    table = {row: leads_to for row, leads_to in TABLE.items() if row[0] is not state}
    assert state in dead_ends(table)


def test_while_a_board_is_mute_it_is_tried_again_for_ever() -> None:
    """Time alone, whatever the state, leads back to asking who is there."""
    by_time = {news for news, by in BROUGHT_BY.items() if "time" in by}
    for state in State:
        assert any(
            (at, news) in TABLE and TABLE[at, news] is State.PROBING
            for at in reached(state, by_time)
            for news in by_time
        ), state


def test_every_state_can_come_about_without_a_person() -> None:
    """But that another program has the port: somebody has started it."""
    assert reached(State.ABSENT, ALONE) == set(State) - {State.BUSY}
    assert reached(State.ABSENT, set(News)) == set(State)


def test_a_board_may_be_unplugged_in_every_state() -> None:
    assert {TABLE[state, News.GONE] for state in State} == {State.ABSENT}


def test_what_is_not_ours_is_never_reset() -> None:
    """From something foreign no road leads to a reset but through asking who is there once more."""
    foreign = TABLE[State.PROBING, News.FOREIGN]
    without_asking = {row: leads_to for row, leads_to in TABLE.items() if row[0] is not State.PROBING}
    assert State.RESETTING not in reached(foreign, set(News), table=without_asking)


def test_a_closed_port_brings_nothing_but_news_of_the_port() -> None:
    of_the_port = {News.GONE, News.HELD, News.OPENED}
    for state in State:
        brings = {news for at, news in TABLE if at is state}
        assert brings == of_the_port if state in CLOSED else not brings & {News.HELD, News.OPENED}, state


def test_an_absent_row_is_an_error() -> None:
    absent = [(state, news) for state in State for news in News if (state, news) not in TABLE]
    assert absent
    for state, news in absent:
        with pytest.raises(NoSuchRow, match=f"{news.value} while {state.value}"):
            after(state, news)


def test_every_news_is_in_the_table_and_has_somebody_who_brings_it() -> None:
    assert {news for _, news in TABLE} == set(News) == set(BROUGHT_BY)


def test_states_are_published_by_the_names_that_the_messages_know() -> None:
    assert {state.value for state in State} == set(get_args(BoardState))


def test_the_page_has_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[1] / "docs" / "BOARDS.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page if line.startswith("|")]
    (header,) = [row for row in rows if row[1:] == [news.value for news in News]]
    found = {
        (State(row[0].strip("*")), News(news)): State(cell)
        for row in rows
        if row[0].startswith("**")
        for news, cell in zip(header[1:], row[1:], strict=True)
        if cell
    }
    assert found == TABLE
    assert {row[0].strip("`") for row in rows} >= {state.value for state in State}
