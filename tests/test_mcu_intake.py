"""Events of a board on their way into the outbox: stored once, answered when stored, at a time that can be believed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from edged.errors import StorageFull
from edged.mcu import intake
from edged.mcu.board import BoardEvent, Placed
from edged.mcu.intake import STORING, Intake
from edged.mcu.ticks import Ticks
from edged.records import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edged.clock import Moment
    from edged.outbox import Outbox


class Slow:
    """An outbox whose disk is slow, or full."""

    def __init__(self) -> None:
        self.took: list[Draft] = []
        self.goes = asyncio.Event()
        self.full = False

    async def put(self, drafts: Sequence[Draft]) -> None:
        self.took += drafts
        await self.goes.wait()
        if self.full:
            raise StorageFull("the disk is full")


class Way:
    """An intake, and what it makes of events."""

    def __init__(self) -> None:
        self.outbox, self.ticks = Slow(), Ticks()
        self.placed: list[Placed] = []
        self.intake = Intake(cast("Outbox", self.outbox), self.ticks, self._draft)

    def _draft(self, event: BoardEvent, when: Placed, _moment: Moment) -> Draft:
        self.placed.append(when)
        once = None if event.number is None else ("mcu/x", f"{event.boot}/{event.number}")
        return Draft("mcu/x", "topic", b"{}", once=once)


def event(number: int | None = 1, **more: Any) -> BoardEvent:
    return BoardEvent("detection", "word", 0.9, 0.9, 0.9, boot=3, number=number, **more)


def test_one_that_comes_again_while_it_is_stored_waits_for_the_same_commit() -> None:
    async def test() -> None:
        way = Way()
        coming = [asyncio.create_task(way.intake.take(event())) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in coming)
        way.outbox.goes.set()
        await asyncio.gather(*coming)
        assert (len(way.outbox.took), way.intake.events, way.intake.duplicates) == (1, 1, 4)
        await way.intake.take(event())
        assert (len(way.outbox.took), way.intake.events, way.intake.duplicates) == (1, 1, 5)
        await way.intake.take(event(2))
        assert (len(way.outbox.took), way.intake.events) == (2, 2)

    asyncio.run(test())


def test_a_disk_that_is_too_slow_is_said_and_the_commit_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "COMMIT_S", 0.05)

    async def test() -> None:
        way = Way()
        for _ in range(3):
            with pytest.raises(StorageFull, match="not committed yet"):
                await way.intake.take(event())
        assert len(way.outbox.took) == 1
        way.outbox.goes.set()
        await way.intake.settled(1.0)
        await way.intake.take(event())
        assert (len(way.outbox.took), way.intake.events) == (1, 1)

    asyncio.run(test())


def test_one_that_found_no_room_is_taken_when_it_comes_again() -> None:
    async def test() -> None:
        way = Way()
        way.outbox.full = True
        way.outbox.goes.set()
        with pytest.raises(StorageFull, match="the disk is full"):
            await way.intake.take(event())
        way.outbox.full = False
        await way.intake.take(event())
        assert (len(way.outbox.took), way.intake.events, way.intake.duplicates) == (2, 1, 0)

    asyncio.run(test())


def test_a_board_that_does_not_wait_for_answers_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "COMMIT_S", 0.01)

    async def test() -> None:
        way = Way()
        for number in range(50):
            with pytest.raises(StorageFull):
                await way.intake.take(event(number))
        assert len(way.outbox.took) == STORING
        await way.intake.settled(0.01)

    asyncio.run(test())


def test_events_without_a_number_are_all_stored() -> None:
    async def test() -> None:
        way = Way()
        way.outbox.goes.set()
        for _ in range(3):
            await way.intake.take(event(None))
        assert (len(way.outbox.took), way.intake.events, way.intake.duplicates) == (3, 3, 0)

    asyncio.run(test())


def placed(way: Way, heard: BoardEvent) -> Placed:
    async def test() -> None:
        way.outbox.goes.set()
        await way.intake.take(heard)

    asyncio.run(test())
    return way.placed[-1]


def test_an_event_is_placed_by_the_boards_clock() -> None:
    way, now_ns = Way(), time.monotonic_ns()
    way.ticks.note(3, 60_000, now_ns - 2_000_000, now_ns)
    when = placed(way, event(at_ms=59_000))
    assert abs(when.monotonic_ns - (now_ns - 10**9)) < 5_000_000
    assert when.error_ms is not None
    assert when.error_ms < 3


def test_of_a_boot_that_was_never_seen_only_the_arrival_is_known() -> None:
    before_ns = time.monotonic_ns()
    when = placed(Way(), event(at_ms=59_000))
    assert when.monotonic_ns >= before_ns
    assert when.error_ms is None


def test_a_time_that_has_not_come_yet_is_not_believed() -> None:
    way, now_ns = Way(), time.monotonic_ns()
    way.ticks.note(3, 60_000, now_ns - 2_000_000, now_ns)
    when = placed(way, event(at_ms=3_600_000))
    assert when.monotonic_ns <= time.monotonic_ns()
    assert when.error_ms is None


def test_a_time_just_ahead_within_the_error_is_now() -> None:
    way, now_ns = Way(), time.monotonic_ns()
    way.ticks.note(3, 60_000, now_ns - 4_000_000_000, now_ns)
    when = placed(way, event(at_ms=60_500))
    assert when.monotonic_ns <= time.monotonic_ns()
    assert when.error_ms is not None


def test_a_board_without_a_clock_is_placed_when_it_spoke() -> None:
    way = Way()
    when = placed(way, event(None, arrived_ns=12345))
    assert when == Placed(12345, None)
