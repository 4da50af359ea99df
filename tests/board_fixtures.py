"""Boards and what they hear as fixtures: `pytest_plugins = ("board_fixtures",)` in a test module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from boards import HostBoard, Link
from gateway import words
from nabu import NABU_PATH

from edged.compiler.compiled import compile_model, read_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.records import Pcm

WAKE_EN = Path(__file__).parent.parent / "models/wake-en/wake-en.edged"


@pytest.fixture(scope="session")
def plan() -> bytes:
    """okay_nabu's."""
    return compile_model(read_source(NABU_PATH)).data


@pytest.fixture(scope="session")
def other_plan() -> bytes:
    """wake-en's."""
    return compile_model(read_source(WAKE_EN)).data


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Pcm:
    """okay_nabu's word, once; 16 kHz."""
    return words(tmp_path_factory.mktemp("nabu"), ("okay nabu", "en-us"))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[HostBoard]:
    """The host board, with no model."""
    with HostBoard(tmp_path) as made:
        yield made


@pytest.fixture
def link(board: HostBoard, plan: bytes) -> Iterator[Link]:
    """To a host board that runs okay_nabu."""
    with board.open() as opened:
        opened.install(plan)
        yield opened
