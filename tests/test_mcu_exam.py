"""On-device testing: what the board says to a recording, and whose its events are."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from board_client import client_of
from boards import HostBoard
from gateway import PAUSE, RATE_HZ, heard
from nabu import nabu
from speech import write_wav

from edged.errors import BoardRefused, ModelError, Unavailable
from edged.mcu import group
from edged.mcu.board import BoardEvent
from edged.mcu.exam import Answered, Claim, Sitting, check, sit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from edged.mcu.client import SmpClient
    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)


class Room:
    """Who stands where the daemon does: events of tests are put aside, others published."""

    def __init__(self) -> None:
        self.claim = Claim(boot=1)
        self.published: list[BoardEvent] = []

    def hear(self, event: BoardEvent) -> None:
        if not self.claim(event):
            self.published.append(event)


async def pieces(samples: Pcm, *, size: int = 7001) -> AsyncIterator[bytes]:
    for at in range(0, len(samples), size):
        yield samples[at : at + size].tobytes()


async def sat(client: SmpClient, samples: Pcm, claim: Claim) -> tuple[bytes, int, Sitting]:
    outputs, runs = b"", 0
    async for item in sit(client, pieces(samples), claim):
        match item:
            case Answered():
                outputs += item.outputs
                runs += item.runs
            case Sitting():
                return outputs, runs, item
    raise AssertionError


def installed(board: HostBoard, plan: bytes) -> None:
    with board.open() as link:
        link.install(plan)


def test_answers_are_the_gateways_and_events_stay_in_the_test(board: HostBoard, plan: bytes, sound: Pcm) -> None:
    async def examined() -> None:
        room = Room()
        async with client_of(board.device, heard=room.hear) as client:
            await client.ask(group.subscribe(lease_ms=60_000))
            test = await check(client, hashlib.sha256(plan).digest())
            for _ in range(2):
                outputs, runs, sitting = await sat(client, sound, room.claim)
                expected = heard(nabu(), sound)
                assert outputs == b"".join(expected.outputs)
                assert runs == len(expected.outputs)
                assert sitting.samples == len(sound)
                assert [event.label for event in sitting.events] == [each.label for each in expected.decisions]
                assert sitting.lost == 0
        assert expected.decisions
        assert room.published == []
        assert test.differs is None
        assert test.window_us > 0

    installed(board, plan)
    asyncio.run(examined())


def test_what_waited_before_the_test_is_published(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    (tmp_path / "board").mkdir()
    wav = write_wav(tmp_path / "nabu.wav", np.concatenate([sound, np.tile(PAUSE, 200)]), rate_hz=RATE_HZ)
    options = ("--wav", str(wav), "--speed", "4", "--watchdog-ms", "0")
    with HostBoard(tmp_path / "board", options) as board:
        installed(board, plan)
        with board.open() as link:
            link.wait(lambda: link.hello().next > 1)
            waiting = link.hello().next

        async def examined() -> tuple[Room, Sitting]:
            room = Room()
            async with client_of(board.device, heard=room.hear) as client:
                await client.ask(group.subscribe(lease_ms=60_000))
                _, _, sitting = await sat(client, sound, room.claim)
            return room, sitting

        room, sitting = asyncio.run(examined())
    assert [event.number for event in room.published] == list(range(1, waiting))
    assert [event.number for event in sitting.events] == list(range(waiting, waiting + len(sitting.events)))
    assert sitting.events


def test_a_test_that_breaks_off_gives_the_microphone_back(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    async def broken_off(board: HostBoard) -> None:
        room = Room()

        async def cut_short() -> AsyncIterator[bytes]:
            async for piece in pieces(sound):
                yield piece
            raise ZeroDivisionError

        async with client_of(board.device, heard=room.hear) as client:
            with contextlib.suppress(ZeroDivisionError):
                async for _ in sit(client, cut_short(), room.claim):
                    pass
            assert group.read(group.Heartbeat, (await client.ask(group.heartbeat())).body).state == "listening"
            await client.ask(group.subscribe(lease_ms=60_000))
            for _ in range(100):
                if room.claim.taken:
                    break
                await asyncio.sleep(0.1)
        assert room.published == []
        assert room.claim.taken

    with HostBoard(tmp_path, ("--silence",)) as board:
        installed(board, plan)
        asyncio.run(broken_off(board))


async def asked(board: HostBoard, plan: bytes) -> None:
    async with client_of(board.device) as client:
        await check(client, hashlib.sha256(plan).digest())


def test_a_board_that_runs_another_model_is_not_examined(board: HostBoard, plan: bytes, other_plan: bytes) -> None:
    with pytest.raises(BoardRefused, match="the board runs no model"):
        asyncio.run(asked(board, plan))
    installed(board, other_plan)
    with pytest.raises(ModelError, match=r"is not what the board runs, which is wake-en \(plan [0-9a-f]{12}…\)"):
        asyncio.run(asked(board, plan))
    with board.open() as link:
        link.ask(group.try_model(link.upload(plan), trial_ms=50_000))
    with pytest.raises(BoardRefused, match="a model is on trial there"):
        asyncio.run(asked(board, plan))


# Whose an event is.


def event(number: int | None, boot: int = 3) -> Any:
    return BoardEvent("detection", "x", 1.0, 1.0, 1.0, boot=boot, number=number)


def test_a_claim_takes_what_is_the_tests() -> None:
    claim = Claim(boot=3)
    assert not claim(event(5))
    claim.begin(6)
    assert [claim(event(number)) for number in (5, 6, 7)] == [False, True, True]
    assert not claim(event(6, boot=4))
    assert not claim(event(None))
    claim.ending()
    assert not claim(event(5))
    with pytest.raises(Unavailable):
        claim(event(8))
    assert claim.end(9) == range(6, 9)
    assert [claim(event(number)) for number in (5, 8, 9)] == [False, True, False]
    claim.begin(12)
    claim.ending()
    claim.give_up()
    assert not claim(event(12))
    assert claim(event(8))
