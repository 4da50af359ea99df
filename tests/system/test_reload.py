"""A new config while the daemon runs: what has not changed goes on undisturbed, and a bad one changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broker import Broker, Subscriber, eventually
from system.asking import await_source, edged, published, replayed, vitals, windows
from system.daemon import Daemon, events, file_source, model, settings, states
from system.sound import wake_word

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = model(wake_word("okay_nabu"))
SAID = ("status", "health", "sound/sample/state", "sound/sample/word/okay_nabu", "model/word/state")
OTHER = model(wake_word("hey_jarvis"), name="other", more="sources = ['second']")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


def retained(broker: Broker) -> set[str]:
    """Give the topics on which the broker keeps something: all that comes before what is said after subscribing."""
    with broker.subscriber() as newcomer:
        newcomer._client.publish("that was all", qos=1)
        newcomer.wait_for(lambda got: any(message.topic == "that was all" for message in got))
        return {message.topic for message in newcomer.messages if message.retain}


def test_sources_and_models_come_and_go(tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber) -> None:
    """While the first source plays, a second comes with a model of its own, and goes: the first loses no window."""
    first, second = file_source(phrase, name="first"), file_source(phrase, name="second", loop=True)
    alone = settings(broker.port, first, WORD)
    with Daemon(tmp_path / "edged", alone) as daemon:
        daemon.file.write_text(settings(broker.port, first, second, WORD, OTHER))
        assert "hearing first, second" in edged("reload", "--config", daemon.file)
        eventually(lambda: states(subscriber.messages, "second"), "the second is said to hear")
        eventually(lambda: vitals(daemon)["models"]["second/other"]["windows"], "the new model hears it")
        assert {"edged/test/model/other/state", "edged/test/sound/second/other/hey_jarvis"} <= retained(broker)
        daemon.file.write_text(alone)
        edged("reload", "--config", daemon.file)
        eventually(lambda: not {topic for topic in retained(broker) if "second" in topic or "other" in topic}, "clear")
        numbers = await_source(daemon, "first")
        assert list(numbers["sources"]) == ["first"]
        assert numbers["models"]["first/word"]["windows"] == windows(daemon.file, "word", phrase)
        expected = replayed(daemon.file, {"first": phrase})
        eventually(lambda: len(events(subscriber.messages)) >= len(expected), "the word has arrived")
    heard = published(events(subscriber.messages))
    assert heard["first", "word"] == expected["first", "word"]
    assert [state for _, state in states(subscriber.messages, "first")] == ["hearing", "ended"]
    assert "edged/test/sound/first/word/okay_nabu" in retained(broker)


def test_health_comes_at_its_new_interval_at_once(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber
) -> None:
    slow = settings(broker.port, file_source(phrase, loop=True), WORD, "[health]\ninterval_s = 86400")
    with Daemon(tmp_path / "edged", slow) as daemon:
        daemon.file.write_text(slow.replace("86400", "1"))
        edged("reload", "--config", daemon.file)

        def reports() -> int:
            return sum(message.topic.endswith("/health") for message in subscriber.messages)

        before = reports()
        eventually(lambda: reports() >= before + 2, "health comes every second")


def test_a_place_that_cannot_be_looked_at_does_not_end_it(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    good = settings(broker.port, file_source(phrase, loop=True), WORD)
    far = tmp_path / ("n" * 300 + ".tflite")
    with Daemon(tmp_path / "edged", good) as daemon:
        daemon.file.write_text(good + model(far, name="far"))
        assert "cannot be looked at" in edged("reload", "--config", daemon.file, code=2)
        assert "cannot be looked at" in edged("model", "install", "word", str(far), "--config", daemon.file, code=2)
        daemon.file.write_text(good)
        assert "hearing sample" in edged("reload", "--config", daemon.file)


def test_a_bad_config_changes_nothing(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    good = settings(broker.port, file_source(phrase, name="first", loop=True), WORD)
    with Daemon(tmp_path / "edged", good) as daemon:
        daemon.file.write_text(good.replace("paced", "pased"))
        said = edged("reload", "--config", daemon.file, code=2)
        assert f"{daemon.file}: sources.first.pased" in said
        assert "paced" in said.replace(str(daemon.file), "")
        daemon.reload(good + model(tmp_path / "none.json", name="gone"))
        eventually(lambda: f"models.gone.path = '{tmp_path / 'none.json'}'" in daemon.log, "the log names it")
        daemon.file.write_text(good.replace('state_dir = "state"', 'state_dir = "elsewhere"'))
        assert "state_dir" in edged("reload", "--config", daemon.file, code=2)
        assert daemon.log.count("the old config goes on running") == 3
        before = vitals(daemon)["models"]["first/word"]
        eventually(lambda: vitals(daemon)["models"]["first/word"]["windows"] > before["windows"], "it hears on")
        assert before["state"] == "running"


@pytest.mark.slow
def test_another_broker(tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber) -> None:
    """What was said at the first is taken back; at the second all is said at once."""
    with Daemon(tmp_path / "edged", settings(broker.port, file_source(phrase, loop=True), WORD)) as daemon:
        eventually(lambda: "edged/test/model/word/state" in retained(broker), "it speaks to the first")
        with Broker(tmp_path / "second") as second, second.subscriber() as newcomer:
            daemon.reload(settings(second.port, file_source(phrase, loop=True), WORD))
            newcomer.wait_for(lambda got: {f"edged/test/{topic}" for topic in SAID} <= {each.topic for each in got})
            eventually(lambda: retained(broker) <= {"edged/test/status", "edged/test/health"}, "the first is cleared")
            assert json.loads(subscriber.payloads("edged/test/status")[-1])["state"] == "offline"
            eventually(lambda: events(newcomer.messages), "events arrive at the second")


def test_a_second_daemon_is_refused(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    with Daemon(tmp_path / "edged", settings(broker.port, file_source(phrase, loop=True), WORD)) as daemon:
        said = edged("run", "--config", daemon.file, code=2)
        assert f"{daemon.file}: state_dir = '{daemon.folder / 'state'}': is held by another edged" in said
        assert str(daemon.pid) in said
        assert vitals(daemon)["sources"]["sample"]["state"] == "hearing"


def test_nothing_of_pydantic_stays_in_the_daemon(tmp_path: Path, phrase: Path, broker: Broker) -> None:
    """Neither at the start nor by a reload, with a policy of the config's own."""
    tuned = model(wake_word("okay_nabu"), more="policy = { threshold = 0.9 }\npolicies.okay_nabu = { mean_of = 3 }")
    config = settings(broker.port, file_source(phrase, loop=True), tuned)
    with Daemon(tmp_path / "edged", config) as daemon:
        daemon.file.write_text(config.replace("0.9", "0.8"))
        assert "hearing sample" in edged("reload", "--config", daemon.file)
        mapped = Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
        assert "_multiarray_umath" in mapped  # NumPy's: what is loaded is seen here
        assert "pydantic" not in mapped
        assert len(daemon.processes) == 1
