"""What is known of a board: who it is, what has happened to it, and what it has lost in all its boots."""

from __future__ import annotations

from typing import Any

import pytest

from edged.errors import BoardForeign
from edged.mcu.acquaintance import Acquaintance
from edged.mcu.board import Identity, Pulse
from edged.mcu.health import Reset, State

UID = "0123456789abcdef01234567"


def identity(boot: int | None = 1, *, uid: str = UID, **more: Any) -> Identity:
    return Identity("edged", uid=uid, boot=boot, **more)


def meet(known: Acquaintance, who: Identity, *, at_ns: int = 0) -> tuple[str, bool]:
    known.meet(who, asked_ns=at_ns, answered_ns=at_ns)
    return known.came_up()


@pytest.mark.parametrize("told", [UID, UID.upper(), "01:23:45:67:89:AB:CD:EF:01:23:45:67"])
def test_a_number_is_the_same_however_it_is_written(told: str) -> None:
    Acquaintance(told).confirm(identity())


@pytest.mark.parametrize("there", ["77" * 12, ""])
def test_another_number_is_foreign(there: str) -> None:
    with pytest.raises(BoardForeign, match="is there, and not"):
        Acquaintance(UID).confirm(identity(uid=there))


def test_who_need_not_be_anybody_is_nobody_foreign() -> None:
    Acquaintance(None).confirm(identity(uid=""))


def test_a_link_that_comes_back_is_no_reset() -> None:
    known = Acquaintance(None)
    assert meet(known, identity(7)) == ("", False)
    assert meet(known, identity(7)) == ("", False)
    assert known.connections == 2


@pytest.mark.parametrize(
    ("reset", "why"),
    [
        ("power", "had no power"),
        ("pin", "was reset by its button"),
        ("software", "was reset by its own software"),
        ("watchdog", "was reset by its watchdog"),
        ("fault", "was reset by a fault"),
        ("unknown", "has begun anew"),
        (None, "has begun anew"),
    ],
)
def test_a_reset_is_named(reset: str | None, why: str) -> None:
    known = Acquaintance(None)
    meet(known, identity(7))
    assert meet(known, identity(8, reset=reset)) == (why, True)
    assert known.resets == 0


def test_our_own_reset_is_ours() -> None:
    known = Acquaintance(None)
    meet(known, identity(7))
    known.way = Reset.PROTOCOL
    assert meet(known, identity(8, reset="software")) == ("edged has reset it over its protocol", False)
    assert known.resets == 1
    assert meet(known, identity(9, reset="watchdog")) == ("was reset by its watchdog", True)


def test_a_reset_that_changed_nothing_is_none() -> None:
    known = Acquaintance(None)
    meet(known, identity(7))
    known.way = Reset.LINES
    assert meet(known, identity(7)) == ("", False)
    assert known.resets == 0


def test_what_has_happened_is_told_once_it_is_up_however_often_it_was_asked() -> None:
    known = Acquaintance(None)
    meet(known, identity(7))
    known.meet(identity(8, reset="fault"), asked_ns=0, answered_ns=0)
    known.meet(identity(8, reset="fault"), asked_ns=0, answered_ns=0)
    assert known.came_up() == ("was reset by a fault", True)
    assert known.came_up() == ("", False)


def test_another_board_is_said_to_be_and_has_a_clock_of_its_own() -> None:
    known = Acquaintance(None)
    meet(known, identity(1, up_ms=1000), at_ns=5 * 10**9)
    why, by_itself = meet(known, identity(1, uid="77" * 12, up_ms=100_000), at_ns=6 * 10**9)
    assert (why, by_itself) == (f"is another board than before, of uid {'77' * 12}", True)
    placed = known.ticks.place(1, 99_000)
    assert placed is not None
    assert placed.monotonic_ns == 5 * 10**9
    assert placed.error_ms is not None
    assert placed.error_ms < 2


def test_a_board_that_counts_no_boots_is_found_out_by_its_clock() -> None:
    known = Acquaintance(None)
    meet(known, identity(None))
    known.lives(Pulse(1.0, up_ms=5000), now_ns=0)
    assert not known.booted(Pulse(1.0, up_ms=8000))
    assert known.booted(Pulse(1.0, up_ms=100))
    assert not known.booted(Pulse(None))


def test_what_a_board_without_boots_dropped_is_added_up_over_its_links() -> None:
    known = Acquaintance(None)
    lost = []
    for dropped in (3, 5, 0, 2):  # another link begins to count at 0
        known.lives(Pulse(None, dropped=dropped), now_ns=0)
        lost.append(known.vitals(State.UP, events=0, duplicates=0, text_dropped=0).lost)
    assert lost == [3, 5, 5, 7]


def test_what_is_found_to_have_arrived_after_all_is_not_lost() -> None:
    known = Acquaintance(None)
    for dropped in (3, 2):
        known.lives(Pulse(1.0, boot=1, dropped=dropped), now_ns=0)
    assert known.vitals(State.UP, events=0, duplicates=0, text_dropped=0).lost == 2


def test_what_it_dropped_is_added_up_over_its_boots_once() -> None:
    known = Acquaintance(None)

    def lost() -> int:
        return known.vitals(State.UP, events=0, duplicates=0, text_dropped=0).lost

    meet(known, identity(1))
    known.lives(Pulse(1.0, boot=1, dropped=3), now_ns=0)
    meet(known, identity(1))
    known.lives(Pulse(1.0, boot=1, dropped=5), now_ns=0)
    assert lost() == 5
    meet(known, identity(2))
    assert lost() == 5
    known.lives(Pulse(1.0, boot=2, dropped=2), now_ns=0)
    assert lost() == 7
