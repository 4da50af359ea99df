"""`edged model install`: another file for a model of the running daemon, between two windows, for good."""

from __future__ import annotations

import json
import shutil
import wave
from typing import TYPE_CHECKING

import pytest
from broker import Broker, eventually
from eim_peer import write_eim
from system.asking import await_source, drained, edged, vitals, windows
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import wake_word

from edged.classify.bundle import open_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


def after_silence(phrase: Path, target: Path, *, silence_s: float) -> Path:
    """The phrase, said late enough for all that is to happen before."""
    with wave.open(str(phrase)) as heard, wave.open(str(target), "wb") as made:
        made.setparams(heard.getparams())
        frame = heard.getsampwidth() * heard.getnchannels()
        made.writeframes(bytes(frame * round(silence_s * heard.getframerate())) + heard.readframes(heard.getnframes()))
    return target


@pytest.mark.slow
def test_an_installed_model_loses_no_window_and_stays(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    """The config names a model that hears nothing here; the installed one hears the word, also after a restart."""
    new = wake_word("okay_nabu")
    phrase = after_silence(phrase, tmp_path / "late.wav", silence_s=12)
    config = settings(broker.port, file_source(phrase), model(wake_word("hey_mycroft")))
    with broker.subscriber() as subscriber, Daemon(tmp_path / "edged", config) as daemon:
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > 0, "it hears")
        for _ in range(2):
            said = edged("model", "install", "word", new, "--config", daemon.file)
        assert open_bundle(new).sha256[:12] in said
        numbers = await_source(daemon, "sample")
        assert numbers["models"]["sample/word"]["windows"] == windows(daemon.file, "word", phrase)
        assert numbers["models"]["sample/word"]["dropped_s"] == 0
        edged("reload", "--config", daemon.file)  # installed, not changed: the recording, heard already, stays heard
        assert vitals(daemon)["sources"]["sample"]["state"] == "ended"
        assert daemon.stop() == 0
        daemon.start()
        await_source(daemon, "sample")
        eventually(lambda: drained(daemon), "the broker has all of it")
        heard = events(subscriber.messages)
    assert [event["label"] for event in heard] == ["okay_nabu", "okay_nabu"]
    assert {event["model"]["sha256"] for event in heard} == {open_bundle(new).sha256}
    assert [path.name for path in sorted((daemon.folder / "state/models").iterdir())] == ["word-2", "word.json"]


def test_a_broken_model_is_refused_and_the_old_one_runs_on(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    good = wake_word("okay_nabu")
    shutil.copy(good, broken)
    (broken / "okay_nabu.tflite").write_bytes(good.with_suffix(".tflite").read_bytes()[:5000])
    config = settings(broker.port, file_source(phrase, loop=True), model(good))
    with broker.subscriber() as subscriber, Daemon(tmp_path / "edged", config) as daemon:
        assert str(broken / "okay_nabu.tflite") in edged(
            "model", "install", "word", broken / "okay_nabu.json", "--config", daemon.file, code=2
        )
        assert "there is no such model" in edged(
            "model", "install", "word", tmp_path / "none.json", "--config", daemon.file, code=2
        )
        assert "Name any of word" in edged("model", "install", "wort", good, "--config", daemon.file, code=2)
        assert not (daemon.folder / "state/models").exists()
        said = edged("model", "list", "--config", daemon.file)
        assert "word: running since 20" in said
        assert str(good) in said
        assert open_bundle(good).sha256 in said
        states = [json.loads(payload)["state"] for payload in subscriber.payloads("edged/test/model/word/state")]
        assert "failed" not in states
        counted = vitals(daemon)["models"]["sample/word"]["windows"]
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > counted, "the old one hears on")


@pytest.mark.slow
def test_a_dead_process_does_not_replace_a_living_model(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    """What may come back is no user's mistake: exit 1."""
    dead = tmp_path / "dead.eim"
    dead.write_text("#!/bin/sh\nexit 3\n")
    dead.chmod(0o755)
    config = settings(broker.port, file_source(phrase, loop=True), model(wake_word("okay_nabu")))
    with Daemon(tmp_path / "edged", config) as daemon:
        said = edged("model", "install", "word", dead, "--config", daemon.file, code=1)
        assert "dead.eim: the model ended: exit status 3" in said
        counted = vitals(daemon)["models"]["sample/word"]["windows"]
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > counted, "the old one hears on")


@pytest.mark.slow
def test_a_process_that_dies_on_trial_is_rolled_back(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    """It comes up, and dies of its second window: the model before it is back, though its windows are others."""
    old = wake_word("okay_nabu")
    config = settings(broker.port, file_source(phrase, loop=True), model(old))
    with broker.subscriber() as subscriber, Daemon(tmp_path / "edged", config) as daemon:
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > 0, "it hears")
        dying = write_eim(tmp_path / "dying.eim", "die", at=2)
        said = edged("model", "install", "word", dying, "--config", daemon.file, code=1)
        assert "dying.eim: is rolled back, for it failed in its first 3 windows" in said
        counted = vitals(daemon)["models"]["sample/word"]["windows"]
        eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > counted + 50, "the old one hears on")
        assert str(old) in edged("model", "list", "--config", daemon.file)
        assert list((daemon.folder / "state/models").iterdir()) == []
        states = [json.loads(payload)["state"] for payload in subscriber.payloads("edged/test/model/word/state")]
        assert "failed" not in states
