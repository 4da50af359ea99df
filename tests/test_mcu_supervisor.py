"""A supervisor with real boards: whatever becomes of them is found, named, published once, and mended."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from boards import HostBoard
from cable import Cable
from watch_rig import OTHER_UID, QUIET, UID, loud, pid, pull, run, seeing_to, table

from edged.mcu import supervisor
from edged.mcu.boardlog import BURST
from edged.mcu.health import State

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ("watch_fixtures",)
pytestmark = pytest.mark.usefixtures("in_a_hurry")


def test_it_comes_up_and_says_who_and_how_it_is(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path, health_s=0.5) as seen:
            await seen.until_state("attic", "up")
            assert seen.told("attic", "state")["identity"]["uid"] == UID
            await seen.until(
                lambda: (seen.told("attic", "health")["uptime_s"] or 0) > 1, "health comes again and again"
            )
            health = seen.told("attic", "health")
            assert (health["boot"], health["reset"], health["connections"], health["resets"]) == (1, "power", 1, 0)
            assert health["round_trip_ms"] > 0
        assert seen.states["attic"] == [("probing", ""), ("up", "")]

    run(test())


def test_it_is_quiet_and_free_when_it_is_let_go(tmp_path: Path) -> None:
    """Its clock runs eight times as fast: a lease that still ran would bring a heartbeat within 0.7 s."""
    (tmp_path / "attic").mkdir()
    attic = HostBoard(tmp_path / "attic", (*QUIET, "--speed", "8"))

    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")

    with attic:
        run(test())
        with attic.open() as link:
            link.listen(1.0)
            assert (link.heartbeats, link.hello().boot) == ([], 1)


def test_a_board_that_is_unplugged_comes_back_at_another_device(
    tmp_path: Path, attic: HostBoard, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            taken = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)  # the number of its pty is somebody else's now
            pull(attic)
            await seen.until_state("attic", "absent")
            await asyncio.sleep(0.5)
            attic.start()
            await seen.until_state("attic", "up")
            os.close(taken)
            assert seen.told("attic", "health")["connections"] == 2
            assert [state for state, _ in seen.states["attic"]].count("up") == 2

    with caplog.at_level(logging.DEBUG):
        run(test())
    said = loud(caplog.records, "attic")
    assert [line.split(":")[1] for line in said if ":" in line] == [" up", " absent", " up"]


def test_a_board_that_hangs_is_stale_then_reset_then_left_alone_and_comes_back(
    tmp_path: Path, attic: HostBoard, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            os.kill(pid(attic), signal.SIGSTOP)
            await seen.until_state("attic", "quarantined")
            assert "has not helped" in seen.last("attic")[1]
            await seen.until(
                lambda: [state for state, _ in seen.states["attic"]].count("quarantined") > 1, "it is tried again"
            )
            os.kill(pid(attic), signal.SIGCONT)
            await seen.until_state("attic", "up")
            assert seen.last("attic")[1].startswith("edged has reset it over its protocol")
            assert seen.told("attic", "health")["resets"] >= 1

    with caplog.at_level(logging.DEBUG):
        run(test())
    said = [line.split(":")[1] for line in loud(caplog.records, "attic")]
    assert said[-4:] == [" stale", " resetting", " quarantined", " up"]  # each once, though it was tried several times


def test_a_watchdogs_reset_is_found_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The board stops for longer than its own watchdog bears, and begins anew by itself."""
    (tmp_path / "attic").mkdir()
    attic = HostBoard(tmp_path / "attic", ("--silence", "--watchdog-ms", "300"))

    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            os.kill(pid(attic), signal.SIGSTOP)
            await asyncio.sleep(0.5)
            os.kill(pid(attic), signal.SIGCONT)
            await seen.until(lambda: ("up", "was reset by its watchdog") in seen.states["attic"], "it is named")
            assert seen.told("attic", "health")["reset"] == "watchdog"

    with attic, caplog.at_level(logging.DEBUG):
        run(test())
    assert "attic was reset by its watchdog" in loud(caplog.records, "attic")


