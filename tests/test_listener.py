"""A listener keeps its lane alive, drops what it cannot bear, and is no trouble to its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from nabu import nabu

from edged import listener as listener_module
from edged.classify.model import open_model
from edged.errors import ModelError, WorkerLost
from edged.lane import Lane
from edged.listener import INBOX_S, STAY_S, Listener
from edged.records import Chunk
from edged.trial import TRIAL_WINDOWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from edged.records import Event, ModelState
    from edged.trial import Trial

CHUNK = 1600


def chunk(number: int, *, fresh: bool = False) -> Chunk:
    """A tenth of a second of silence."""
    return Chunk(np.zeros((CHUNK, 1), np.int16), rate_hz=16000, first=number * CHUNK, ended_ns=0, fresh=fresh)


class Ward:
    """A lane that notes what it hears, and dies or waits as it is told."""

    active: frozenset[str] = frozenset()

    def __init__(self, *, dies_at: int | None = None, waits: threading.Event | None = None) -> None:
        self.heard: list[tuple[int, bool]] = []
        self.finished = self.resigned = self.closed = self.windows = self.caught_up = 0
        self._dies_at, self._waits = dies_at, waits

    def hear(self, chunk: Chunk) -> list[Event]:
        if self._waits is not None:
            self._waits.wait(10)
        if len(self.heard) == self._dies_at:
            raise WorkerLost("it died")
        self.heard.append((chunk.first // CHUNK, chunk.fresh))
        self.windows += 1
        return []

    def finish(self) -> list[Event]:
        self.finished += 1
        return []

    def resign(self) -> list[Event]:
        self.resigned += 1
        return []

    def catch_up(self) -> list[Event]:
        self.caught_up += 1
        return []

    def succeed(self, heir: Ward) -> None:
        heir.heard = [*self.heard, *heir.heard]

    def close(self) -> None:
        self.closed += 1


class Log:
    """What a listener said, and a way to wait for it."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.moves = 0

    def changed(self, state: ModelState, why: str) -> None:
        self.states.append((state, why))

    def moved(self) -> None:
        self.moves += 1


def listener(opening: Callable[[], Ward], log: Log | None = None) -> Listener:
    log = log or Log()
    return Listener(
        "kitchen/wake",
        open_lane=cast("Callable[[], Lane]", opening),
        decided=lambda _lane, _events: None,
        changed=log.changed,
        moved=log.moved,
    )


@contextlib.asynccontextmanager
async def running(*listeners: Listener) -> AsyncIterator[None]:
    with ThreadPoolExecutor(4) as pool:
        tasks = [asyncio.create_task(one.run(pool)) for one in listeners]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def test_hears_everything_in_order() -> None:
    async def scenario() -> None:
        ward, log = Ward(), Log()
        one = listener(lambda: ward, log)
        one.start()
        async with running(one):
            for number in range(10):
                one.feed(chunk(number, fresh=number == 0))
            await one.drained()
        assert ward.heard == [(number, number == 0) for number in range(10)]
        assert (log.states, ward.closed) == ([("running", "")], 1)
        assert 1 <= log.moves < 10  # what has nothing to tell does not come back for each chunk

    asyncio.run(scenario())


def test_a_lane_that_never_rests_still_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "STAY_S", 0.05)

    async def scenario() -> None:
        log = Log()

        class Busy(Ward):
            def hear(self, chunk: Chunk) -> list[Event]:
                time.sleep(0.02)
                return super().hear(chunk)

        ward = Busy()
        one = listener(lambda: ward, log)
        async with running(one):
            for number in range(20):
                one.feed(chunk(number))
            await until(lambda: len(ward.heard) == 20)
        assert 4 <= log.moves <= 10

    asyncio.run(scenario())


def test_a_lane_that_hears_nothing_still_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "STAY_S", 0.05)

    async def scenario() -> None:
        log = Log()
        one = listener(Ward, log)
        async with running(one):
            await until(lambda: log.moves >= 3)

    asyncio.run(scenario())


def test_what_is_decided_comes_at_once_and_so_does_a_label_that_falls() -> None:
    async def scenario() -> None:
        told: list[tuple[int, int, frozenset[str]]] = []

        class Deciding(Ward):
            def hear(self, chunk: Chunk) -> list[Event]:
                super().hear(chunk)
                number = chunk.first // CHUNK
                self.active = frozenset({"word"} if number in {3, 4} else ())
                return [cast("Event", "event")] if number == 3 else []

        ward = Deciding()
        one = Listener(
            "kitchen/wake",
            open_lane=lambda: cast("Lane", ward),
            decided=lambda lane, events: told.append((len(ward.heard), len(events), lane.active)),
            changed=lambda _state, _why: None,
            moved=lambda: None,
        )
        async with running(one):
            for number in range(8):
                one.feed(chunk(number))
            await one.drained()
        assert told[:2] == [(4, 1, frozenset({"word"})), (6, 0, frozenset())]

    asyncio.run(scenario())


