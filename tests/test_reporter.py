"""The reporter: nobody sees anything of an event before it is committed, and no label is left ON."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from edged.errors import StorageFull
from edged.messages import Messages
from edged.records import Decision, Event, Policy
from edged.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from edged.lane import Lane
    from edged.outbox import Outbox
    from edged.records import Draft, EventKind, Publication


class Disk:
    """An outbox whose commits wait until they are allowed, or refused."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.commits: list[asyncio.Future[None]] = []

    async def put(self, drafts: Sequence[Draft]) -> None:
        self.drafts += drafts
        self.commits.append(asyncio.get_running_loop().create_future())
        await self.commits[-1]


class Scene:
    """A reporter, and all that it has shown: (label, state)."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.shown: list[tuple[str, str]] = []
        messages = Messages(gateway="test", boot_id="b" * 36, version="1")
        self.reporter = Reporter(
            "kitchen", "dog", messages=messages, outbox=cast("Outbox", self.disk), retain=self.retain
        )

    def retain(self, publication: Publication) -> None:
        assert publication.retain
        self.shown.append((publication.topic.rpartition("/")[2], publication.payload.decode()))

    async def settle(self) -> None:
        """Let everything run that can."""
        for _ in range(5):
            await asyncio.sleep(0)


def lane(*active: str, labels: Sequence[str] = ("bark", "howl")) -> Lane:
    bundle = SimpleNamespace(policies=dict.fromkeys(labels, Policy(kind="sound")), version="1", sha256="0" * 64)
    return cast("Lane", SimpleNamespace(active=frozenset(active), bundle=bundle, rate_hz=16000))


def event(label: str, kind: EventKind = "start") -> Event:
    decision = Decision(kind=kind, label=label, score=0.9, peak=0.9, mean=0.9, began=0, at=1600)
    return Event(decision, at_s=0.1, at_ns=1, stream_ns=0, level_dbfs=-20.0)


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(5):
            await scenario(Scene())

    asyncio.run(within())


def test_at_the_start_all_are_off() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reporter.all_off(lane())
        assert sorted(scene.shown) == [("bark", "OFF"), ("howl", "OFF")]

    run(scenario)


def test_a_label_is_on_once_its_start_is_committed() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reporter.report(lane("bark"), [event("bark")])
        await scene.settle()
        assert len(scene.disk.drafts) == 1
        assert scene.shown == []
        scene.disk.commits[0].set_result(None)
        await scene.settle()
        assert scene.shown == [("bark", "ON")]
        scene.reporter.report(lane(), [event("bark", "end")])
        await scene.settle()
        assert scene.shown == [("bark", "ON")]
        scene.disk.commits[1].set_result(None)
        await scene.reporter.settled()
        assert scene.shown == [("bark", "ON"), ("bark", "OFF")]

    run(scenario)


def test_what_the_lane_has_heard_meanwhile_is_not_shown() -> None:
    """While a commit ends the lane is in its thread, and may be ahead of what was reported."""

    async def scenario(scene: Scene) -> None:
        hearing = lane("bark")
        scene.reporter.report(hearing, [event("bark")])
        await scene.settle()
        cast("SimpleNamespace", hearing).active = frozenset({"bark", "howl"})
        scene.disk.commits[0].set_result(None)
        await scene.settle()
        assert scene.shown == [("bark", "ON")]

    run(scenario)


def test_quiet_chunks_behind_an_event_wait_for_its_commit() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reporter.report(lane("bark"), [event("bark")])
        scene.reporter.report(lane("bark"), [])
        await scene.settle()
        assert scene.shown == []
        scene.disk.commits[0].set_result(None)
        await scene.settle()
        assert scene.shown == [("bark", "ON")]

    run(scenario)


def test_a_detection_that_is_over_goes_off_without_an_event() -> None:
    """A wake word has no end to be reported: its label goes OFF with the chunk that releases it."""

    async def scenario(scene: Scene) -> None:
        scene.reporter.report(lane("bark"), [event("bark", "detection")])
        await scene.settle()
        scene.disk.commits[0].set_result(None)
        await scene.settle()
        scene.reporter.report(lane("bark"), [])
        scene.reporter.report(lane(), [])
        scene.reporter.report(lane(), [])
        assert scene.shown == [("bark", "ON"), ("bark", "OFF")]

    run(scenario)


def test_events_are_committed_in_the_order_of_reports() -> None:
    async def scenario(scene: Scene) -> None:
        for label in ("bark", "howl", "bark", "howl"):
            scene.reporter.report(lane(), [event(label)])
        await scene.settle()
        labels = [draft.body.split(b'"label":"')[1].split(b'"')[0] for draft in scene.disk.drafts]
        assert labels == [b"bark", b"howl", b"bark", b"howl"]
        assert {draft.stream for draft in scene.disk.drafts} == {"kitchen/dog"}

    run(scenario)


def test_an_event_dropped_for_want_of_room_keeps_nobody_waiting() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reporter.report(lane("bark"), [event("bark")])
        await scene.settle()
        scene.disk.commits[0].set_exception(StorageFull("dropped"))
        await scene.reporter.settled()
        assert scene.shown == [("bark", "ON")]

    run(scenario)


def test_a_successor_clears_what_its_forerunner_left_on() -> None:
    """Another model takes over while a bark is on: bark goes OFF once its end is committed."""

    async def scenario(scene: Scene) -> None:
        scene.reporter.report(lane("bark"), [event("bark")])
        await scene.settle()
        scene.disk.commits[0].set_result(None)
        await scene.settle()
        scene.reporter.report(lane(), [event("bark", "end")])
        scene.reporter.all_off(lane(labels=["meow"]))
        await scene.settle()
        assert scene.shown == [("bark", "ON")]
        scene.disk.commits[1].set_result(None)
        await scene.settle()
        assert sorted(scene.shown[1:]) == [("bark", "OFF"), ("meow", "OFF")]

    run(scenario)
