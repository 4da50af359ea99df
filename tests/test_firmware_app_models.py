"""The host board changes its model while it runs: tried, confirmed, rolled back; and what is no plan is refused."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from boards import HostBoard, Link, RefusedError
from gateway import RATE_HZ
from speech import write_wav

from edged.compiler.blob import read_plan, write_plan
from edged.compiler.sections import Golden
from edged.mcu import group
from edged.mcu.group import Error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
NABU = "okay_nabu"
FAST = ("--speed", "20", "--watchdog-ms", "0")
"""For what waits: a trial. A busy machine must not be a board that hangs."""


def sealed(plan: bytearray) -> bytes:
    """The plan with its checksum mended."""
    plan[12:16] = struct.pack("<I", zlib.crc32(plan[16:], zlib.crc32(plan[:12])))
    return bytes(plan)


def section(plan: bytes, tag: bytes) -> tuple[int, int]:
    """Where a section begins, and its bytes."""
    (count,) = struct.unpack_from("<H", plan, 6)
    found = {plan[16 + 12 * i : 20 + 12 * i]: struct.unpack_from("<II", plan, 20 + 12 * i) for i in range(count)}
    at, size = found[tag]
    return int(at), int(size)


def test_a_model_is_tried_and_confirmed(link: Link, plan: bytes, other_plan: bytes, sound: Pcm) -> None:
    first = link.slots()
    sha256 = link.upload(other_plan)
    assert link.slots().active == first.active
    link.ask(group.try_model(sha256, trial_ms=60_000))
    on_trial = link.slots()
    assert (on_trial.trial, on_trial.active, on_trial.confirmed) == (True, 1, 0)
    assert 55_000 < on_trial.left_ms <= 60_000
    assert link.heartbeat().state == "trial"
    link.ask(group.try_model(sha256, trial_ms=60_000))  # the answer may have been lost
    link.ask(group.confirm(sha256))
    link.ask(group.confirm(sha256))
    assert [slot.name for slot in link.slots().slots] == [NABU, "wake-en"]
    link.reset()
    link.wait_for_boot(2)
    assert (link.slots().active, link.slots().confirmed, link.slots().trial) == (1, 1, False)
    link.subscribe()
    link.inject(sound.tobytes())
    link.listen(0.1)
    assert link.events == []
    link.install(plan)
    link.inject(sound.tobytes())
    link.wait(lambda: bool(link.events))


def test_listens_between_erases(tmp_path: Path, plan: bytes, other_plan: bytes, sound: Pcm) -> None:
    """While the next model comes over a slow link, the word is said again and again, and heard."""
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "nabu.wav", np.tile(sound, 30), rate_hz=RATE_HZ)
    options = ("--wav", str(wav), "--speed", "4", "--baud", "76800", "--erase-unit", "32768", "--erase-ms", "300")
    with HostBoard(folder, options) as board, board.open() as link:
        link.install(plan)
        before = link.heartbeat()
        link.upload(other_plan)
        after = link.heartbeat()
        link.subscribe()
        link.wait(lambda: link.heartbeat().first == link.hello().next)
    assert after.missed > before.missed
    assert {event.label for event in link.events if before.up_ms < event.at_ms < after.up_ms} == {NABU}


def test_a_trial_that_nobody_confirms_is_over(tmp_path: Path, plan: bytes, other_plan: bytes) -> None:
    with HostBoard(tmp_path, FAST) as board, board.open() as link:
        link.install(plan)
        sha256 = link.upload(other_plan)
        link.ask(group.try_model(sha256, trial_ms=20_000))
        assert link.slots().active == 1
        link.wait(lambda: link.slots().active == 0)
        slots = link.slots()
        assert (slots.trial, slots.confirmed) == (False, 0)
        assert link.heartbeat().state == "listening"
        assert link.refusal(group.confirm(sha256)).rc == Error.NO_MODEL


def test_a_first_model_on_trial_leaves_nothing_behind(tmp_path: Path, plan: bytes) -> None:
    with HostBoard(tmp_path, FAST) as board, board.open() as link:
        link.ask(group.try_model(link.upload(plan), trial_ms=20_000))
        link.wait(lambda: link.slots().active is None)
        assert link.heartbeat().state == "empty"
        link.ask(group.try_model(link.upload(plan), trial_ms=20_000))
        assert link.heartbeat().state == "trial"


def test_a_reset_ends_a_trial(link: Link, other_plan: bytes, sound: Pcm) -> None:
    link.ask(group.try_model(link.upload(other_plan), trial_ms=600_000))
    link.reset()
    link.wait_for_boot(2)
    slots = link.slots()
    assert (slots.trial, slots.active, slots.confirmed) == (False, 0, 0)
    link.inject(sound.tobytes())
    assert link.hello().next == 2


def test_a_trial_is_taken_back(link: Link, other_plan: bytes) -> None:
    link.ask(group.try_model(link.upload(other_plan), trial_ms=600_000))
    link.ask(group.revert())
    assert (link.slots().trial, link.slots().active) == (False, 0)
    assert link.refusal(group.revert()).reason == "no model is on trial"


def test_golden_windows_that_differ_are_no_model(link: Link, other_plan: bytes, sound: Pcm) -> None:
    at, size = section(other_plan, b"GOLD")
    wrong = bytearray(other_plan)
    wrong[at + size // 2] ^= 1
    sha256 = link.upload(sealed(wrong))
    error = link.refusal(group.try_model(sha256, trial_ms=60_000))
    assert (error.rc, error.reason) == (Error.GOLDEN, "its golden windows give other outputs here")
    slots = link.slots()
    assert (slots.active, slots.trial, slots.slots[1].state) == (0, False, "refused")
    assert slots.slots[1].why == error.reason
    link.inject(sound.tobytes())
    assert link.hello().next == 2


def test_golden_windows_that_would_outlast_the_watchdog_are_refused_at_once(link: Link, other_plan: bytes) -> None:
    made = read_plan(other_plan)
    plan = write_plan(replace(made, golden=Golden(made.golden.seed, made.golden.outputs * 100)))
    error = link.refusal(group.try_model(link.upload(plan), trial_ms=60_000))
    assert (error.rc, error.reason) == (Error.PLAN, "it is more work than a board's watchdog gives time for")
    slots = link.slots()
    assert (slots.active, slots.trial, slots.slots[1].state) == (0, False, "refused")


def test_a_model_tests_itself(link: Link) -> None:
    test = group.read(group.Selftest, link.ask(group.selftest()).body)
    assert test.differs is None
    assert test.windows > 10


def no_front_end(plan: bytes) -> bytes:
    at = plan.index(b"FRNT")
    return sealed(bytearray(plan[:at] + b"XXXX" + plan[at + 4 :]))


def other_version(plan: bytes) -> bytes:
    return sealed(bytearray(plan[:4] + b"\x09\x00" + plan[6:]))


def flipped(plan: bytes) -> bytes:
    return plan[:5000] + bytes([plan[5000] ^ 4]) + plan[5001:]


def cut(plan: bytes) -> bytes:
    return plan[:-64]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (other_version, "version"),
        (flipped, "checksum"),
        (cut, "it is cut short"),
        (lambda plan: bytes(len(plan)), "no plan"),
    ],
    ids=["version", "flipped", "cut", "zeros"],
)
def test_what_is_no_plan_is_refused_when_it_is_there(
    made: Callable[[bytes], bytes], reason: str, link: Link, other_plan: bytes, sound: Pcm
) -> None:
    with pytest.raises(RefusedError, match=reason) as caught:
        link.upload(made(other_plan))
    assert caught.value.error == Error.PLAN
    link.inject(sound.tobytes())
    assert link.hello().next == 2


def test_a_plan_that_cannot_hear_is_refused_when_it_is_tried(link: Link, other_plan: bytes, sound: Pcm) -> None:
    error = link.refusal(group.try_model(link.upload(no_front_end(other_plan)), trial_ms=60_000))
    assert (error.rc, error.reason) == (Error.PLAN, "it has no front end that this firmware knows")
    assert link.slots().slots[1].state == "refused"
    link.inject(sound.tobytes())
    assert link.hello().next == 2


def test_a_wrong_hash_is_refused(link: Link, other_plan: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        link.upload(other_plan, sha256=bytes(32))
    assert caught.value.error == Error.HASH
    assert link.slots().slots[1].state != "whole"
    assert link.refusal(group.try_model(bytes(32), trial_ms=60_000)).rc == Error.NO_MODEL


def test_a_plan_larger_than_a_slot_is_refused_at_once(tmp_path: Path, plan: bytes) -> None:
    options = ("--erase-unit", "4096", "--slot-bytes", "8192")
    with HostBoard(tmp_path, options) as board, board.open() as link:
        with pytest.raises(RefusedError, match="larger than a slot") as caught:
            link.upload(plan)
        assert caught.value.error == Error.TOO_LARGE
        assert [slot.state for slot in link.slots().slots] == ["empty", "empty"]


def test_a_plan_that_needs_more_memory_is_refused(tmp_path: Path, plan: bytes) -> None:
    with HostBoard(tmp_path, ("--arena-bytes", "512")) as board, board.open() as link:
        with pytest.raises(RefusedError, match="it needs more memory than this board has") as caught:
            link.upload(plan)
        assert caught.value.error == Error.PLAN
        slot = link.slots().slots[0]
        assert slot.state == "refused"
        assert slot.why is not None


def test_a_model_for_which_memory_went_is_said_to_be_refused(tmp_path: Path, plan: bytes) -> None:
    """As after an update of the firmware that leaves less for the model."""
    board = HostBoard(tmp_path)
    with board, board.open() as link:
        link.install(plan)
    board.start("--arena-bytes", "512")
    with board.open() as link:
        assert link.heartbeat().state == "empty"
        assert link.slots().slots[0].state == "refused"
        assert link.slots().slots[0].why == "it needs more memory than this board has"
    board.kill()
