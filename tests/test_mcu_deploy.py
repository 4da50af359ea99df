"""A model goes to a board that listens, and stays only where it does well; the peer is our firmware."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from board_asker import Asker
from board_client import client_of
from boards import HostBoard, Link
from planned import poked, section_at

from edged.errors import BoardAway, BoardRefused, ModelError
from edged.mcu import group
from edged.mcu.deploy import Deployed, deploy
from edged.mcu.group import Command
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ("board_fixtures",)
TRIAL_S = 0.6
PAGES = ("--erase-unit", "4096", "--erase-ms", "2")


def deployed(link: Link, plan: bytes, **how: object) -> Deployed:
    return asyncio.run(deploy(Asker(link), plan, trial_s=TRIAL_S, **how))  # type: ignore[arg-type]


@pytest.fixture
def hearing(tmp_path: Path) -> Iterator[HostBoard]:
    """A board with a microphone, which hears silence."""
    with HostBoard(tmp_path, ("--silence", *PAGES)) as made:
        yield made


def test_a_model_is_uploaded_tried_watched_and_kept(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    told: list[tuple[str, float, float]] = []
    with hearing.open() as link:
        first = deployed(link, plan, progress=lambda *step: told.append(step))
        second = deployed(link, other_plan)
        slots, beat = link.slots(), link.heartbeat()
    assert (first.name, first.already, first.sent_bytes, first.resumed_at) == ("okay_nabu", False, len(plan), 0)
    assert first.microphone
    assert first.inferences > 0
    assert first.watched_s >= TRIAL_S
    assert second.slot == slots.confirmed == slots.active == 1 - first.slot
    assert (slots.trial, beat.state) == (False, "listening")
    assert slots.slots[second.slot].sha256 == bytes.fromhex(second.sha256)
    doing = list(dict.fromkeys(step[0] for step in told))
    assert doing == ["uploading", "trying", "watching", "confirming"]
    uploaded = [done for what, done, total in told if what == "uploading" and total == len(plan)]
    assert uploaded == sorted(uploaded)
    assert uploaded[-1] == len(plan)


def test_what_runs_already_is_left_alone(link: Link, plan: bytes) -> None:
    asker = Asker(link)
    done = asyncio.run(deploy(asker, plan))
    assert (done.already, done.name, done.sent_bytes) == (True, "okay_nabu", 0)
    assert {each.command for each in asker.asked} == {Command.SLOTS}


def test_the_running_model_listens_between_the_erases(tmp_path: Path, plan: bytes, other_plan: bytes) -> None:
    runs: list[int] = []
    slow = ("--silence", "--erase-unit", "4096", "--erase-ms", "60")
    with HostBoard(tmp_path, slow) as board, board.open() as link:
        link.install(plan)

        def look(message: Message) -> None:
            if message.command in (Command.SLOTS, Command.TRY):
                runs.append(link.heartbeat().runs)

        asyncio.run(deploy(Asker(link, look), other_plan, trial_s=TRIAL_S))
    assert runs[1] > runs[0]


def test_an_upload_that_broke_off_goes_on(hearing: HostBoard, plan: bytes) -> None:
    pieces = 0

    def break_off(message: Message) -> None:
        nonlocal pieces
        pieces += message.command == Command.UPLOAD
        if pieces == 30:
            raise BoardAway("somebody pulled the cable")

    with hearing.open() as link:
        with pytest.raises(BoardAway, match="pulled the cable"):
            asyncio.run(deploy(Asker(link, break_off), plan, trial_s=TRIAL_S))
        done = deployed(link, plan)
        assert link.slots().confirmed == done.slot
    assert done.resumed_at > 5 * 1024
    assert done.sent_bytes == len(plan) - done.resumed_at


def test_an_upload_that_a_reset_ended_begins_anew_by_itself(hearing: HostBoard, plan: bytes) -> None:
    pieces = 0

    def reset(message: Message) -> None:
        nonlocal pieces
        pieces += message.command == Command.UPLOAD
        if pieces == 30:
            pieces += 1
            boot = asker.link.hello().boot
            asker.link.reset()
            asker.link.wait_for_boot(boot + 1)

    with hearing.open() as link:
        asker = Asker(link, reset)
        done = asyncio.run(deploy(asker, plan, trial_s=TRIAL_S))
    assert done.sent_bytes > len(plan)


def test_a_trial_of_somebody_else_is_told(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    with hearing.open() as link:
        link.ask(group.try_model(link.upload(plan), trial_ms=50_000))
        with pytest.raises(BoardRefused, match=r"okay_nabu is on trial there for (49|50) s more; try again then"):
            deployed(link, other_plan)
        assert deployed(link, plan).name == "okay_nabu"


def test_without_a_microphone_it_says_so(board: HostBoard, plan: bytes) -> None:
    with board.open() as link:
        done = deployed(link, plan)
        assert link.slots().confirmed == done.slot
    assert (done.microphone, done.inferences) == (False, 0)


# What a board refuses.


def test_too_large_for_a_slot(tmp_path: Path, plan: bytes) -> None:
    with HostBoard(tmp_path, ("--slot-bytes", "32768", *PAGES)) as board, board.open() as link:
        with pytest.raises(ModelError, match=rf"its plan takes {len(plan):,} bytes, a slot of the board has 32,768"):
            deployed(link, plan)
        assert link.slots().slots[0].state == link.slots().slots[1].state == "empty"


def test_too_large_for_the_arena(tmp_path: Path, plan: bytes) -> None:
    with HostBoard(tmp_path, ("--arena-bytes", "4096")) as board, board.open() as link:
        with pytest.raises(ModelError, match=r"the board cannot run it: it needs more memory"):
            deployed(link, plan)
        assert link.heartbeat().state == "empty"


def test_other_outputs_than_the_gateways(link: Link, other_plan: bytes) -> None:
    gold = section_at(other_plan, b"GOLD")
    wrong = poked(other_plan, gold + 8, "<B", other_plan[gold + 8] ^ 0x55)
    before = link.slots()
    with pytest.raises(ModelError, match="computes other outputs than the gateway"):
        deployed(link, wrong)
    assert link.slots().confirmed == before.confirmed
    assert link.heartbeat().state == "listening"


def test_what_is_no_plan(link: Link) -> None:
    with pytest.raises(ModelError, match="the board cannot run it"):
        deployed(link, bytes(5000))


# Trials that go wrong: the board runs what it ran.


def once_tried(asker: Asker, do: object) -> None:
    """Have something done at the second heartbeat of the trial."""
    beats = 0

    def before(message: Message) -> None:
        nonlocal beats
        beats += message.command == Command.HEARTBEAT
        if beats == 2 and message.command == Command.HEARTBEAT:
            do()  # type: ignore[operator]

    asker.before = before


def test_a_board_that_begins_anew_has_rolled_back(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    with hearing.open() as link:
        link.install(plan)
        boot = link.hello().boot
        asker = Asker(link)

        def reset() -> None:
            link.reset()
            link.wait_for_boot(boot + 1)

        once_tried(asker, reset)
        words = r"the board began anew in the trial \(software\); it runs okay_nabu again"
        with pytest.raises(BoardRefused, match=words):
            asyncio.run(deploy(asker, other_plan, trial_s=TRIAL_S))
        slots = link.slots()
    assert slots.slots[slots.active or 0].name == "okay_nabu"


def test_a_board_that_is_silent_and_comes_back_reverts(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    def silent() -> None:
        raise BoardAway("it does not answer")

    with hearing.open() as link:
        link.install(plan)
        asker = Asker(link)
        once_tried(asker, silent)
        with pytest.raises(BoardRefused, match="the board fell silent in the trial; it runs okay_nabu again"):
            asyncio.run(deploy(asker, other_plan, trial_s=TRIAL_S))
        assert link.heartbeat().state == "listening"


def test_a_board_that_dies_comes_back_with_what_it_ran(
    hearing: HostBoard, plan: bytes, other_plan: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edged.mcu.deploy.BACK_S", 0.3)
    with hearing.open() as link:
        link.install(plan)
        asker = Asker(link)
        once_tried(asker, hearing.kill)
        with pytest.raises(BoardAway, match=r"was lost in the trial: .*; it comes back with okay_nabu"):
            asyncio.run(deploy(asker, other_plan, trial_s=TRIAL_S))
    hearing.start()
    with hearing.open() as link:
        slots = link.slots()
    assert (slots.slots[slots.active or 0].name, slots.trial) == ("okay_nabu", False)


def test_a_trial_that_ended_by_itself(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    with hearing.open() as link:
        link.install(plan)
        asker = Asker(link)
        once_tried(asker, lambda: link.ask(group.revert()))
        with pytest.raises(BoardRefused, match="ended the trial by itself, and is listening; it runs okay_nabu again"):
            asyncio.run(deploy(asker, other_plan, trial_s=TRIAL_S))


def test_a_model_that_never_infers_is_taken_back(hearing: HostBoard, plan: bytes, other_plan: bytes) -> None:
    """While somebody holds the board's ears shut, from its trial's beginning on."""
    with hearing.open() as link:
        link.install(plan)
        asker = Asker(link)

        def deaf(message: Message) -> None:
            if message.command == Command.HEARTBEAT:
                link.ask(Message(Op.WRITE, group.GROUP, Command.INJECT, {"on": True}))

        asker.before = deaf
        with pytest.raises(BoardRefused, match="it runs okay_nabu again"):
            asyncio.run(deploy(asker, other_plan, trial_s=TRIAL_S))
        assert link.heartbeat().state != "trial"


def test_who_gives_up_in_the_trial_leaves_the_board_as_it_was(
    hearing: HostBoard, plan: bytes, other_plan: bytes
) -> None:
    async def given_up() -> None:
        async with client_of(hearing.device) as client:
            tried = asyncio.Event()

            def progress(doing: str, done: float, _total: float) -> None:
                if doing == "watching" and done:
                    tried.set()

            task = asyncio.create_task(deploy(client, other_plan, trial_s=60, progress=progress))
            await asyncio.wait([task, asyncio.create_task(tried.wait())], return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with hearing.open() as link:
        link.install(plan)
    asyncio.run(given_up())
    with hearing.open() as link:
        assert link.heartbeat().state == "listening"
        assert link.slots().slots[link.slots().active or 0].name == "okay_nabu"
