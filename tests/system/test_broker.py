"""The delivery promise, kept by the real daemon: whatever happens to the broker and to the daemon, nothing is lost.

What was committed is read where it is: in the outbox's own file, while no daemon runs.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from broker import Broker, Message, Subscriber, eventually
from certs import Authority
from system.asking import await_source, drained, edged, sequences, stored, vitals
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import wake_word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TALKATIVE = "policy = { kind = 'sound', threshold = 0.5, release = 0.1, update_s = 0.03 }"
"""A start, an end and a dozen updates for each word."""
CAP = 100
DRAIN_S = 60.0
LONG_S = 60


def arrivals(messages: list[Message]) -> list[dict[str, Any]]:
    """Every event as it came, repetitions too."""
    return [json.loads(message.payload) for message in tuple(messages) if message.topic.endswith("/event")]


def config(broker: Broker, recording: Path, *, loop: bool, paced: bool) -> str:
    """Two sources, of which the first plays once or for ever; at sound's own speed there is more to say of a word."""
    first = file_source(recording, name="first", paced=paced, loop=loop)
    second = file_source(recording, name="second", paced=paced)
    return settings(broker.port, first, second, model(wake_word("okay_nabu"), more=TALKATIVE if paced else ""))


def count(subscriber: Subscriber) -> int:
    """How many events have come, repetitions included."""
    return sum(message.topic.endswith("/event") for message in tuple(subscriber.messages))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that remembers sessions when it is restarted, and how many messages so ever."""
    with Broker(tmp_path / "broker", persistent=True, settings=("max_queued_messages 0",)) as made:
        yield made


@pytest.fixture
def keeper(broker: Broker) -> Iterator[Subscriber]:
    """A subscriber for whom the broker keeps what comes while he is away."""
    with broker.subscriber(name="keeper") as made:
        yield made


@pytest.mark.parametrize("away_s", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_every_committed_event_arrives_once_and_in_order(
    tmp_path: Path, okay_nabu: Path, broker: Broker, keeper: Subscriber, away_s: float
) -> None:
    """The broker goes, comes, goes again; while it is away the daemon is killed as by a power cut, and starts again.

    The short version plays as fast as it goes, the long one at sound's own speed.
    """
    paced = away_s >= LONG_S
    with Daemon(tmp_path / "edged", config(broker, okay_nabu, loop=True, paced=paced)) as daemon:
        eventually(lambda: count(keeper) > 20, "events arrive", DRAIN_S)
        broker.restart(away_s=away_s / 3)
        before = count(keeper)
        eventually(lambda: count(keeper) > before, "events arrive again")
        broker.stop()
        time.sleep(away_s / 3)  # the outage is what is tested
        daemon.kill()
        committed = stored(daemon.folder)
        daemon.start()
        time.sleep(away_s / 3)
        broker.start()
        daemon.reload(config(broker, okay_nabu, loop=False, paced=paced))
        await_source(daemon, "first")
        await_source(daemon, "second")
        eventually(lambda: drained(daemon), "the outbox is drained", DRAIN_S)
        lost = vitals(daemon)["outbox"]["lost"]
    written = sequences(daemon.folder)
    eventually(lambda: len(events(keeper.messages)) >= sum(written.values()), "the last ones arrive")
    came, first = arrivals(keeper.messages), events(keeper.messages)
    assert lost == 0
    assert len(committed) > 20
    assert committed.keys() <= {event["id"] for event in first}
    assert all(event["again"] for event in came if event not in first)
    for stream, last in written.items():
        found = [event["sequence"] for event in first if f"{event['source']}/{event['model']['name']}" == stream]
        assert found == list(range(1, last + 1))
    print(f"{written}; {len(committed)} committed at SIGKILL; {len(came) - len(first)} came twice")  # noqa: T201 - the numbers of this run, for whoever asks with -s


def test_at_the_cap_exactly_the_oldest_go(tmp_path: Path, okay_nabu: Path, broker: Broker) -> None:
    broker.stop()
    capped = f"[outbox]\nmax_messages = {CAP}\n[health]\ninterval_s = 1.0\n"
    one = file_source(okay_nabu, paced=False, loop=True)
    word = model(wake_word("okay_nabu"), more=TALKATIVE)
    with Daemon(tmp_path / "edged", settings(broker.port, one, word, capped)) as daemon:
        eventually(lambda: vitals(daemon)["outbox"]["lost"] > CAP, "the cap is reached", DRAIN_S)
        daemon.reload(settings(broker.port, file_source(okay_nabu, paced=False), word, capped))
        await_source(daemon, "sample")
        eventually(lambda: vitals(daemon)["outbox"]["waiting"] == 0, "all is committed")
        outbox = vitals(daemon)["outbox"]
        broker.start()
        with broker.subscriber() as subscriber:
            eventually(lambda: drained(daemon), "the outbox is drained")
            since = time.monotonic()
            subscriber.wait_for(lambda got: any(m.topic == "edged/test/health" and m.at > since for m in got))
            health = json.loads(subscriber.payloads("edged/test/health")[-1])
    written = sequences(daemon.folder)["sample/word"]
    assert outbox["depth"] == CAP
    assert [event["sequence"] for event in events(subscriber.messages)] == list(range(written - CAP + 1, written + 1))
    assert health["outbox"]["lost"] == outbox["lost"] == written - CAP


def test_a_private_ca(tmp_path: Path, okay_nabu: Path) -> None:
    """With the right one events arrive; the wrong one is named, and it takes no restart to mend it."""
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    word = model(wake_word("okay_nabu"))
    certificate = ours.sign("localhost", address="127.0.0.1")
    with (
        Broker(tmp_path / "broker", tls=certificate) as broker,
        broker.subscriber(ca=ours.file) as subscriber,
        Daemon(
            tmp_path / "edged",
            settings(broker.port, f"[mqtt.tls]\nca = '{theirs.file}'", file_source(okay_nabu, paced=False), word),
        ) as daemon,
    ):
        words = f"the certificate of 127.0.0.1:{broker.port} is not signed by the CA in {theirs.file}"
        eventually(lambda: words in daemon.log, f"the wrong CA is named: {daemon.log}")
        assert words in edged("status", "--config", daemon.file)
        await_source(daemon, "sample")
        daemon.file.write_text(daemon.file.read_text().replace(str(theirs.file), str(ours.file)))
        edged("reload", "--config", daemon.file)
        eventually(lambda: drained(daemon), "what was heard while nobody could be told has arrived")
        sources = {event["source"] for event in events(subscriber.messages)}
    assert sources == {"sample"}
