"""Power fails at every single flash write of a change of model: then the old one runs or the new one, never neither.

Each write is torn: half of a programming is done, half of a unit is erased. The host board ends there, and is switched
on again with the flash as it was left.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest
from boards import HostBoard

from edged.mcu import group

if TYPE_CHECKING:
    from pathlib import Path

    from boards import Link

    from edged.mcu.group import Slots

pytestmark = pytest.mark.slow
pytest_plugins = ("board_fixtures",)
POWER_CUT = 3
"""What the process ends with."""
WRITES_MAX = 400


def change(board: HostBoard, plan: bytes, *, cut_after: int) -> bool:
    """Switch it on and change its model; False: the power failed meanwhile."""
    board.start("--cut-after-writes", str(cut_after))
    try:
        with board.open() as link:
            link.install(plan)
            link.echo("the last write is done")
    except OSError:
        assert board.ended() == POWER_CUT
        return False
    board.kill()
    return True


def running(link: Link) -> bytes:
    """The hash of the plan that runs, and proves that it does."""
    slots: Slots = link.slots()
    assert slots.active is not None, slots
    assert not slots.trial
    assert (slots.active, slots.slots[slots.active].state) == (slots.confirmed, "whole")
    assert link.heartbeat().state == "listening"
    test = group.read(group.Selftest, link.ask(group.selftest()).body)
    assert test.differs is None
    sha256 = slots.slots[slots.active].sha256
    assert sha256 is not None
    return sha256


@pytest.mark.parametrize("options", [("4096", "4"), ("16384", "8")], ids=["4 kB, words", "16 kB, double words"])
def test_the_old_model_runs_or_the_new_one(
    options: tuple[str, str], tmp_path: Path, plan: bytes, other_plan: bytes
) -> None:
    unit, piece = options
    board = HostBoard(tmp_path, ("--erase-unit", unit, "--slot-bytes", "65536", "--program-bytes", piece))
    old, new = hashlib.sha256(plan).digest(), hashlib.sha256(other_plan).digest()
    with board, board.open() as link:
        link.install(plan)
    before = tmp_path / "before"
    shutil.copy(board.flash, before)
    found = []
    for cut_after in range(1, WRITES_MAX):
        shutil.copy(before, board.flash)
        whole = change(board, other_plan, cut_after=cut_after)
        with board, board.open() as link:
            found.append(running(link))
            if not whole and cut_after % 7 == 0:  # and nothing is in the way of the next attempt
                link.install(other_plan)
                assert running(link) == new
        if whole:
            break
    assert len(found) > len(other_plan) / 1024
    assert found == [old] * found.count(old) + [new] * found.count(new)
    assert found[0] == old
    assert found[-1] == new
    assert 1 <= found.count(new) < 5  # it is the new one from its confirmation on, which is the last write
