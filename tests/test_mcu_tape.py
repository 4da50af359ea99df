"""A board's microphone is recorded: every sample under its number, and every gap in the numbers."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from board_client import client_of
from boards import HostBoard
from gateway import RATE_HZ
from speech import write_wav

from edged.errors import BoardAway, BoardRefused
from edged.mcu import group
from edged.mcu.smp import Message, Op
from edged.mcu.tape import Stretch, play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from edged.mcu.client import SmpClient

pytest_plugins = ("board_fixtures",)
NOISE = np.random.default_rng(60).integers(-30000, 30000, 60 * RATE_HZ).astype(np.int16)


def noisy(folder: Path, *options: str) -> HostBoard:
    (folder / "board").mkdir()
    wav = write_wav(folder / "noise.wav", NOISE, rate_hz=RATE_HZ)
    return HostBoard(folder / "board", ("--wav", str(wav), *options))


async def played(
    board: HostBoard, seconds: float, *, at: Callable[[SmpClient, int], Awaitable[None]] | None = None
) -> list[Stretch]:
    found = []
    async with client_of(board.device) as client:
        async for stretch in play(client, seconds=seconds):
            found.append(stretch)
            if at is not None:
                await at(client, len(found))
    return found


def on_end(found: list[Stretch]) -> list[tuple[int, bytes]]:
    """The stretches, those put together that follow on each other."""
    joined: list[tuple[int, bytes]] = []
    for each in found:
        if joined and joined[-1][0] + len(joined[-1][1]) // 2 == each.first:
            joined[-1] = (joined[-1][0], joined[-1][1] + each.samples)
        elif each.samples:
            joined.append((each.first, each.samples))
    return joined


def place(samples: bytes) -> int:
    """Where these were played."""
    begin = NOISE.tobytes().find(samples[:400])
    assert begin >= 0
    assert NOISE.tobytes()[begin : begin + len(samples)] == samples
    return begin // 2


def test_what_is_heard_is_recorded_to_the_sample(tmp_path: Path) -> None:
    with noisy(tmp_path) as board:
        found = asyncio.run(played(board, 1.5))
    assert found[0].samples == b""
    assert found[-1].end == found[0].first + 1.5 * RATE_HZ
    whole = on_end(found)
    assert len({place(samples) - first for first, samples in whole}) == 1
    assert all(after.first >= before.end for before, after in pairwise(found))


def test_a_slow_link_loses_and_says_where(tmp_path: Path) -> None:
    """57,600 baud carry an eighth of it; the board's second of tape runs over."""
    with noisy(tmp_path, "--baud", "57600") as board:
        found = asyncio.run(played(board, 4))
    stretches = on_end(found)
    got = sum(len(samples) // 2 for _, samples in stretches)
    lost = found[-1].end - found[0].first - got
    assert lost > RATE_HZ // 2
    assert got > RATE_HZ // 4
    assert len(stretches) > 1
    assert len({place(samples) - first for first, samples in stretches}) == 1


def test_a_board_that_begins_anew_ends_the_recording(tmp_path: Path) -> None:
    async def reset(client: SmpClient, number: int) -> None:
        if number == 20:
            await client.ask(Message(Op.WRITE, 0, 5))
            await asyncio.sleep(0.3)

    with noisy(tmp_path) as board, pytest.raises(BoardRefused, match="began anew in the middle of the recording"):
        asyncio.run(played(board, 30, at=reset))


def test_without_a_microphone_there_is_nothing_to_record(board: HostBoard) -> None:
    with pytest.raises(BoardRefused, match="there is no microphone"):
        asyncio.run(played(board, 1))


class Tape:
    """What a board keeps, and how it answers, in step with the page."""

    def __init__(self, *, kept: int, missing: range) -> None:
        self.kept, self.missing, self.now = kept, missing, 5000

    async def ask(self, request: Message, *, timeout_s: float = 2.0, tries: int = 1) -> Message:
        del timeout_s, tries
        self.now += 700
        at = max(request.body.get("from", self.now), self.now - self.kept)
        at = self.missing.stop if at in self.missing else at
        end = min(self.now, at + 620, self.missing.start if at < self.missing.start else self.now)
        samples = np.arange(at, max(at, end)).astype("<i2").tobytes()
        return request.response({"from": at, "data": samples})


async def all_of(client: Tape, seconds: float) -> list[Stretch]:
    return [stretch async for stretch in play(client, seconds=seconds)]


def test_nothing_is_lost_on_the_way_and_what_is_missing_shows() -> None:
    found = asyncio.run(all_of(Tape(kept=10**9, missing=range(9000, 9500)), 1.0))
    begin = found[0].end
    expected = [number for number in range(begin, begin + RATE_HZ) if number not in range(9000, 9500)]
    got = np.concatenate([np.frombuffer(each.samples, "<i2") for each in found])
    assert np.array_equal(got, np.array(expected).astype("<i2"))
    assert [first for first, _ in on_end(found)] == [begin, 9500]


def test_who_is_too_slow_gets_what_is_kept() -> None:
    found = asyncio.run(all_of(Tape(kept=1000, missing=range(0)), 1.0))
    assert found[-1].end == found[0].end + RATE_HZ
    assert all(after.first - before.end in (0, 80) for before, after in pairwise(found[8:-1]))


class Old:
    """A board whose firmware knows no recording."""

    async def ask(self, request: Message, *, timeout_s: float = 2.0, tries: int = 1) -> Message:
        del request, timeout_s, tries
        raise BoardRefused("not supported", rc=8)


class Deaf:
    """A board whose microphone brings nothing."""

    async def ask(self, request: Message, *, timeout_s: float = 2.0, tries: int = 1) -> Message:
        del timeout_s, tries
        return request.response({"from": 100, "data": b""})


@pytest.mark.parametrize(
    ("client", "error", "words"),
    [
        (Old(), BoardRefused, "the board's firmware cannot record; update it"),
        (Deaf(), BoardAway, "has brought nothing for 0.2 s"),
    ],
)
def test_boards_that_cannot(
    client: Old | Deaf, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_of_it() -> None:
        async for _ in play(client, seconds=1):
            pass

    monkeypatch.setattr("edged.mcu.tape.DEAF_S", 0.2)
    with pytest.raises(error, match=words):
        asyncio.run(all_of_it())


def test_the_request_is_the_pages() -> None:
    assert group.record(first=7).body == {"from": 7}
    assert group.record().op == Op.READ
