"""What a killed daemon left ON at the broker does not stay there when its successor knows nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker import Broker, Subscriber, eventually
from eim_peer import write_eim
from system.daemon import Daemon, file_source, model, settings
from system.sound import wake_word

if TYPE_CHECKING:
    from pathlib import Path

LASTING = "policy = { kind = 'sound', threshold = 0.5, release = 0.001 }"
LOUD = "background = ['quiet']\npolicy = { kind = 'sound', threshold = 0.02, release = 0.001, mean_of = 1 }"


def kept(broker: Broker) -> dict[str, bytes]:
    """What somebody who comes now is told of the room and the models."""
    with broker.subscriber() as newcomer:
        newcomer._client.publish("that was all", qos=1)
        newcomer.wait_for(lambda got: any(message.topic == "that was all" for message in got))
        return {each.topic.removeprefix("edged/test/"): each.payload for each in newcomer.messages if each.retain}


def kill_while_on(daemon: Daemon, subscriber: Subscriber, topic: str) -> None:
    """End it at once when it has said ON; nobody says OFF then."""
    subscriber.wait_for(lambda got: any((each.topic, each.payload) == (f"edged/test/{topic}", b"ON") for each in got))
    daemon.kill()


def test_a_label_of_a_model_that_is_gone_is_cleared(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber
) -> None:
    source = file_source(phrase, loop=True)
    old, new = "sound/sample/old/okay_nabu", "sound/sample/new/okay_nabu"
    with Daemon(
        tmp_path / "edged", settings(broker.port, source, model(wake_word("okay_nabu"), name="old", more=LASTING))
    ) as daemon:
        kill_while_on(daemon, subscriber, old)
        assert kept(broker)[old] == b"ON"
        daemon.file.write_text(settings(broker.port, source, model(wake_word("okay_nabu"), name="new")))
        daemon.start()
        eventually(lambda: not {old, "model/old/state"} & kept(broker).keys(), "what the old model said is cleared")
        assert {"status", "health", "sound/sample/state", "model/new/state", new} == kept(broker).keys()


def test_a_label_of_a_model_that_does_not_come_up_is_cleared(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber
) -> None:
    eim, label = write_eim(tmp_path / "odd.eim"), "sound/sample/odd/loud"
    tables = file_source(phrase, loop=True), model(eim, name="odd", more=LOUD)
    with Daemon(tmp_path / "edged", settings(broker.port, *tables)) as daemon:
        kill_while_on(daemon, subscriber, label)
        assert kept(broker)[label] == b"ON"
        write_eim(eim, "dead at start")
        daemon.start()
        eventually(lambda: label not in kept(broker), "nobody knows whether it is on")
        write_eim(tmp_path / "mended.eim").replace(eim)
        eventually(lambda: label in kept(broker), "it is said again when the model runs")
