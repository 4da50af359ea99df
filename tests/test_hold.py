"""One daemon to a state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edged.errors import StateError
from edged.hold import held

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, pathlib
from edged.hold import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_the_second_is_told_who_is_the_first(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StateError, match=f"process {first.pid}") as caught, held(tmp_path):
            pass
        assert caught.value.value == str(tmp_path)
    finally:
        first.kill()
        first.communicate()
    with held(tmp_path):  # the kernel has let go of it
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/state"), held(tmp_path / "file" / "state"):
        pass
