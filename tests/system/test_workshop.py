"""README's five commands, typed as they stand there, in an empty folder, with no network but loopback."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from system.daemon import Daemon, file_source, settings
from tones import tone, write_wav

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
STEPS = 300
"""Enough for doors; README's command takes the default 2000, which is two minutes on two cores."""
OFFLINE = ("unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "offline")


def commands() -> list[list[str]]:
    """The block below "Teach it your sounds"."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Teach it your sounds\n")[2]
    found = re.search(r"(?:^    edged .*\n)+", text, re.MULTILINE)
    assert found
    return [shlex.split(line) for line in found.group().splitlines()]


def typed(line: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Type it where nothing outside can be reached; returns what is printed."""
    began = time.monotonic()
    run = subprocess.run([*OFFLINE, *line], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - began:6.1f} s  {shlex.join(line)}")  # noqa: T201 - `pytest -s` shows what each one takes
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_from_an_empty_folder_to_a_deployed_model(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    typed(["python", str(ROOT / "packaging" / "sample_recordings.py"), "recordings"], tmp_path, environment)
    collect, train, optimise, evaluate, install = commands()
    assert "bell: " in typed(collect, tmp_path, environment)
    assert "fold held back" in typed([*train, "--steps", str(STEPS)], tmp_path, environment)
    assert "the firmware has no front end log-mel" in typed(optimise, tmp_path, environment)  # a model for the gateway
    said = typed(evaluate, tmp_path, environment)
    recall = re.search(r"Streams.*: ([0-9.]+) % .* recognised", said)
    assert recall
    assert float(recall.group(1)) > 80
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")
    write_wav(tmp_path / "room.wav", tone(0.0, rng=np.random.default_rng(0), seconds=4))
    text = settings(1, file_source(tmp_path / "room.wav", loop=True))
    with Daemon(tmp_path, text) as daemon:
        told = typed([*install[:-1], str(daemon.file)], tmp_path, environment)
        assert "default now runs from" in told
        listed = typed(["edged", "model", "list", "--config", str(daemon.file), "--json"], tmp_path, environment)
        assert "whistle" in listed
