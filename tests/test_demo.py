"""`edged demo`, as a stranger sees it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

WORDS = {"computer", "jarvis", "smart_mirror", "view_glass"}


def test_the_demo_shows_an_event_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "edged", "demo", "--keep", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(set(re.findall(r'"kind":"detection",.*?"label":"(\w+)"', run.stdout)) & WORDS) >= 3
    assert run.stdout.count("edged/demo/sound/sample/default/event") <= len(WORDS)
    assert '"state":"offline","reason":"stopped"' in run.stdout
    assert "edged devices" in run.stdout.split("events arrived")[1]
    assert not [process for process in psutil.process_iter() if str(folder) in " ".join(_command(process))]


def test_the_demo_of_a_board_deploys_and_hears_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "edged", "demo", "--board", "--keep", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "cellar: wake-en runs, and stays" in run.stdout
    assert len(set(re.findall(r'"kind":"detection","label":"(\w+)"', run.stdout)) & WORDS) >= 3
    assert run.stdout.count("edged/demo/mcu/cellar/event") <= len(WORDS)
    assert "edged deploy MODEL --board NAME" in run.stdout.split("events of the board arrived")[1]
    assert not [process for process in psutil.process_iter() if str(folder) in " ".join(_command(process))]


def test_without_a_compiler_the_demo_of_a_board_says_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "make").symlink_to(shutil.which("make") or "")
    command = [sys.executable, "-m", "edged", "demo", "--board"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"PATH": str(tmp_path)}
    )
    assert run.returncode == 2
    assert "--board: the demo's board is built here, and there is no gcc. Type `make setup" in run.stderr


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
