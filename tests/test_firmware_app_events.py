"""The host board keeps its events until they are acknowledged, whatever happens meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from boards import HostBoard, Link

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
NABU = "okay_nabu"
SPEED = 8
FAST = ("--speed", str(SPEED), "--watchdog-ms", "0")
"""For what waits: a lease, a second sending. A busy machine must not be a board that hangs."""


def test_an_event_is_sent_until_it_is_acknowledged(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    with HostBoard(tmp_path, FAST) as board, board.open() as link:
        link.install(plan)
        answers = iter([None, 1, 0])  # nothing, an error, and only then yes
        link.acknowledge = lambda _: next(answers)
        link.inject(sound.tobytes())
        link.subscribe()
        link.wait(lambda: len(link.events) == 3)
        link.listen(3 / SPEED)
        heartbeat = link.heartbeat()
    assert [event.number for event in link.events] == [1, 1, 1]
    assert len(set(link.events)) == 1
    assert (heartbeat.first, heartbeat.next) == (2, 2)


def test_events_wait_for_a_subscriber(link: Link, sound: Pcm) -> None:
    link.inject(sound.tobytes())
    link.inject(sound.tobytes())
    assert (link.hello().first, link.hello().next) == (1, 3)
    assert link.events == []
    link.subscribe()
    link.wait(lambda: link.heartbeat().first == 3)
    assert [event.number for event in link.events] == [1, 2]


def test_no_event_is_lost_when_a_lease_ends(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    with HostBoard(tmp_path, FAST) as board, board.open() as link:
        link.install(plan)
        link.acknowledge = lambda _: None
        link.inject(sound.tobytes())
        link.subscribe(12_000)
        link.wait(lambda: len(link.events) > 1)
        link.listen(13 / SPEED)
        sent = len(link.events)
        link.listen(5 / SPEED)
        assert len(link.events) == sent
        link.acknowledge = lambda _: 0
        link.subscribe()
        link.wait(lambda: link.heartbeat().first == 2)
    assert {event.number for event in link.events} == {1}


def test_a_subscriber_says_where_it_was(link: Link, sound: Pcm) -> None:
    for _ in range(3):
        link.inject(sound.tobytes())
    link.subscribe(first=3)
    link.wait(lambda: link.heartbeat().first == 4)
    assert [event.number for event in link.events] == [3]
    link.subscribe(first=1000)  # of another life of this board
    link.inject(sound.tobytes())
    link.wait(lambda: link.heartbeat().first == 5)
    assert [event.number for event in link.events] == [3, 4]


def test_events_outlast_a_reset_and_sigkill(board: HostBoard, link: Link, sound: Pcm) -> None:
    link.inject(sound.tobytes())
    link.reset()
    link.wait_for_boot(2)
    link.inject(sound.tobytes())
    board.kill()
    board.start()
    with board.open() as again:
        assert again.hello().reset == "pin"
        again.inject(sound.tobytes())
        again.subscribe()
        again.wait(lambda: again.heartbeat().first == 4)
    assert [(event.number, event.boot) for event in again.events] == [(1, 1), (2, 2), (3, 3)]
    assert {event.label for event in again.events} == {NABU}


def test_after_a_power_cut_numbers_begin_anew(board: HostBoard, link: Link, sound: Pcm) -> None:
    link.inject(sound.tobytes())
    board.kill()
    board.noinit.write_bytes(np.random.default_rng(1).bytes(board.noinit.stat().st_size))
    board.start()
    with board.open() as again:
        assert (again.hello().first, again.hello().next) == (1, 1)
        again.inject(sound.tobytes())
        again.subscribe()
        again.wait(lambda: bool(again.events))
    assert (again.events[0].number, again.events[0].boot) == (1, 2)


def test_a_full_ring_drops_the_oldest_and_counts(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    with HostBoard(tmp_path, ("--noinit-bytes", "512")) as board, board.open() as link:  # four events
        link.install(plan)
        for _ in range(7):
            link.inject(sound.tobytes())
        assert link.heartbeat().dropped == 3
        link.subscribe()
        link.wait(lambda: link.heartbeat().first == 8)
    assert [event.number for event in link.events] == [4, 5, 6, 7]


def test_a_flood_costs_no_event(link: Link, sound: Pcm) -> None:
    noise = np.random.default_rng(2)
    link.subscribe()
    for _ in range(5):
        link.write(noise.bytes(20_000) + b"\n\x06\x09AAAA\n\x04\x14" + noise.bytes(90) + b"\n")
        link.inject(sound.tobytes())
    link.wait(lambda: link.heartbeat().first == 6)
    assert sorted({event.number for event in link.events}) == [1, 2, 3, 4, 5]
    assert link.bad == 0
