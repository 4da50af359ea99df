"""The daemon keeps the sound around what it hears: a dataset, private, bounded, switched on and off while it runs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from broker import eventually
from rig import report
from system.asking import await_source, edged, vitals, windows
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import wake_word

from edged.workshop.dataset import read_audio, read_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker, Subscriber

WORD = model(wake_word("okay_nabu"))
KEEP = "[clips]\nkeep = true\n"


def clips(daemon: Daemon) -> Path:
    return daemon.folder / "state" / "clips"


def test_the_sound_around_an_event_is_kept(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber
) -> None:
    """The clip, put through the same model, is the same event; and a training set."""
    with Daemon(tmp_path / "edged", settings(broker.port, file_source(phrase), WORD, KEEP)) as daemon:
        await_source(daemon, "sample")
        eventually(lambda: (vitals(daemon)["clips"] or {}).get("kept"), "a clip is kept")
        told = vitals(daemon)["clips"]
        assert f"clips    ok: {told['kept']} kept, 0.1 MB; 0 dropped to make room, 0 lost" in edged(
            "status", "--config", daemon.file
        )
        [clip] = [clip for clip in read_dataset(clips(daemon)).clips if not clip.is_background]
        assert (clip.label, clip.source, clip.licence) == ("okay_nabu", "sample", "private")
        assert clip.group.startswith("test-20")
        assert clips(daemon).stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in clips(daemon).iterdir()} == {0o600}
        heard = edged("replay", clip.path, "--config", daemon.file, "--json")
        [again] = [json.loads(line) for line in heard.splitlines()]
        assert again["label"] == "okay_nabu"
        assert abs(again["at_s"] - 2.0) < 0.3, "the moment of decision lies after the pre-roll of 2 s"
    [event] = events(subscriber.messages)
    assert event["label"] == "okay_nabu"
    added = json.loads(edged("collect", tmp_path / "set", "--from", clips(daemon), "--json"))
    assert added["labels"]["okay_nabu"]["groups"] == 1


def test_a_near_miss_is_kept_and_published_nowhere(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber
) -> None:
    deaf = model(wake_word("okay_nabu"), more="policy = { threshold = 1.0 }")
    with Daemon(tmp_path / "edged", settings(broker.port, file_source(phrase), deaf, KEEP)) as daemon:
        await_source(daemon, "sample")
        eventually(lambda: (vitals(daemon)["clips"] or {}).get("kept"), "a near miss is kept")
        [clip] = read_dataset(clips(daemon)).clips
        assert clip.label == "_near_miss_"
        assert len(read_audio(clip)) > 16_000
    assert events(subscriber.messages) == []
    assert not [message for message in subscriber.messages if "near" in message.topic]


@pytest.mark.slow
def test_a_reload_switches_it_on_and_off_and_no_window_is_lost(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    off = settings(broker.port, file_source(phrase, name="once"), file_source(phrase, name="again", loop=True), WORD)
    with Daemon(tmp_path / "edged", off) as daemon:
        assert vitals(daemon)["clips"] is None
        assert not clips(daemon).exists()
        for _ in range(2):
            daemon.file.write_text(off + KEEP)
            edged("reload", "--config", daemon.file)
            daemon.file.write_text(off)
            edged("reload", "--config", daemon.file)
        daemon.file.write_text(off + KEEP + "quota_mb = 1\n")
        edged("reload", "--config", daemon.file)
        numbers = await_source(daemon, "once")
        assert numbers["models"]["once/word"]["windows"] == windows(daemon.file, "word", phrase)
        before = numbers["clips"]["kept"]
        eventually(lambda: vitals(daemon)["clips"]["kept"] > before, "clips are kept", 20)
        daemon.file.write_text(off)
        edged("reload", "--config", daemon.file)
        kept = len(list(clips(daemon).iterdir()))
        assert vitals(daemon)["clips"] is None
        time.sleep(5)
        assert len(list(clips(daemon).iterdir())) == kept, "it was switched off, and went on"
        (clips(daemon)).rename(tmp_path / "moved")
        clips(daemon).write_text("a file")
        daemon.file.write_text(off + KEEP)
        said = edged("reload", "--config", daemon.file, code=2)
        assert f"{clips(daemon)}: clips.keep = true: clips cannot be kept in it" in said
        assert vitals(daemon)["clips"] is None


@pytest.mark.slow
def test_it_weighs_next_to_nothing(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    config = settings(broker.port, file_source(phrase, loop=True), WORD)
    weights = []
    for folder, more in (("off", ""), ("on", KEEP)):
        with Daemon(tmp_path / folder, config + more) as daemon:
            eventually(lambda: vitals(daemon)["models"]["sample/word"]["windows"] > 100, "it hears")
            weights.append(daemon.rss_bytes)
    report(f"RSS {weights[0] / 2**20:.1f} MiB without clips, {weights[1] / 2**20:.1f} MiB with")
    assert weights[1] - weights[0] < 6 * 2**20
