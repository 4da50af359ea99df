"""A station: what its source and its models go through is said once, in order, and nothing heard is thrown away."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edged.audio.ledger import Ledger
from edged.errors import AudioFileError, ModelError, WorkerLost
from edged.messages import Messages
from edged.records import Chunk, Condition, Decision, Event, Policy
from edged.station import Station, Surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from edged.lane import Lane
    from edged.outbox import Outbox
    from edged.records import Draft, Heard, Publication


class Tape:
    """A source that says what it is given, and is then silent for ever, or breaks."""

    def __init__(self, *items: Heard | Exception, waits: bool = False) -> None:
        self.ledger = Ledger()
        self.waits = waits
        self.closed = False
        self._items = items

    async def listen(self) -> AsyncGenerator[Heard, None]:
        try:
            for item in self._items:
                if isinstance(item, Exception):
                    raise item
                yield item
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            self.closed = True


class Ear:
    """A lane that counts what it hears, and hears only as fast as it is let."""

    def __init__(self, *, go: threading.Event | None = None) -> None:
        self.heard = self.finished = self.closed = self.windows = 0
        self.active: frozenset[str] = frozenset()
        self.rate_hz = 16000
        self.bundle = self
        self.policies = {"bark": Policy(kind="sound")}
        self.version, self.sha256 = "1", "0" * 64
        self._go = go

    def hear(self, _chunk: Chunk) -> list[Event]:
        if self._go is not None:
            assert self._go.wait(5)
        self.heard += 1
        return []

    def finish(self) -> list[Event]:
        self.finished += 1
        decision = Decision(kind="end", label="bark", score=0.9, peak=0.9, mean=0.9, began=0, at=1600)
        return [Event(decision, at_s=0.1, at_ns=1, stream_ns=0, level_dbfs=-20.0)]

    def resign(self) -> list[Event]:
        return []

    def close(self) -> None:
        self.closed += 1


class Scene:
    """What a station speaks to."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.retained: list[Publication] = []
        self.moved: list[str] = []
        self.left: list[str] = []
        self.changes = 0

    async def put(self, drafts: Sequence[Draft]) -> None:
        self.drafts += drafts

    def change(self) -> None:
        self.changes += 1

    def station(self, tape: Tape, **lanes: Callable[[], Ear]) -> Station:
        around = Surroundings(
            messages=Messages(gateway="test", boot_id="b" * 36, version="1"),
            outbox=cast("Outbox", self),
            retain=self.retained.append,
            moved=self.moved.append,
            left=self.left.append,
            changed=self.change,
            pool=ThreadPoolExecutor(4),
        )
        return Station("yard", tape, cast("dict[str, Callable[[], Lane]]", lanes), around=around)

    @property
    def states(self) -> list[dict[str, Any]]:
        said = [each for each in self.retained if each.topic == "edged/test/sound/yard/state"]
        return [json.loads(each.payload) for each in said]

    @property
    def labels(self) -> list[tuple[str, str]]:
        said = [each for each in self.retained if each.topic.endswith("/bark")]
        return [(each.topic.split("/")[-2], each.payload.decode()) for each in said]


def chunk(number: int) -> Chunk:
    samples = np.zeros((1600, 1), np.int16)
    return Chunk(samples, rate_hz=16000, first=number * 1600, ended_ns=0, fresh=not number)


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(8):
            await scenario(Scene())

    asyncio.run(within())


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 - what is waited for has no event of its own; `run` bounds it
        await asyncio.sleep(0.005)


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_each_change_of_the_source_is_said_once_and_since_stays() -> None:
    async def scenario(scene: Scene) -> None:
        tape = Tape(
            Condition("starting", "opening"),
            Condition("absent", "no such device"),
            Condition("absent", "no such device"),
            Condition("absent", "it is busy"),
            Condition("hearing", "16000 Hz"),
        )
        station = scene.station(tape)
        task = asyncio.create_task(station.run())
        await station.spoken.wait()
        await until(lambda: len(scene.states) == 4)
        await end(task)
        assert [(told["state"], told["why"]) for told in scene.states] == [
            ("starting", "opening"),
            ("absent", "no such device"),
            ("absent", "it is busy"),
            ("hearing", "16000 Hz"),
        ]
        assert scene.states[1]["since"] == scene.states[2]["since"]
        assert scene.changes == 4
        assert scene.moved.count("yard") >= 5  # each attempt is progress, whether or not there is news
        assert tape.closed

    run(scenario)


def loud(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "edged.station"]


def test_a_source_that_flaps_is_published_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(scene: Scene) -> None:
        flaps = [Condition("clipped", "too loud"), Condition("hearing", "well")] * 10
        task = asyncio.create_task(scene.station(Tape(Condition("hearing", "at first"), *flaps)).run())
        await until(lambda: len(scene.states) == 21)
        await end(task)

    caplog.set_level("INFO")
    run(scenario)
    assert loud(caplog) == [("INFO", "yard: at first"), ("WARNING", "yard: too loud"), ("INFO", "yard: well")]


