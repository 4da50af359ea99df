"""The queue between the event loop's callbacks and one task."""

from __future__ import annotations

import asyncio
import time

import pytest

from edged.audio.waiting import Waiting


def test_the_oldest_goes_and_is_handed_back() -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        assert [waiting.put(n) for n in range(4)] == [None, None, 0, 1]
        assert [await waiting.get(timeout_s=1) for _ in range(2)] == [2, 3]

    asyncio.run(scene())


def test_the_end_comes_after_what_was_there() -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        waiting.put(1)
        waiting.end()
        assert await waiting.get(timeout_s=1) == 1
        for _ in range(2):
            with pytest.raises(EOFError):
                await waiting.get(timeout_s=1)

    asyncio.run(scene())


def test_the_end_wakes_the_waiter() -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        asyncio.get_running_loop().call_later(0.05, waiting.end)
        with pytest.raises(EOFError):
            await waiting.get(timeout_s=5)

    asyncio.run(scene())


@pytest.mark.parametrize("waits_s", [[0.1, 0.1], [0.3, 0.05], [0.05, 0.3]])
def test_each_wait_has_its_own_deadline(waits_s: list[float]) -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        for wait_s in waits_s:
            asyncio.get_running_loop().call_later(wait_s / 2, waiting.put, 7)
            assert await waiting.get(timeout_s=wait_s) == 7
            began_s = time.monotonic()
            with pytest.raises(TimeoutError):
                await waiting.get(timeout_s=wait_s)
            assert wait_s - 0.01 <= time.monotonic() - began_s < wait_s + 0.2

    asyncio.run(scene())


def test_what_came_while_the_loop_was_busy_is_no_timeout() -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        loop = asyncio.get_running_loop()
        troubles: list[object] = []
        loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
        # Both are due in the same turn of the loop: what came counts.
        loop.call_later(0.02, waiting.put, 7)
        loop.call_later(0.01, time.sleep, 0.1)
        assert await waiting.get(timeout_s=0.05) == 7
        assert not troubles

    asyncio.run(scene())


def test_a_cancelled_wait_leaves_it_usable() -> None:
    async def scene() -> None:
        waiting: Waiting[int] = Waiting(most=2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting.get(timeout_s=5), 0.05)
        waiting.put(3)
        assert await waiting.get(timeout_s=1) == 3

    asyncio.run(scene())
