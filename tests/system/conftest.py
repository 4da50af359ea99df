"""What the system tests share: a broker, and somebody who listens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broker import Broker, Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made