def test_a_model_that_dies_at_each_window_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Mortal(Ear):
        def hear(self, _chunk: Chunk) -> list[Event]:
            raise WorkerLost("it died")

    async def scenario(scene: Scene) -> None:
        station = scene.station(Tape(Condition("hearing", ""), *map(chunk, range(3))), dog=Mortal)
        task = asyncio.create_task(station.run())
        await until(lambda: scene.changes >= 7)  # the source, then running and failed for each chunk
        await end(task)

    caplog.set_level("INFO")
    run(scenario)
    assert loud(caplog)[1:] == [
        ("INFO", "dog: running on yard"),
        ("WARNING", "dog: failed on yard: it died"),
        ("INFO", "dog: running on yard"),
    ]


def test_nothing_is_known_while_a_source_starts() -> None:
    async def scenario(scene: Scene) -> None:
        station = scene.station(Tape(Condition("starting", "opening")))
        task = asyncio.create_task(station.run())
        await until(lambda: scene.states)
        assert not station.spoken.is_set()
        await end(task)

    run(scenario)


def test_every_model_hears_every_chunk_and_so_does_a_tap() -> None:
    async def scenario(scene: Scene) -> None:
        ears = {"dog": Ear(), "cat": Ear()}
        station = scene.station(
            Tape(Condition("hearing", ""), *map(chunk, range(5))), dog=lambda: ears["dog"], cat=lambda: ears["cat"]
        )
        tapped: list[Chunk] = []
        station.taps.add(tapped.append)
        station.open()
        task = asyncio.create_task(station.run())
        await until(lambda: [ear.heard for ear in ears.values()] == [5, 5])
        await end(task)
        assert [each.first for each in tapped] == [1600 * number for number in range(5)]
        assert [ear.closed for ear in ears.values()] == [1, 1]
        assert {"yard", "yard/dog", "yard/cat"} == set(scene.moved) == set(scene.left)

    run(scenario)


def test_what_was_heard_before_the_end_is_classified_and_committed() -> None:
    async def scenario(scene: Scene) -> None:
        go = threading.Event()
        ear = Ear(go=go)
        tape = Tape(Condition("hearing", ""), *map(chunk, range(5)))
        station = scene.station(tape, dog=lambda: ear)
        tapped: list[Chunk] = []
        station.taps.add(tapped.append)
        task = asyncio.create_task(station.run())
        await until(lambda: len(tapped) == 5)
        task.cancel()
        await until(lambda: tape.closed)
        go.set()
        await asyncio.gather(task, return_exceptions=True)
        assert (ear.heard, ear.finished, ear.closed) == (5, 1, 1)
        assert [draft.stream for draft in scene.drafts] == ["yard/dog"]

    run(scenario)


@pytest.mark.parametrize("state", ["absent", "busy", "wrong-rate"])
def test_an_outage_breaks_the_stream(state: Any) -> None:
    async def scenario(scene: Scene) -> None:
        ear = Ear()
        station = scene.station(Tape(Condition("hearing", ""), chunk(0), Condition(state, "gone")), dog=lambda: ear)
        task = asyncio.create_task(station.run())
        await until(lambda: ear.finished == 1)
        await end(task)
        assert scene.states[-1]["state"] == state

    run(scenario)


def test_a_recording_has_ended_when_all_of_it_is_classified_and_is_off_the_road_then() -> None:
    async def scenario(scene: Scene) -> None:
        ear = Ear()
        tape = Tape(Condition("hearing", ""), *map(chunk, range(50)), Condition("ended", "played"), waits=True)
        station = scene.station(tape, dog=lambda: ear)
        task = asyncio.create_task(station.run())
        await until(lambda: scene.states and scene.states[-1]["state"] == "ended")
        assert (ear.heard, ear.finished) == (50, 1)
        assert {"yard", "yard/dog"} == set(scene.left)
        assert not task.done()
        await end(task)

    run(scenario)


def test_a_source_that_breaks_for_good_ends_the_station() -> None:
    """Only what nobody foresaw does: a recording that has become unreadable."""

    async def scenario(scene: Scene) -> None:
        ear = Ear()
        station = scene.station(Tape(Condition("hearing", ""), AudioFileError("gone")), dog=lambda: ear)
        with pytest.raises(AudioFileError):
            await station.run()
        assert ear.closed == 1

    run(scenario)


def test_a_model_that_fails_is_said_to_and_its_labels_are_off_once_it_runs() -> None:
    async def scenario(scene: Scene) -> None:
        ear, attempts = Ear(), iter([WorkerLost("it died"), None])

        def opening() -> Ear:
            if (error := next(attempts, None)) is not None:
                raise error
            return ear

        station = scene.station(Tape(Condition("hearing", "")), dog=opening, cat=Ear)
        station.open(later={"dog"})
        assert station.listeners["dog"].lane is None
        task = asyncio.create_task(station.run())
        await until(lambda: station.models["dog"].state == "failed")
        assert station.models["dog"].why == "it died"
        assert ("dog", "OFF") not in scene.labels
        await until(lambda: station.models["dog"].state == "running")
        assert scene.labels == [("cat", "OFF"), ("dog", "OFF")]
        await end(task)

    run(scenario)


def test_a_bad_model_is_told_before_anything_runs() -> None:
    async def scenario(scene: Scene) -> None:
        good = Ear()

        def bad() -> Ear:
            raise ModelError("bad")

        station = scene.station(Tape(), dog=lambda: good, cat=bad)
        with pytest.raises(ModelError):
            station.open()
        station.close()
        assert good.closed == 1
        assert scene.retained == []

    run(scenario)
