"""The microphone rig as fixtures: `pytest_plugins = ("rig_fixtures",)` in a test module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rig import Rig, make_rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A microphone, plugged in."""
    with make_rig(tmp_path / "rig", monkeypatch) as made:
        yield made


@pytest.fixture
def pipe_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A microphone that delivers bit for bit what is written to its FIFO."""
    with make_rig(tmp_path / "rig", monkeypatch, source="pipe") as made:
        yield made
