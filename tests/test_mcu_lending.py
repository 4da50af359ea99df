"""What commands do with a supervised board: borrow it, reset it, and learn why they cannot."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from cable import Cable
from watch_rig import SOON, UID, pid, pull, run, seeing_to, table

from edged.errors import Unavailable
from edged.mcu import supervisor
from edged.mcu.health import State

if TYPE_CHECKING:
    from pathlib import Path

    from boards import HostBoard

pytest_plugins = ("watch_fixtures",)
pytestmark = pytest.mark.usefixtures("in_a_hurry")


def test_a_reset_by_hand(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            for boot in (2, 3):
                identity = await seen.crew["attic"].reset()
                assert (identity.boot, identity.reset) == (boot, "software")
            assert seen.crew["attic"].vitals().resets == 2

    run(test())


def test_a_board_whose_usb_goes_with_its_reset_is_waited_for(tmp_path: Path, attic: HostBoard) -> None:
    """It resets before its answer has come through, and its port is gone for a while."""

    async def test() -> None:
        with Cable(attic.device, tmp_path / "cable") as cable:
            async with seeing_to({"attic": table(tmp_path / "cable", heartbeat_s=5.0)}, tmp_path) as seen:
                await seen.until_state("attic", "up")
                await seen.until(
                    lambda: seen.told("attic", "health")["uptime_s"] is not None, "nothing else is asked now"
                )
                cable.deaf = True
                resetting = asyncio.create_task(seen.crew["attic"].reset())
                await asyncio.sleep(0.1)
                cable.unplug()
                await seen.until_state("attic", "absent")
                cable.deaf = False
                cable.plug()
                identity = await resetting
                assert (identity.boot, identity.reset) == (2, "software")
                assert seen.last("attic") == ("up", "edged has reset it over its protocol")

    run(test())


def test_a_reset_by_hand_ends_a_quarantine(tmp_path: Path, attic: HostBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "WAITS", SOON | {State.QUARANTINED: (3600.0, 3600.0)})

    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            os.kill(pid(attic), signal.SIGSTOP)
            await seen.until_state("attic", "quarantined")
            os.kill(pid(attic), signal.SIGCONT)
            assert (await seen.crew["attic"].reset()).uid == UID
            assert seen.crew["attic"].health.state is State.UP

    run(test())


def test_what_cannot_be_reset_or_lent_says_why(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        boards = {"attic": table(attic.device), "cellar": table(tmp_path / "nothing")}
        async with seeing_to(boards, tmp_path) as seen:
            await seen.until_state("attic", "up")
            await seen.until_state("cellar", "absent")
            with pytest.raises(Unavailable, match="cellar is absent: there is no"):
                await seen.crew["cellar"].reset()
            async with seen.crew["attic"].lend() as driver:
                assert (await driver.identify()).uid == UID
                with pytest.raises(Unavailable, match="attic is busy with another command"):
                    async with seen.crew["attic"].lend():
                        pass
                with pytest.raises(Unavailable, match="attic is busy with another command"):
                    await seen.crew["attic"].reset()
            async with seen.crew["attic"].lend():
                pass

    run(test())


def test_silence_is_not_held_against_a_board_that_is_lent(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            async with seen.crew["attic"].lend():
                os.kill(pid(attic), signal.SIGSTOP)
                await asyncio.sleep(2.0)
                assert {state for state, _ in seen.states["attic"]} == {"probing", "up"}
            await seen.until_state("attic", "stale")
            os.kill(pid(attic), signal.SIGCONT)
            await seen.until_state("attic", "up")

    run(test())


def test_a_board_that_goes_while_it_is_lent_is_lost_to_the_borrower(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        async with seeing_to({"attic": table(attic.device)}, tmp_path) as seen:
            await seen.until_state("attic", "up")
            async with seen.crew["attic"].lend() as driver:
                pull(attic)
                await seen.until_state("attic", "absent")
                with pytest.raises(Unavailable):
                    await driver.identify()
            attic.start()
            await seen.until_state("attic", "up")
            async with seen.crew["attic"].lend() as driver:
                await driver.identify()

    run(test())
