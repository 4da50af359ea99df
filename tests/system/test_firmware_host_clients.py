"""Stock clients talk to the host board, also while it has events to tell: `smpmgr`, and the library `smpclient`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from smp_clients import ask, smpmgr

if TYPE_CHECKING:
    from boards import HostBoard, Link

    from edged.records import Pcm

pytestmark = pytest.mark.slow
pytest_plugins = ("board_fixtures",)


def test_smpmgr_echoes_reads_the_image_and_resets(board: HostBoard) -> None:
    assert "r='a word'" in smpmgr(board.device, "os", "echo", "a word")
    state = smpmgr(board.device, "image", "state-read")
    assert "version='0.1.0'" in state
    assert "active=True" in state
    assert "ResetWriteResponse" in smpmgr(board.device, "os", "reset")
    with board.open() as link:
        link.wait_for_boot(2)
        assert link.hello().reset == "software"
    assert "r='again'" in smpmgr(board.device, "os", "echo", "again")


def test_smpclient_reads_what_a_server_must_know(board: HostBoard) -> None:
    from smpclient.requests import os_management as requests  # noqa: PLC0415 - a whole Bluetooth stack comes along

    parameters, info, everything, tasks = ask(
        board.device,
        [
            requests.MCUMgrParametersRead(),
            requests.OSApplicationInfoRead(),
            requests.OSApplicationInfoRead(format="a"),
            requests.TaskStatisticsRead(),
        ],
    )
    assert (parameters.buf_size, parameters.buf_count) == (1280, 1)
    assert info.output
    assert "host" in everything.output
    assert "0.1.0" in everything.output
    (task,) = tasks.tasks.values()
    assert task.prio == 0


def test_smpclient_sets_and_reads_the_date(board: HostBoard) -> None:
    from smpclient.requests import os_management as requests  # noqa: PLC0415 - likewise

    now = datetime(2031, 5, 17, 13, 24, 9, tzinfo=UTC)
    said = now.strftime("%Y-%m-%dT%H:%M:%S.000000")
    _, read = ask(board.device, [requests.DateTimeWrite(datetime=said), requests.DateTimeRead()])
    told = datetime.fromisoformat(read.datetime).replace(tzinfo=UTC)
    assert now <= told < now + timedelta(seconds=20)


def test_stock_clients_are_not_disturbed_by_events_that_wait(board: HostBoard, link: Link, sound: Pcm) -> None:
    """Nobody has subscribed, so the board is a plain server, however much it has to tell."""
    for _ in range(3):
        link.inject(sound.tobytes())
    assert link.hello().next == 4
    for word in ("one", "two", "three"):
        assert f"r='{word}'" in smpmgr(board.device, "os", "echo", word)
    link.listen(0.3)
    assert link.events == []
    link.subscribe()
    link.wait(lambda: link.heartbeat().first == 4)
    assert [event.number for event in link.events] == [1, 2, 3]
