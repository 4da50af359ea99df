"""What the system tests may ask for besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broker import Broker, Subscriber
from speech import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def phrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, 22,050 Hz and 4 s, in which "okay nabu" is said once."""
    return spoken(tmp_path_factory.mktemp("phrase") / "okay nabu.wav", [("okay nabu", "en-us")])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets everybody in."""
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    """Somebody who gets all that the broker gets, from the beginning."""
    with broker.subscriber() as made:
        yield made
