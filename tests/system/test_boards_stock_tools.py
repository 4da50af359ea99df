"""Other people's tools on a board's port: before edged has it, while it has it, and after it was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from smp_clients import SECONDS, smpmgr, smpmgr_words

from edged.mcu.drivers.smp import LEASE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from boards import HostBoard, Link

    from edged.records import Pcm

pytestmark = pytest.mark.slow
pytest_plugins = ("board_fixtures",)

NOBODY = 65534
GATEWAY = """
import asyncio, sys
from pathlib import Path
from edged.errors import StorageFull
from edged.mcu.driver import Ears
from edged.mcu.drivers.smp import SmpDriver
from edged.mcu.link import opened

def ignore(_=""): pass

async def full(event):
    print("event", event.number, flush=True)
    raise StorageFull("no room, so it is sent again and again")

async def main():
    link = await opened(Path(sys.argv[1]), baud=1_000_000, dtr=None, rts=None)
    driver = SmpDriver(link, Ears(event=full, text=ignore, understood=ignore, wrong=ignore))
    running = asyncio.create_task(driver.run())
    await driver.identify()
    await driver.listen()
    while True:
        await driver.pulse()
        await asyncio.sleep(1)

asyncio.run(main())
"""


def works(board: HostBoard) -> None:
    assert "r='a word'" in smpmgr(board.device, "os", "echo", "a word")
    assert "version='0.1.0'" in smpmgr(board.device, "image", "state-read")


@pytest.fixture
def has_events(board: HostBoard, link: Link, sound: Pcm) -> HostBoard:
    """A board that has something to tell."""
    for _ in range(3):
        link.inject(sound.tobytes())
    assert link.hello().next == 4
    return board


@contextlib.contextmanager
def gateway(device: Path) -> Iterator[subprocess.Popen[str]]:
    """Somebody who has the port, and to whom the board speaks without end; it does not hear of an end."""
    with subprocess.Popen([sys.executable, "-c", GATEWAY, device], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "event 1\n"
            yield process
        finally:
            process.kill()


def test_a_stock_tool_works_before_and_once_the_lease_of_a_killed_gateway_has_ended(has_events: HostBoard) -> None:
    works(has_events)
    with gateway(has_events.device) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(LEASE_S)
        works(has_events)
    with has_events.open() as after:
        after.listen(1.5)  # an event would come again every second
        assert after.events == []
        assert after.hello().first == 1  # and none was lost
        after.subscribe()
        after.wait(lambda: after.heartbeat().first == 4)
        assert [event.number for event in after.events] == [1, 2, 3]


def test_a_stock_tool_is_kept_out_while_a_gateway_has_the_port(has_events: HostBoard) -> None:
    device = has_events.device.resolve()
    device.chmod(0o666)
    assert "r='a word'" in echo_as_a_user(device).stdout
    with gateway(device) as process:
        kept_out = echo_as_a_user(device)
        assert kept_out.returncode != 0
        assert "connection timeout" in kept_out.stdout  # it could not open the port, over and over
        assert process.poll() is None
        assert process.stdout is not None
        assert process.stdout.readline() == "event 1\n"  # it was not disturbed


def echo_as_a_user(device: Path) -> subprocess.CompletedProcess[str]:
    """Type `smpmgr os echo` as somebody who is not root, whom the kernel would let in anyway."""
    words = smpmgr_words(device, "os", "echo", "a word")
    user = NOBODY if os.geteuid() == 0 else None
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False, user=user)
