"""The host board, built in every way without a warning, is the same board: clang, 32 bits, sanitizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from boards import HostBoard
from firmware import FIRMWARE, make
from gateway import heard
from nabu import nabu

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

pytestmark = pytest.mark.slow
pytest_plugins = ("board_fixtures",)
WAYS = {
    "host": (),
    "host-clang": ("CC=clang",),
    "host-m32": ("M32=1",),
    "host-clang-m32": ("CC=clang", "M32=1"),
    "host-asan": ("SANITIZE=1",),
    "host-clang-asan": ("CC=clang", "SANITIZE=1"),
}
"""By the folder that the Makefile builds in: what to tell it."""


@pytest.mark.parametrize("way", WAYS)
def test_is_the_same_board(way: str, tmp_path: Path, plan: bytes, other_plan: bytes, sound: Pcm) -> None:
    make("BOARD=host", *WAYS[way])
    noise = np.random.default_rng(7).normal(0, 2000, 16_000).astype(np.int16)
    samples = np.concatenate([noise, sound, noise])
    expected = heard(nabu(), samples)
    with HostBoard(tmp_path, firmware=FIRMWARE / "build" / way / "edged-firmware") as board, board.open() as link:
        link.install(other_plan)
        link.install(plan)
        link.write(noise.tobytes()[:20_000] + b"\n")
        answers = link.inject(samples.tobytes())
        link.reset()
        link.wait_for_boot(2)
        link.subscribe()
        link.wait(lambda: len(link.events) == len(expected.decisions) > 0)
        chip = link.hello().chip
        board.kill()
    assert chip == ("Linux, 32 bits" if "m32" in way else "Linux, 64 bits")
    assert b"".join(answer.outputs for answer in answers) == b"".join(expected.outputs)
    assert [event.at for event in link.events] == [decision.at for decision in expected.decisions]
