"""The board's protocol under sanitizers: damaged requests, however it is built."""

from __future__ import annotations

import subprocess

import firmware
import pytest

pytestmark = pytest.mark.slow
WAYS = {"": ("CC=gcc",), "-clang": ("CC=clang",), "-m32": ("M32=1",)}


@pytest.mark.parametrize("way", WAYS)
def test_damaged_requests_are_survived_however_it_is_built(way: str) -> None:
    program = f"build/host{way}-asan/tests/test_proto"
    firmware.make(program, "SANITIZE=1", *WAYS[way])
    done = subprocess.run([firmware.FIRMWARE / program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "56202 messages, 46038 answers, 3573 frames lost\n"
