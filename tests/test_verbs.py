"""What the control socket can be asked, where no whole daemon is needed to tell."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edged.control.protocol import Request, pcm_of
from edged.control.server import Peer
from edged.errors import UserError
from edged.records import Chunk
from edged.verbs import TAP_CHUNKS, verbs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from edged.daemon import Daemon

PEER = Peer(pid=1, uid=0, gid=0)


def chunk(number: int) -> Chunk:
    samples = np.full((4, 2), number, np.int16)
    return Chunk(samples, rate_hz=16000, first=4 * number, ended_ns=1000 + number, fresh=number == 0)


def tapped(station: SimpleNamespace, source: str) -> AsyncGenerator[dict[str, Any], None]:
    daemon = cast("Daemon", SimpleNamespace(stations=[station]))
    handled = verbs(daemon)["tap"].handler(Request(1, "tap", {"source": source}), PEER)
    return cast("AsyncGenerator[dict[str, Any], None]", handled)


def test_what_may_change_or_listen_in_is_for_the_owner() -> None:
    table = verbs(cast("Daemon", None))
    assert {name: verb.privilege for name, verb in table.items()} == {
        "status": "read",
        "reload": "write",
        "tap": "write",
        "models": "read",
        "install": "write",
        "boards": "read",
        "board_log": "read",
        "board_reset": "write",
        **dict.fromkeys(("feed", "deploy", "board_slots", "board_test", "board_record"), "write"),
    }


def test_a_tap_hears_chunks_as_they_are() -> None:
    async def scenario() -> None:
        station = SimpleNamespace(name="mic", taps=set())
        async with aclosing(tapped(station, "mic")) as items:
            first = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            (take,) = station.taps
            take(chunk(0))
            item = await first
            assert pcm_of(item) == np.zeros(8, "<i2").tobytes()
            assert (item["rate_hz"], item["channels"], item["ended_ns"], item["fresh"]) == (16000, 2, 1000, True)
        assert station.taps == set()

    asyncio.run(scenario())


def test_a_slow_tap_loses_the_oldest_and_is_told_that_the_stream_broke() -> None:
    async def scenario() -> None:
        station = SimpleNamespace(name="mic", taps=set())
        async with aclosing(tapped(station, "mic")) as items:
            first = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            (take,) = station.taps
            for number in range(TAP_CHUNKS + 6):
                take(chunk(number))
            got = [await first] + [await anext(items) for _ in range(TAP_CHUNKS - 1)]
        assert [item["ended_ns"] - 1000 for item in got] == list(range(6, TAP_CHUNKS + 6))
        assert [item["fresh"] for item in got] == [True] + [False] * (TAP_CHUNKS - 1)

    asyncio.run(scenario())


def test_a_tap_on_nothing_names_what_there_is() -> None:
    async def scenario() -> None:
        items = tapped(SimpleNamespace(name="mic", taps=set()), "mike")
        with pytest.raises(UserError, match="Name any of mic"):
            await anext(items)

    asyncio.run(scenario())
