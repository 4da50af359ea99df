"""The SMP driver in a conversation with our firmware on the host, and with Zephyr's servers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from driver_talk import run, talking, zephyr_says
from pty_peer import Speaker, until
from zephyr_board import ZephyrBoard, made_image

from edged.errors import BoardAway
from edged.mcu import group

if TYPE_CHECKING:
    from pathlib import Path

    from boards import HostBoard

    from edged.mcu.drivers.smp import SmpDriver
    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)


# Our firmware.


@pytest.fixture
def hearing(board: HostBoard, plan: bytes) -> HostBoard:
    """A board that knows a word."""
    with board.open() as opened:
        opened.install(plan)
    return board


async def say(driver: SmpDriver, sound: Pcm) -> None:
    """Let the board hear the word, over the very link on which it tells of it."""
    await driver.client.ask(group.injection(on=True))
    data = sound.tobytes()
    for at in range(0, len(data), 1024):
        await driver.client.ask(group.inject(data[at : at + 1024], offset=at // 2))
    await driver.client.ask(group.injection(on=False))


def test_it_tells_who_it_is_and_how(board: HostBoard) -> None:
    async def scenario() -> None:
        async with talking(board.device) as talk:
            identity = await talk.driver.identify()
            assert (identity.speaks, identity.board, identity.uid) == ("edged", "host", "00" * 12)
            assert (identity.boot, identity.reset, identity.next, identity.microphone) == (1, "power", 1, False)
            assert identity == talk.driver.identity
            await talk.driver.listen()
            pulse = await talk.driver.pulse()
            assert (pulse.boot, pulse.backlog, pulse.next, pulse.state) == (1, 0, 1, "empty")
            assert pulse.round_trip_ms is not None
            assert pulse.round_trip_ms > 0
            assert talk.wrong == []

    run(scenario())


def test_events_come_while_we_ask_and_are_acknowledged(hearing: HostBoard, sound: Pcm) -> None:
    async def scenario() -> None:
        async with talking(hearing.device) as talk:
            await talk.driver.identify()
            await talk.driver.listen()
            for number in range(1, 4):
                await say(talk.driver, sound)
                await until(lambda: len(talk.events) == number, what="the event")  # noqa: B023 - waited for at once
            pulse = await talk.driver.pulse()
            assert (pulse.backlog, pulse.next) == (0, 4)
            assert [event.number for event in talk.events] == [1, 2, 3]
            event = talk.events[0]
            assert (event.kind, event.label, event.boot) == ("detection", "okay_nabu", 1)
            assert 0 < event.mean <= event.score <= event.peak <= 1
            assert event.at_ms is not None
            assert pulse.up_ms is not None
            assert 0 < event.at_ms <= pulse.up_ms
            assert len(event.model) == 16
            assert talk.wrong == []
            assert talk.foreign == {}

    run(scenario())


def test_an_event_that_was_not_stored_comes_again(hearing: HostBoard, sound: Pcm) -> None:
    async def scenario() -> None:
        async with talking(hearing.device, refuse=True) as talk:
            await talk.driver.identify()
            await talk.driver.listen()
            await say(talk.driver, sound)
            assert (await talk.driver.pulse()).backlog == 1
            talk.refuse = False
            await until(lambda: len(talk.events) == 1, what="the event")
            assert (await talk.driver.pulse()).backlog == 0

    run(scenario())


def test_a_board_of_the_lease_before_is_not_acknowledged_until_we_listen(hearing: HostBoard, sound: Pcm) -> None:
    with hearing.open() as before:
        before.inject(sound.tobytes())
        before.acknowledge = lambda _: None
        before.subscribe(60_000)
        before.wait(lambda: bool(before.events))

    async def scenario() -> None:
        async with talking(hearing.device) as talk:
            assert (await talk.driver.identify()).next == 2
            await until(lambda: talk.understood >= 3, what="the event, again and again")
            assert talk.events == []
            await talk.driver.listen()
            await until(lambda: len(talk.events) == 1, what="the event")

    run(scenario())


def test_hushed_or_left_alone_for_a_lease_it_is_silent(hearing: HostBoard, sound: Pcm) -> None:
    async def scenario() -> None:
        async with talking(hearing.device, lease_s=0.5) as talk:
            await talk.driver.identify()
            await talk.driver.listen()
            await asyncio.sleep(0.7)  # for the board's clock
            await say(talk.driver, sound)
            assert talk.events == []
            await talk.driver.pulse()  # which renews
            await until(lambda: len(talk.events) == 1, what="the event")
            await talk.driver.hush()
            await say(talk.driver, sound)
            await asyncio.sleep(0.2)
            assert (await talk.driver.pulse()).backlog == 1  # which does not
            assert len(talk.events) == 1

    run(scenario())


def test_a_reset_is_asked_for_and_found(board: HostBoard) -> None:
    async def scenario() -> None:
        async with talking(board.device) as talk:
            await talk.driver.identify()
            await talk.driver.reset()

            boot: int | None = None
            while boot != 2:
                with contextlib.suppress(BoardAway):
                    boot = (await talk.driver.pulse()).boot
            identity = await talk.driver.identify()
            assert (identity.boot, identity.reset) == (2, "software")

    run(scenario())


def test_a_board_that_dies_is_away(board: HostBoard) -> None:
    async def scenario() -> None:
        async with talking(board.device) as talk:
            await talk.driver.identify()
            board.kill()
            with pytest.raises(BoardAway, match="the port is lost"):
                await talk.running
            with pytest.raises(BoardAway):
                await talk.driver.pulse()
            await talk.driver.hush()

    run(scenario())


# A plain SMP server.


def test_a_zephyr_board_is_known_and_seen_to_live(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with talking(zephyr.device) as talk:
            identity = await talk.driver.identify()
            assert (identity.speaks, identity.firmware) == ("mcumgr", "1.2.3")
            await talk.driver.listen()
            for _ in range(2):
                pulse = await talk.driver.pulse()
                assert pulse.round_trip_ms is not None
            assert any("asked" in line for line in talk.text)
            await talk.driver.hush()

    with ZephyrBoard(tmp_path, running=made_image(b"body", version=(1, 2, 3))) as zephyr:
        run(scenario())


def task(runtime: int, *, used: int = 10) -> dict[str, int]:
    return {"prio": 1, "tid": 1, "state": 1, "stkuse": used, "stksiz": 100, "cswcnt": 1, "runtime": runtime}


def test_tasks_tell_the_share_of_idleness_and_the_least_of_stacks() -> None:
    tasks: list[dict[str, Any]] = [
        {"tasks": {"main": task(100), "idle 00": task(900), "shell_uart": task(0, used=75)}},
        {"tasks": {"main": task(200), "idle 00": task(1200), "shell_uart": task(0, used=75)}},
        {"tasks": {"main": task(1), "idle 00": task(2)}},  # after a reset
        {"tasks": {"main": task(5), "idle 00": task(1)}},  # likewise, and longer
        {"tasks": 5},
    ]

    async def scenario() -> None:
        answers: dict[tuple[int, int], list[dict[str, Any]]] = {
            (0, 0): [{"r": "edged"}],
            (0, 2): tasks,
            (0, 7): [{"output": "nice_nano"}],
        }
        async with Speaker(zephyr_says(answers)) as peer, talking(peer.device) as talk:
            identity = await talk.driver.identify()
            assert (identity.speaks, identity.board, identity.firmware) == ("mcumgr", "nice_nano", "")
            pulses = [await talk.driver.pulse() for _ in range(6)]
            assert [pulse.idle for pulse in pulses] == [None, 0.75, None, None, None, None]
            assert [pulse.stack_free_bytes for pulse in pulses] == [100, 100, 360, 360, None, None]
            assert sum(message.command == 2 for message in peer.requests) == 5  # not again after nonsense

    run(scenario())


def test_a_server_that_refuses_everything_lives() -> None:
    async def scenario() -> None:
        async with Speaker(zephyr_says({})) as peer, talking(peer.device) as talk:
            identity = await talk.driver.identify()
            assert (identity.speaks, identity.board, identity.firmware) == ("mcumgr", "", "")
            assert (await talk.driver.pulse()).idle is None
            with pytest.raises(BoardAway, match="cannot be reset by its protocol"):
                await talk.driver.reset()

    run(scenario())
