"""How the daemon is, in one line of words for a person, and worst first for each model."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from edged.clock import Moment
from edged.mcu.health import State
from edged.mcu.teller import Health as BoardHealth
from edged.report import in_words, model_healths
from edged.station import Health

if TYPE_CHECKING:
    from edged.mcu.supervisor import Supervisor
    from edged.records import ModelState, SourceState
    from edged.station import Station

TWO_PAST_TWO = Moment(utc_ns=1_795_356_120 * 10**9, monotonic_ns=0, synchronised=True)
"""2026-11-22 14:02 UTC."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def station(name: str, state: SourceState = "hearing", why: str = "", **models: tuple[ModelState, str]) -> Station:
    told = {model: Health(*health, TWO_PAST_TWO) for model, health in models.items()}
    return cast("Station", SimpleNamespace(name=name, health=Health(state, why, TWO_PAST_TWO), models=told))


@pytest.mark.parametrize(
    ("stations", "words"),
    [
        ([], ""),
        ([station("kitchen")], "hearing kitchen"),
        ([station("kitchen"), station("tape", "ended")], "hearing kitchen, tape"),
        ([station("usb-mic", "absent")], "deaf: usb-mic absent since 14:02"),
        (
            [station("kitchen"), station("usb-mic", "absent", "no such device")],
            "hearing kitchen; deaf: usb-mic absent since 14:02 (no such device)",
        ),
        (
            [station("kitchen", dog=("running", ""), cat=("failed", "it died"))],
            "hearing kitchen; failed: cat on kitchen failed since 14:02 (it died)",
        ),
    ],
)
def test_in_words(stations: list[Station], words: str) -> None:
    assert in_words(stations) == words


def test_boards_are_told_of_beside_what_hears() -> None:
    up = SimpleNamespace(name="attic", health=BoardHealth(State.UP, "", TWO_PAST_TWO))
    away = SimpleNamespace(name="shed", health=BoardHealth(State.ABSENT, "there is no /dev/x", TWO_PAST_TWO))
    boards = cast("list[Supervisor]", [up, away])
    words = "boards attic; boards away: shed absent since 14:02 (there is no /dev/x)"
    assert in_words([], boards) == words
    assert in_words([station("kitchen")], boards) == f"hearing kitchen; {words}"


def test_a_model_is_as_where_it_is_worst() -> None:
    found = model_healths(
        [
            station("kitchen", dog=("running", ""), cat=("starting", "")),
            station("cellar", dog=("failed", "it died"), cat=("running", "")),
            station("hall", dog=("failed", "it hangs"), bird=("running", "")),
        ]
    )
    assert {name: (health.state, health.why) for name, health in found.items()} == {
        "dog": ("failed", "on cellar: it died"),
        "cat": ("starting", ""),
        "bird": ("running", ""),
    }
