"""Boards to be supervised, and waits that are not those for people: `pytest_plugins = ("watch_fixtures",)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from boards import HostBoard
from watch_rig import QUIET, SOON, UID

from edged.mcu import supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are what they are for people and cables; nobody here shall sit through them."""
    monkeypatch.setattr(supervisor, "WAITS", SOON)
    monkeypatch.setattr(supervisor, "AGAIN_S", 0.05)
    monkeypatch.setattr(supervisor, "PULSE_S", 0.5)
    monkeypatch.setattr(supervisor, "RESET_S", 0.5)
    monkeypatch.setattr(supervisor, "IDENTIFY_S", 0.8)


@pytest.fixture
def attic(tmp_path: Path) -> Iterator[HostBoard]:
    """A board that hears nothing, of uid UID."""
    (tmp_path / "attic").mkdir()
    with HostBoard(tmp_path / "attic", (*QUIET, "--uid", UID)) as made:
        yield made
