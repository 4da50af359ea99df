"""`edged record` and the recorder on a real microphone, with and without the daemon at it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
from system.daemon import MICROPHONE, ROOT, Daemon, settings, states
from system.sound import RATE_HZ, Paced, read_wav

from edged import audio, classifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from broker import Broker, Subscriber
    from rig import Rig

pytest_plugins = ("rig_fixtures",)


@contextlib.contextmanager
def saying(rig: Rig, folder: Path) -> Iterator[None]:
    """Have "computer" said into the microphone again and again."""
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(folder / "said.wav"), "computer"], check=True)
    over = threading.Event()

    def say() -> None:
        while not over.is_set():
            rig.play(folder / "said.wav")

    thread = threading.Thread(target=say)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def edged(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edged", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_missions_example(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    with saying(rig, tmp_path):
        recorder = audio.Recorder()
        recorder.record("sample.wav", length=2000)
    result = classifier.classify("sample.wav")
    assert result["label"] == "computer"
    assert result["confidence"] > 0.7
    assert len(read_wav(tmp_path / "sample.wav")) == 2 * RATE_HZ


def test_a_device_is_recorded_and_how_loud_it_is_is_said(rig: Rig, tmp_path: Path) -> None:
    with saying(rig, tmp_path):
        done = edged("record", tmp_path / "x.wav", "--length", "1500", "--device", "name:mic")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_wav(tmp_path / "x.wav")) == 1.5 * RATE_HZ
    found = re.fullmatch(r"(.*): 1.5 s, (-\d+\.\d) dBFS in its loudest second\n", done.stdout)
    assert found is not None, done.stdout
    assert found[1] == str(tmp_path / "x.wav")
    assert -40 < float(found[2]) < -10


def test_a_muted_microphone_is_recorded_and_said(rig: Rig, tmp_path: Path) -> None:
    rig.mute(muted=True)
    done = edged("record", tmp_path / "x.wav", "--length", "100")
    assert done.returncode == 0
    assert "digital silence. Is the microphone muted?" in done.stdout
    assert not read_wav(tmp_path / "x.wav").any()


def test_a_clipped_microphone_is_recorded_and_said(pipe_rig: Rig, tmp_path: Path) -> None:
    loud = np.sign(np.sin(np.arange(10 * RATE_HZ) / 10)) * 32767
    with Paced(pipe_rig.fifo) as air:
        air.play(loud.astype(np.int16))
        done = edged("record", tmp_path / "x.wav", "--length", "500")
    assert done.returncode == 0, done.stderr
    assert "clipped. Is the microphone turned up too far?" in done.stdout


def test_a_source_is_recorded_while_the_daemon_holds_the_microphone(
    pipe_rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 10 * RATE_HZ).astype(np.int16)
    with Paced(pipe_rig.fifo) as air, Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        air.play(noise)
        record = ("record", tmp_path / "x.wav", "--config", daemon.file)
        done = edged(*record, "--source", "mic", "--length", "1000")
        assert (done.returncode, done.stderr) == (0, "")
        assert "x.wav: 1 s, -20.8 dBFS in its loudest second" in done.stdout
        heard = read_wav(tmp_path / "x.wav")
        assert len(heard) == RATE_HZ
        assert heard.tobytes() in noise.tobytes(), "what was recorded is not what was played"

        wrong = edged(*record, "--source", "cellar")
        assert wrong.returncode == 2
        assert "source = 'cellar': there is no such source. Name any of mic." in wrong.stderr

        pipe_rig.kill_server()
        subscriber.wait_for(lambda messages: states(messages)[-1:] and states(messages)[-1][1] == "absent")
        away = edged(*record, "--source", "mic")
        assert away.returncode == 1
        assert "mic has delivered nothing for 4 s; deaf: mic absent since" in away.stderr
        daemon.stop()
    nobody = edged(*record, "--source", "mic")
    assert nobody.returncode == 1
    assert "no daemon answers" in nobody.stderr
    assert heard.tobytes() == read_wav(tmp_path / "x.wav").tobytes(), "a recording that failed left something"


def test_what_cannot_be_recorded_is_said(rig: Rig, tmp_path: Path) -> None:
    absent = edged("record", tmp_path / "x.wav", "--device", "name:other")
    assert (absent.returncode, list(tmp_path.glob("*x.wav*"))) == (1, [])
    assert "name:other: no such device; there are:" in absent.stderr
    assert "name:mic" in absent.stderr
    nowhere = edged("record", tmp_path / "no" / "x.wav")
    assert nowhere.returncode == 2
    assert str(tmp_path / "no" / "x.wav") in nowhere.stderr
    assert edged("record", tmp_path / "x.wav", "--device", "3").returncode == 2
    assert edged("record", tmp_path / "x.wav", "--length", "0").returncode == 2
    rig.kill_server()
    assert edged("record", tmp_path / "x.wav").returncode == 1
