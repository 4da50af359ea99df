"""What the system tests may ask for besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from speech import spoken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def phrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, 22,050 Hz and 4 s, in which "okay nabu" is said once."""
    return spoken(tmp_path_factory.mktemp("phrase") / "okay nabu.wav", [("okay nabu", "en-us")])
