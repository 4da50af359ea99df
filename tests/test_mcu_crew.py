"""The crew: who is seen to when the config changes, and boards that nobody has named."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from boards import HostBoard
from cable import Cable
from watch_rig import BOOT_ID, OTHER_UID, QUIET, pull, run, seeing_to, table

from edged.errors import UserError
from edged.mcu import finder
from edged.mcu.crew import Crew
from edged.mcu.health import State
from edged.mcu.ports import Port
from edged.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.mcu.board import Identity
    from edged.settings import Board

pytest_plugins = ("watch_fixtures",)
pytestmark = pytest.mark.usefixtures("in_a_hurry")


def test_a_table_that_is_the_same_is_not_noticed_and_another_is(tmp_path: Path, attic: HostBoard) -> None:
    async def test() -> None:
        boards = {"attic": table(attic.device)}
        async with seeing_to(boards, tmp_path) as seen:
            await seen.until_state("attic", "up")
            first = seen.crew["attic"]
            await seen.man({"attic": table(attic.device), "cellar": table(tmp_path / "nothing")})
            await seen.until_state("cellar", "absent")
            assert seen.crew["attic"] is first
            assert len(seen.states["attic"]) == 2
            await seen.man({"attic": replace(boards["attic"], heartbeat_s=0.3)})
            assert seen.crew["attic"] is not first
            assert seen.retained["edged/test/mcu/cellar/state"] == b""
            assert len(seen.crew) == 1
            await seen.until(lambda: seen.crew["attic"].health.state is State.UP, "it is up again")

    run(test())


def test_no_supervisor_waits_in_step_with_another(tmp_path: Path) -> None:
    """Thirty boards behind one hub must not all come back in the same moment: each wait is another."""
    waits: set[float] = set()

    async def test() -> None:
        async with seeing_to({f"b{n}": table(tmp_path / f"b{n}") for n in range(10)}, tmp_path) as seen:
            await seen.until(lambda: len(seen.states) == 10, "all are looked for")
            waits.update(round(each._waits[State.QUARANTINED].next(), 6) for each in seen.crew)

    run(test())
    assert len(waits) > 8


def test_another_broker_is_told_all_and_the_one_before_forgets(tmp_path: Path, attic: HostBoard) -> None:
    """The board notices nothing."""

    async def test() -> None:
        boards = {"attic": table(attic.device)}
        async with seeing_to(boards, tmp_path) as seen:
            await seen.until_state("attic", "up")
            seen.messages = Messages(gateway="other", boot_id=BOOT_ID, version="1")
            await seen.man(boards)
            for kind in ("state", "health"):
                assert seen.retained[f"edged/test/mcu/attic/{kind}"] == b""
                assert b'"state":"up"' in seen.retained[f"edged/other/mcu/attic/{kind}"]
            assert seen.crew["attic"].vitals().connections == 1
            before = dict(seen.retained)
            await seen.man(boards)
            assert seen.retained == before, "nothing is said twice to the same"

    run(test())


# --- boards that nobody names ---


def usb(*boards: HostBoard) -> tuple[Port, ...]:
    """Host boards, as if they were on USB, under names that last."""
    return tuple(
        Port(path=board.device.resolve(), by_id=board.device, vid=0x2341, pid=0x805A)
        for board in boards
        if board.device.exists()
    )


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "LOOK_S", 0.1)


@pytest.fixture
def shed(tmp_path: Path) -> Iterator[HostBoard]:
    (tmp_path / "shed").mkdir()
    with HostBoard(tmp_path / "shed", (*QUIET, "--uid", OTHER_UID)) as made:
        yield made


@pytest.mark.usefixtures("looks_often")
def test_a_board_of_ours_that_nobody_names_is_found_and_found_again(
    tmp_path: Path, attic: HostBoard, shed: HostBoard
) -> None:
    """Beside one that the config names, which the finder never touches."""

    async def test() -> None:
        crew = Crew(ports=lambda: usb(attic, shed))
        async with seeing_to({"attic": table(attic.device)}, tmp_path, crew=crew, find=True) as seen:
            await seen.until_state("host-777777", "up")
            await seen.until_state("attic", "up")
            assert sorted(each.name for each in crew) == ["attic", "host-777777"]
            assert crew["host-777777"].settings.uid == OTHER_UID
            pull(shed)
            await seen.until_state("host-777777", "absent")
            shed.start()
            await seen.until_state("host-777777", "up")
            assert seen.told("attic", "health")["connections"] == 1

    run(test())


@pytest.mark.usefixtures("looks_often")
def test_a_found_board_that_comes_back_at_another_port_keeps_its_name(tmp_path: Path, shed: HostBoard) -> None:
    (tmp_path / "porch").mkdir()
    porch = HostBoard(tmp_path / "porch", (*QUIET, "--uid", OTHER_UID))

    async def test() -> None:
        crew = Crew(ports=lambda: usb(shed, porch))
        async with seeing_to({}, tmp_path, crew=crew, find=True) as seen:
            await seen.until_state("host-777777", "up")
            pull(shed)
            await seen.until_state("host-777777", "absent")
            with porch:
                await seen.until_state("host-777777", "up")
                assert crew["host-777777"].settings.port == str(porch.device)
                assert len(crew) == 1

    run(test())


@pytest.mark.usefixtures("looks_often")
def test_what_does_not_answer_as_ours_is_asked_once_each_time_it_is_plugged_in(
    tmp_path: Path, shed: HostBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    who = finder._who

    async def counted(settings: Board) -> Identity:
        asked.append(settings.port)
        return await who(settings)

    monkeypatch.setattr(finder, "_who", counted)
    monkeypatch.setattr(finder, "ASK_S", 0.5)

    async def test() -> None:
        with Cable(None, tmp_path / "arduino") as cable:
            there = Port(path=tmp_path / "arduino", vid=0x2341)
            crew = Crew(ports=lambda: (there, *usb(shed)))
            async with seeing_to({}, tmp_path, crew=crew, find=True) as seen:
                await seen.until_state("host-777777", "up")
                await asyncio.sleep(0.5)
                assert asked == [str(there.path), str(shed.device)]
                await seen.man({}, find=True)
                await asyncio.sleep(0.5)
                assert len(asked) == 2, "another config is no reason to ask again"
                cable.unplug()
                cable.plug()
                await seen.until(lambda: len(asked) > 2, "what is plugged in anew is asked")
                assert asked[2:] == [str(there.path)]

    run(test())


@pytest.mark.usefixtures("looks_often")
def test_a_found_board_is_let_go_when_boards_are_no_longer_looked_for(tmp_path: Path, shed: HostBoard) -> None:
    async def test() -> None:
        crew = Crew(ports=lambda: usb(shed))
        async with seeing_to({}, tmp_path, crew=crew, find=True) as seen:
            await seen.until_state("host-777777", "up")
            await seen.man({}, find=True)
            assert len(crew) == 1
            await seen.man({"shed": table(shed.device)}, find=True)
            await seen.until_state("shed", "up")
            assert [each.name for each in crew] == ["shed"]
            await seen.man({}, find=False)
            assert not len(crew)
            assert set(seen.retained.values()) == {b""}

    run(test())


def test_who_names_no_board_is_told_which_there_are(tmp_path: Path) -> None:
    async def test() -> None:
        async with seeing_to({"cellar": table(tmp_path / "nothing")}, tmp_path) as seen:
            with pytest.raises(UserError, match="Name any of cellar"):
                seen.crew["attic"]
        with pytest.raises(UserError, match="Add it to the config"):
            seen.crew["cellar"]

    run(test())