def test_a_listener_that_is_told_to_go_goes_at_once() -> None:
    async def scenario() -> None:
        log = Log()
        one = listener(Ward, log)
        began_s = 0.0
        async with running(one):
            await until(lambda: bool(log.states))
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 0.5 * STAY_S

    asyncio.run(scenario())


def test_a_break_finishes_the_stream() -> None:
    async def scenario() -> None:
        ward = Ward()
        one = listener(lambda: ward)
        async with running(one):
            one.feed(chunk(0))
            one.feed(None)
            await one.drained()
        assert ward.finished == 1

    asyncio.run(scenario())


def test_a_full_inbox_drops_the_oldest_and_says_so() -> None:
    async def scenario() -> None:
        ward = Ward()
        one = listener(lambda: ward)
        for number in range(50):
            one.feed(chunk(number, fresh=number == 0))
        kept = round(INBOX_S / 0.1)
        assert one.dropped_s == pytest.approx(5.0 - INBOX_S)
        async with running(one):
            await one.drained()
        assert ward.heard == [(number, number == 50 - kept) for number in range(50 - kept, 50)]

    asyncio.run(scenario())


def test_a_dead_model_is_replaced_and_begins_anew() -> None:
    async def scenario() -> None:
        log = Log()
        wards = [Ward(dies_at=2), Ward()]
        left = iter(wards)

        def opening() -> Ward:
            if len(log.states) == 2:  # once dead, it does not come up at the first attempt
                raise WorkerLost("not yet")
            return next(left)

        one = listener(opening, log)
        async with running(one):
            for number in range(4):
                one.feed(chunk(number, fresh=number == 0))
            await until(lambda: wards[1].heard != [])
        assert [state for state, _ in log.states] == ["running", "failed", "failed", "running"]
        assert log.states[1] == ("failed", "it died")
        assert (wards[0].resigned, wards[0].closed) == (1, 1)
        assert wards[1].heard[0] == (3, False)
        assert one.windows == 3  # those of the dead one count as well

    asyncio.run(scenario())


def test_a_model_that_never_comes_up_is_tried_for_ever() -> None:
    async def scenario() -> None:
        log = Log()

        def opening() -> Ward:
            raise WorkerLost("no")

        one = listener(opening, log)
        one.start()
        assert one.lane is None
        async with running(one):
            await until(lambda: len(log.states) >= 3)
        assert set(log.states) == {("failed", "no")}
        assert log.moves >= 3  # each attempt is progress

    asyncio.run(scenario())


def test_nobody_waits_for_a_model_that_is_down() -> None:
    async def scenario() -> None:
        log = Log()

        def opening() -> Ward:
            raise WorkerLost("no")

        one = listener(opening, log)
        async with running(one):
            await until(lambda: bool(log.states))
            one.feed(chunk(0, fresh=True))
            async with asyncio.timeout(1):
                await one.drained()

    asyncio.run(scenario())


def test_a_bad_model_at_start_is_the_users_to_mend() -> None:
    def opening() -> Ward:
        raise ModelError("bad")

    with pytest.raises(ModelError):
        listener(opening).start()


def test_a_hanging_lane_costs_its_neighbour_nothing() -> None:
    async def scenario() -> None:
        go = threading.Event()
        slow, quick = Ward(waits=go), Ward()
        one, other = listener(lambda: slow), listener(lambda: quick)
        async with running(one, other):
            for number in range(60):
                for each in (one, other):
                    each.feed(chunk(number, fresh=number == 0))
                await until(lambda number=number: len(quick.heard) == number + 1)  # type: ignore[misc]
            go.set()
            await one.drained()
        assert [number for number, _ in quick.heard] == list(range(60))
        assert other.dropped_s == 0
        assert one.dropped_s == pytest.approx(6.0 - INBOX_S - 0.1)  # and the one it was busy with

    asyncio.run(scenario())


def test_a_swap_falls_between_two_chunks() -> None:
    async def scenario() -> None:
        old, heir = Ward(), Ward()
        one = listener(lambda: old)
        async with running(one):
            one.feed(chunk(0, fresh=True))
            await one.drained()
            one.swap(cast("Lane", heir), lambda: cast("Lane", heir))
            one.feed(chunk(1))
            await one.drained()
            assert one.lane is cast("Lane", heir)
        assert heir.heard == [(0, True), (1, False)]
        assert (old.resigned, old.closed, heir.closed) == (1, 1, 1)

    asyncio.run(scenario())


