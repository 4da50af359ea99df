"""An outbox and a broker as fixtures: `pytest_plugins = ("link_fixtures",)` in a test module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broker import Broker

from edged.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox.open(tmp_path / "outbox.sqlite")
    yield made
    made.close(timeout_s=1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back almost at once: for tests of many breaks."""
    monkeypatch.setattr("edged.mqtt.FIRST_RETRY_S", 0.02)
    monkeypatch.setattr("edged.mqtt.LAST_RETRY_S", 0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made
