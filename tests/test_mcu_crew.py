"""The crew: who is seen to when the config changes, and boards that nobody has named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from watch_rig import run, seeing_to, table

from edged.mcu.health import State

if TYPE_CHECKING:
    from pathlib import Path

    from boards import HostBoard

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
