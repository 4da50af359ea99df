"""The process killed, the broker restarted: each event arrives, in order, and by its id once."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from broker import Broker
from links import EVENTS, eventually, first_arrivals, link_to, numbers, run, running

from edged.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLED = """
import asyncio, sys
from pathlib import Path
from links import deliver, drafts, ONLINE, WILL
from edged.mqtt import Link
from edged.outbox import Outbox
from edged.outbox import Outbox

async def live(path, port, first):
    outbox = Outbox.open(Path(path))
    link = Link(host="127.0.0.1", port=int(port), client_id="edged-k", outbox=outbox, deliver=deliver, will=WILL)
    running = asyncio.create_task(link.run())
    for number in range(int(first), 1_000_000, 5):
        await outbox.put(drafts(range(number, number + 5)))
        print(number + 5, flush=True)
        await asyncio.sleep(0.005)

asyncio.run(live(*sys.argv[1:]))
"""


def test_sigkill_and_restarts_of_the_broker_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"

    async def finish(keeper: Broker, outbox: Outbox) -> None:
        async with running(link_to(keeper, outbox)):
            await eventually(lambda: outbox.depth == 0)

    with Broker(tmp_path / "persistent", persistent=True) as keeper:
        keeper.subscriber(EVENTS, name="keeper").__exit__()  # from now on the broker keeps what comes for it
        written = 0
        for life in range(4):
            if life in (1, 3):
                keeper.stop()
            written = one_life(path, keeper.port, written, lines=40, half_way=keeper.start if life in (1, 3) else None)
        outbox = Outbox.open(path)
        assert outbox.lost == 0
        run(finish(keeper, outbox))
        outbox.close()
        with keeper.subscriber(EVENTS, name="keeper") as subscriber:
            subscriber.wait_for(lambda messages: written - 1 in numbers(messages))
            assert first_arrivals(subscriber.messages)[:written] == list(range(written))


def one_life(path: Path, port: int, first: int, *, lines: int, half_way: Callable[[], None] | None) -> int:
    """Have a process write and send, kill it, return how many events there are in the outbox's whole life."""
    command = [sys.executable, "-c", KILLED, str(path), str(port), str(first)]
    paths = os.pathsep.join(sys.path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}) as child:
        assert child.stdout is not None
        for line in range(lines):
            assert child.stdout.readline(), "the process died by itself"
            if line == lines // 2 and half_way is not None:
                half_way()
        child.kill()
    outbox = Outbox.open(path)
    try:
        assert outbox._file is not None
        return outbox._file.newest
    finally:
        outbox.close()