def test_breaks_do_not_pile_up_while_a_model_is_down() -> None:
    async def scenario() -> None:
        log = Log()
        broken = True
        ward = Ward()

        def opening() -> Ward:
            if broken:
                raise WorkerLost("no")
            return ward

        one = listener(opening, log)
        async with running(one):
            await until(lambda: bool(log.states))
            for _ in range(1000):
                one.feed(None)
            one.feed(chunk(0, fresh=True))
            broken = False
            await until(lambda: ward.heard != [])
        assert ward.finished == 1

    asyncio.run(scenario())


def test_a_model_that_dies_at_its_first_window_is_not_brought_back_in_a_frenzy() -> None:
    async def scenario() -> None:
        log = Log()
        lost_s: list[float] = []

        def opening() -> Ward:
            return Ward(dies_at=0)

        one = listener(opening, log)
        async with running(one):
            while len(lost_s) < 4:
                one.feed(chunk(len(lost_s), fresh=True))
                failures = sum(state == "failed" for state, _ in log.states)
                await until(lambda failures=failures: len(log.states) > 2 * failures + 1)  # type: ignore[misc]
                lost_s.append(asyncio.get_running_loop().time())
                await until(lambda: log.states[-1][0] == "running")
        waits = np.diff(lost_s)
        assert waits[0] < 0.5 * 0.75
        assert waits[2] >= 1.0 * 0.75

    asyncio.run(scenario())


def test_an_heir_takes_over_from_a_model_that_is_down() -> None:
    async def scenario() -> None:
        log, first, second = Log(), Ward(), Ward()

        def opening() -> Ward:
            raise WorkerLost("no")

        one = listener(opening, log)
        async with running(one):
            await until(lambda: bool(log.states))
            for heir in (first, second):
                one.swap(cast("Lane", heir), cast("Callable[[], Lane]", opening))
            one.feed(chunk(0, fresh=True))
            await until(lambda: second.heard != [])
        assert (first.heard, first.closed, second.closed) == ([], 1, 1)

    asyncio.run(scenario())


def test_a_model_that_takes_its_time_to_end_does_not_hold_up_the_loop() -> None:
    async def scenario() -> None:
        go = threading.Event()

        class Slow(Ward):
            def close(self) -> None:
                super().close()
                assert go.wait(5)

        old, heir = Slow(), Slow()
        one = listener(lambda: old)
        asyncio.get_running_loop().call_later(0.1, go.set)
        async with running(one):
            await until(lambda: one.lane is cast("Lane", old))
            one.swap(cast("Lane", heir), lambda: cast("Lane", heir))
            await until(lambda: old.closed == 1)
            go.clear()
            asyncio.get_running_loop().call_later(0.1, go.set)
        assert heir.closed == 1

    asyncio.run(scenario())


def test_a_real_lane_runs_in_it() -> None:
    async def scenario() -> None:
        bundle = nabu()
        one = Listener(
            "kitchen/wake",
            open_lane=lambda: Lane(bundle, open_model(bundle)),
            decided=lambda _lane, _events: None,
            changed=lambda _state, _why: None,
            moved=lambda: None,
        )
        async with running(one):
            for number in range(10):
                one.feed(chunk(number, fresh=number == 0))
            await one.drained()
            assert one.lane is not None
            assert one.lane.windows == (16000 - 480) // 160 // 3 + (1 if (16000 - 480) // 160 % 3 == 2 else 0)

    asyncio.run(scenario())


# On trial.


def on_trial(one: Listener, heir: Ward, opening: Callable[[], Ward] | None = None) -> Trial:
    return one.try_out(cast("Lane", heir), cast("Callable[[], Lane]", opening or (lambda: heir)))


def test_a_lane_on_trial_proves_itself_and_the_old_one_stands_by_until_then() -> None:
    async def scenario() -> None:
        log, old, heir = Log(), Ward(), Ward()
        one = listener(lambda: old, log)
        one.start()
        async with running(one):
            trial = on_trial(one, heir)
            for number in range(TRIAL_WINDOWS - 1):
                one.feed(chunk(number, fresh=number == 0))
            await one.drained()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(trial.verdict(), 0.05)
            one.feed(chunk(TRIAL_WINDOWS - 1))
            await asyncio.wait_for(trial.verdict(), 2)
            one.keep()
            assert (old.closed, old.heard) == (0, [])
            one.settle(cast("Callable[[], Lane]", lambda: heir))
            await until(lambda: old.closed == 1)
            assert one.lane is cast("Lane", heir)
        assert (old.closed, heir.closed) == (1, 1)
        assert {state for state, _ in log.states} == {"running"}

    asyncio.run(scenario())


