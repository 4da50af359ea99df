"""Several sources, several models, one daemon: each pair decides what a replay of that pair alone decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from broker import Broker, eventually
from eim_peer import write_eim
from speech import spoken
from system.asking import await_source, drained, edged, published, replayed, vitals, windows
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import joined, wake_word, write_wav

if TYPE_CHECKING:
    from pathlib import Path

LOUD = "hop_ms = 50\nbackground = ['quiet']\npolicy = { kind = 'sound', threshold = 0.02, release = 0.01, mean_of = 2 }"
YES_NO = """
labels = ["silence", "unknown", "yes", "no"]
background = ["silence", "unknown"]
front_end = { name = "micro", every = 2 }
hop_ms = 100
policy = { threshold = 0.5, mean_of = 2, kind = "sound", update_s = 0.2 }
"""


def held_against_replay(folder: Path, tables: list[str], recordings: dict[str, Path], *, pairs: int) -> None:
    """Let a daemon hear each recording to its end, and hold events and windows of each pair against a replay's."""
    with Broker(folder / "broker") as broker, broker.subscriber() as subscriber:
        with Daemon(folder / "edged", settings(broker.port, *tables)) as daemon:
            for source in recordings:
                await_source(daemon, source)
            eventually(lambda: drained(daemon), "the broker has all of it")
            numbers = vitals(daemon)
            told = json.loads(edged("status", "--json", "--config", daemon.file))["vitals"]
        heard = published(events(subscriber.messages))
    expected = replayed(daemon.file, recordings)
    assert len(expected) == pairs, "the recordings are of no use for this test"
    assert heard == expected
    assert told["models"] == numbers["models"]
    for pair, health in numbers["models"].items():
        source, name = pair.split("/")
        assert health["dropped_s"] == 0
        assert health["windows"] == windows(daemon.file, name, recordings[source]) > 0


@pytest.mark.parametrize("paced", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_pair_hears_as_if_alone(tmp_path: Path, okay_nabu: Path, *, paced: bool) -> None:
    """One model hears 30 ms after 30 ms, the other 250 ms every 50; one source has 22,050 samples a second."""
    other = spoken(tmp_path / "other.wav", [("hey jarvis", "en-us"), ("okay nabu", "en-us")])
    tables = [
        file_source(okay_nabu, name="kitchen", paced=paced),
        file_source(other, name="cellar", paced=paced),
        model(wake_word("okay_nabu")),
        model(write_eim(tmp_path / "loud.eim"), name="loud", more=LOUD),
    ]
    held_against_replay(tmp_path, tables, {"kitchen": okay_nabu, "cellar": other}, pairs=4)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("paced", [False, True])
def test_each_pair_hears_real_voices_as_if_alone(tmp_path: Path, shared: Path, *, paced: bool) -> None:
    """A streaming wake word, and a second of sound every 100 ms, on words that people said."""
    clips = sorted((shared / "data/wakewords/alexa").glob("*.flac"))
    first = write_wav(tmp_path / "first.wav", joined(clips[:4]))
    yes, no = (shared / f"models/wav/{word}_1000ms.wav" for word in ("yes", "no"))
    second = write_wav(tmp_path / "second.wav", joined([clips[4], yes, clips[5], no, yes]))
    tables = [
        file_source(first, name="first", paced=paced),
        file_source(second, name="second", paced=paced),
        model(wake_word("alexa"), name="alexa"),
        model(shared / "models/micro_speech_quantized.tflite", name="yes-no", more=YES_NO),
    ]
    held_against_replay(tmp_path, tables, {"first": first, "second": second}, pairs=4)
