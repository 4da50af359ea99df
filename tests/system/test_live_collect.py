"""`edged collect` at a real microphone, by itself and through the daemon that holds it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from spoken import okay_nabu
from system.daemon import MICROPHONE, ROOT, Daemon, settings
from system.sound import RATE_HZ, Paced

from edged.workshop.dataset import read_audio, read_dataset
from edged.workshop.take import SAME, correlation

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker
    from rig import Rig

    from edged.records import Pcm

pytest_plugins = ("rig_fixtures",)


def takes() -> list[Pcm]:
    """Three takes of a phrase at three speeds, so that none is another's audio; one of them clipped, one twice."""
    said = okay_nabu().astype(float) / 3
    first, second, third = (
        np.interp(np.arange(0, len(said) - 1, speed), np.arange(len(said)), said) for speed in (1.0, 0.93, 1.08)
    )
    clipped = np.clip(second * 40, -32768, 32767)
    return [take.astype(np.int16) for take in (first, clipped, first, second, third)]


def said(*, pause_s: float = 1.5) -> Pcm:
    rng = np.random.default_rng(1)
    quiet = rng.normal(0, 15, round(pause_s * RATE_HZ)).astype(np.int16)
    return np.concatenate([quiet, quiet, *(part for take in takes() for part in (take, quiet))])


def collected(air: Paced, *words: object) -> subprocess.CompletedProcess[str]:
    """Collect, while somebody speaks as soon as a take is asked for."""
    command = [sys.executable, "-m", "edged", "collect", *map(str, words), "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    assert process.stderr is not None
    assert process.stdout is not None
    errors = process.stderr

    def listen() -> None:
        for line in errors:
            if not lines:
                air.play(np.concatenate([said()] * 3))  # a busy machine may lose a piece, and the take with it
            lines.append(line)

    thread = threading.Thread(target=listen)
    thread.start()
    out = process.stdout.read()
    code = process.wait(60)
    thread.join(10)
    return subprocess.CompletedProcess(command, code, out, "".join(lines))


SPEAKER = ("--label", "okay nabu", "--group", "ann", "--licence", "private", "--count", "3")


def is_whole(folder: Path) -> None:
    clips = read_dataset(folder).clips
    assert [(clip.label, clip.speaker) for clip in clips] == [("okay nabu", ("own recordings", "ann"))] * 3
    first, _, _, second, third = takes()
    for take in (first, second, third):
        [heard] = [heard for heard in map(read_audio, clips) if correlation(heard, take) > SAME]
        assert len(heard) < len(take) + RATE_HZ * 0.6, "silence was left in it"


@pytest.mark.slow
def test_takes_are_said_through_the_daemon_that_holds_the_microphone(
    pipe_rig: Rig, broker: Broker, tmp_path: Path
) -> None:
    with Paced(pipe_rig.fifo) as air, Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        done = collected(air, tmp_path / "set", *SPEAKER, "--source", "mic", "--config", daemon.file)
        assert done.returncode == 0, done.stderr
        wrong = collected(air, tmp_path / "set", *SPEAKER, "--source", "cellar", "--config", daemon.file)
        assert wrong.returncode == 2
    told = json.loads(done.stdout)
    assert told["kept"] == 3
    assert {each["why"].partition(":")[0].partition(" as ")[0] for each in told["refused"]} == {
        "clipped",
        "the same audio",
    }
    asked = [line.partition("  ")[0] for line in done.stderr.splitlines() if "say:" in line]
    assert (asked[0], asked[-1], len(asked)) == ("1 of 3", "3 of 3", 3 + len(told["refused"]))
    is_whole(tmp_path / "set")


@pytest.mark.slow
def test_takes_are_said_into_a_microphone_of_ones_own(pipe_rig: Rig, tmp_path: Path) -> None:
    with Paced(pipe_rig.fifo) as air:
        done = collected(air, tmp_path / "set", *SPEAKER, "--device", "name:mic")
    assert done.returncode == 0, done.stderr
    is_whole(tmp_path / "set")


def test_a_microphone_that_is_not_there_leaves_nothing(pipe_rig: Rig, tmp_path: Path) -> None:
    with Paced(pipe_rig.fifo) as air:
        done = collected(air, tmp_path / "set", *SPEAKER, "--device", "name:other")
    assert done.returncode == 1
    assert "name:other: no such device" in done.stderr
    assert not (tmp_path / "set").exists()