def test_another_board_is_refused_and_not_reset(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device, uid=OTHER_UID)}, tmp_path) as seen:
            await seen.until_state("attic", "quarantined")
            assert seen.last("attic")[1] == f"a board of uid {UID} is there, and not {OTHER_UID}"
            await seen.until(lambda: len(seen.states["attic"]) > 5, "it is asked again")
            assert {state for state, _ in seen.states["attic"]} == {"probing", "quarantined"}

    run(test())
    with attic.open() as link:
        assert (link.hello().boot, link.hello().reset) == (1, "power")


def test_the_board_that_is_meant_replaces_another(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device, uid=OTHER_UID.upper())}, tmp_path) as seen:
            await seen.until_state("attic", "quarantined")
            pull(attic)
            attic.start("--uid", OTHER_UID)
            await seen.until_state("attic", "up")

    run(test())


def test_a_port_that_somebody_else_holds_is_busy_until_it_is_free(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        held = os.open(attic.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.flock(held, fcntl.LOCK_EX)
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "busy")
            assert "held by another program" in seen.last("attic")[1]
            os.close(held)
            await seen.until_state("attic", "up")

    run(test())


@pytest.mark.parametrize("listens", [True, False])
def test_a_port_where_nobody_answers_holds_up_nobody(tmp_path: Path, attic: HostBoard, *, listens: bool) -> None:
    """Nor one whose other end takes nothing: the board beside it is asked in time, each time."""

    async def test() -> None:
        boards = {"mute": table(tmp_path / "mute"), "attic": table(attic.device)}
        with Cable(None, tmp_path / "mute", listens=listens):
            async with seeing_to(boards, tmp_path, health_s=0.1) as seen:
                await seen.until_state("mute", "quarantined")
                await seen.until(lambda: [state for state, _ in seen.states["mute"]].count("quarantined") > 1, "twice")
                vitals = seen.crew["attic"].vitals()
                assert (vitals.connections, vitals.resets) == (1, 0)
                assert seen.crew["attic"].health.state is State.UP

    run(test())


def test_noise_at_line_rate_is_counted_metered_and_survived(
    tmp_path: Path, attic: HostBoard, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what a board prints all is counted, and little published; and it goes on being up."""

    async def test() -> None:
        with Cable(attic.device, tmp_path / "cable") as cable:
            async with seeing_to({"attic": table(tmp_path / "cable")}, tmp_path) as seen:
                await seen.until_state("attic", "up")
                began_s = time.monotonic()
                for number in range(2000):
                    await seen.until(partial(cable.say, b"E: %04d\n" % number), "there is room on the line")
                await seen.until(
                    lambda: "E: 1999" in [line.text for line in seen.crew["attic"].log.last], "all is read"
                )
                await seen.until(lambda: any("came too fast" in line for _, line in seen.lines), "the rest is told of")
                took_s = time.monotonic() - began_s
                vitals = seen.crew["attic"].vitals()
                assert vitals.text_dropped > 1500
                assert len(seen.lines) <= BURST + 6 * took_s
                assert vitals.link.text_lines >= 2000
            assert "quarantined" not in {state for state, _ in seen.states["attic"]}

    with caplog.at_level(logging.DEBUG):
        run(test())
    assert len([line for line in loud(caplog.records, "attic") if "says" in line]) < 500


def test_something_that_is_no_board_is_let_alone(tmp_path: Path) -> None:
    """It talks all the time, and none of it is SMP: it is not reset, and asked seldom."""

    async def test() -> None:
        with Cable(None, tmp_path / "gps") as cable:
            async with seeing_to({"gps": table(tmp_path / "gps")}, tmp_path) as seen:
                supervised = seen.crew["gps"]

                def talks() -> bool:
                    cable.say(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n")
                    return seen.last("gps")[0] == "quarantined" and "not SMP" in seen.last("gps")[1]

                supervisor.IDENTIFY_S = 8.0  # type: ignore[misc]  # it takes a while to be sure of that
                await seen.until(talks, "it is found out")
                assert "resetting" not in {state for state, _ in seen.states["gps"]}
                assert supervised.vitals().resets == 0

    run(test())