@pytest.mark.parametrize("survives", range(TRIAL_WINDOWS))
def test_a_lane_that_fails_on_trial_gives_back_at_once(survives: int) -> None:
    async def scenario() -> None:
        log, old = Log(), Ward()
        heir = Ward(dies_at=1 + survives)  # one it inherits
        one = listener(lambda: old, log)
        one.start()
        async with running(one):
            one.feed(chunk(0, fresh=True))
            await one.drained()
            trial = on_trial(one, heir)
            for number in range(1, 8):
                one.feed(chunk(number))
            with pytest.raises(WorkerLost, match="it died"):
                await asyncio.wait_for(trial.verdict(), 2)
            one.hand_back()  # it has already
            await one.drained()
            assert one.lane is cast("Lane", old)
            assert (heir.resigned, heir.closed, old.closed, old.caught_up) == (1, 1, 0, 1)
        assert [number for number, _ in old.heard][-(6 - survives) :] == list(range(2 + survives, 8))
        assert {state for state, _ in log.states} == {"running"}  # no back-off, and nothing failed

    asyncio.run(scenario())


def test_a_lane_that_has_proven_itself_is_handed_back_all_the_same() -> None:
    """It was good here, and not at another source; or the disk was full."""

    async def scenario() -> None:
        old, heir = Ward(), Ward()
        one = listener(lambda: old)
        one.start()
        async with running(one):
            trial = on_trial(one, heir)
            for number in range(TRIAL_WINDOWS):
                one.feed(chunk(number, fresh=number == 0))
            await asyncio.wait_for(trial.verdict(), 2)
            one.keep()
            one.hand_back()
            one.feed(chunk(TRIAL_WINDOWS))
            await one.drained()
            assert one.lane is cast("Lane", old)
            await until(lambda: heir.closed == 1)
        assert [number for number, _ in old.heard] == list(range(TRIAL_WINDOWS + 1))
        assert old.closed == 1

    asyncio.run(scenario())


def test_a_lane_that_is_kept_and_then_fails_is_opened_anew() -> None:
    async def scenario() -> None:
        log, old, again = Log(), Ward(), Ward()
        heir = Ward(dies_at=TRIAL_WINDOWS)
        one = listener(lambda: old, log)
        one.start()
        async with running(one):
            trial = on_trial(one, heir, lambda: again)
            for number in range(TRIAL_WINDOWS):
                one.feed(chunk(number, fresh=number == 0))
            await asyncio.wait_for(trial.verdict(), 2)
            one.keep()
            one.feed(chunk(TRIAL_WINDOWS))
            await until(lambda: one.lane is cast("Lane", again))
            one.settle(cast("Callable[[], Lane]", lambda: again))
            await until(lambda: old.closed == 1)
        assert ("failed", "it died") in log.states

    asyncio.run(scenario())


def test_a_trial_that_never_begins_is_called_off() -> None:
    """The old model is down, and waits to be brought back."""

    async def scenario() -> None:
        log, heir = Log(), Ward()

        def opening() -> Ward:
            raise WorkerLost("no")

        one = listener(opening, log)
        async with running(one):
            await until(lambda: bool(log.states))
            on_trial(one, heir)
            one.hand_back()
            await until(lambda: len(log.states) > 1)
        assert heir.closed == 1
        assert {state for state, _ in log.states} == {"failed"}

    asyncio.run(scenario())


@pytest.mark.parametrize("fails", [True, False])
def test_where_the_old_model_was_down_it_is_brought_back(fails: bool) -> None:  # noqa: FBT001 - pytest gives it
    async def scenario() -> None:
        log, heir, back = Log(), Ward(dies_at=0 if fails else None), Ward()
        broken = True

        def opening() -> Ward:
            if broken:
                raise WorkerLost("no")
            return back

        one = listener(opening, log)
        async with running(one):
            await until(lambda: bool(log.states))
            trial = on_trial(one, heir)
            await until(lambda: trial.begun)
            broken = False
            one.feed(chunk(0, fresh=True))
            if fails:
                with pytest.raises(WorkerLost):
                    await asyncio.wait_for(trial.verdict(), 2)
            one.hand_back()
            await until(lambda: one.lane is cast("Lane", back))
        assert heir.closed == 1

    asyncio.run(scenario())


def test_a_daemon_that_ends_in_a_trial_closes_both() -> None:
    async def scenario() -> None:
        old, heir = Ward(), Ward()
        one = listener(lambda: old)
        one.start()
        async with running(one):
            trial = on_trial(one, heir)
            await until(lambda: trial.begun)
        assert (old.closed, heir.closed) == (1, 1)

    asyncio.run(scenario())
