"""Boards with other firmware on the whole daemon: what they hear arrives like anything else, and no key does."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from broker import Broker, eventually
from cable import Cable
from ei_board import SECRETS, EiBoard
from system.asking import edged
from system.daemon import Daemon, settings
from text_rig import Sketch

from edged.control.client import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from broker import Subscriber

SOON_S = 40.0
NOISE, YES = {"_noise": 0.99219, "yes": 0.00781}, {"_noise": 0.08984, "yes": 0.91016}
SESSION = (NOISE, NOISE, YES, YES, NOISE, YES, NOISE)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


def table(name: str, port: Path, driver: str, more: str = "") -> str:
    return f'[boards.{name}]\nport = "{port}"\ndriver = "{driver}"\nheartbeat_s = 0.5\nrefractory_s = 0\n{more}\n'


def said(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    found = [message for message in tuple(subscriber.messages) if message.topic == f"edged/test/mcu/{topic}"]
    return [json.loads(message.payload) for message in found if message.payload and not message.retain]


def heard(subscriber: Subscriber, board: str) -> list[tuple[str, str, float]]:
    return [(event["kind"], event["label"], event["score"]) for event in said(subscriber, f"{board}/event")]


def test_three_boards_that_speak_otherwise_arrive_alike(tmp_path: Path, broker: Broker, subscriber: Subscriber) -> None:
    """Stock firmware in the old format and in the new, and a sketch, which floods, is unplugged, and comes back."""
    old = EiBoard(SESSION, "old", waits=True, every_s=0.2)
    new = EiBoard(SESSION, "new", waits=False, every_s=0.2, seed=2)
    with old, new, Sketch() as sketch, Cable(sketch.path, tmp_path / "cable") as cable:
        config = settings(
            broker.port,
            table("old", old.path, "edge-impulse"),
            table("new", new.path, "edge-impulse", 'uid = "3C:61:05:11:D6:EC"'),
            table("sketch", tmp_path / "cable", "lines", 'labels = ["dog"]\nthreshold = 0.8'),
            "[health]\ninterval_s = 1",
        )
        with Daemon(tmp_path / "edged", config) as daemon:

            def printed(*lines: str) -> None:
                asyncio.run(sketch.print(*lines))

            def in_time(true: Callable[[], object], what: str) -> None:
                eventually(true, f"{what}; the log:\n{daemon.log}", SOON_S)

            def state() -> str:
                return str((said(subscriber, "sketch/state") or [{"state": "unknown"}])[-1]["state"])

            in_time(lambda: state() == "up", "it is up")
            printed("booting", "dog: 0.7", "dog: 0.93", "cat: 0.99", '{"event": "dog", "score": 0.5}', "battery low")
            words = [("detection", "yes", 0.9102)] * 2
            in_time(lambda: heard(subscriber, "old") == heard(subscriber, "new") == words, "words arrive")
            dogs = [("detection", "dog", 0.93), ("detection", "dog", 0.5)]
            in_time(lambda: heard(subscriber, "sketch") == dogs, "the dog arrives")
            in_time(
                lambda: [line["line"] for line in said(subscriber, "sketch/log")][-1:] == ["battery low"],
                "so does its log",
            )
            asyncio.run(sketch.send(b"U" * 1_000_000 + b"\n"))
            cable.unplug()
            in_time(lambda: state() == "absent", "its loss is said")
            cable.plug()
            in_time(lambda: state() == "up", "its return is said")
            printed("booting", "dog: 0.9")
            in_time(lambda: len(heard(subscriber, "sketch")) == len(dogs) + 1, "it is heard again")
            told = {board["name"]: board for board in call(daemon.control_socket, "boards")["boards"]}
            status = edged("status", "--config", daemon.file)
            in_time(
                lambda: said(subscriber, "old/health")[-1:] and said(subscriber, "old/health")[-1]["inferences"],
                "health",
            )
        assert not old.running
        assert not new.running, "edged has it stop before it goes"
    for event in said(subscriber, "old/event") + said(subscriber, "sketch/event"):
        assert (event["error_ms"], event["number"], event["board_boot"]) == (None, None, None)
    health = said(subscriber, "old/health")[-1]
    assert (health["features_ms"], health["inference_ms"], health["round_trip_ms"]) == (16.0, 1.0, None)
    assert told["new"]["identity"]["uid"] == "3c610511d6ec"
    assert [told[name]["connections"] for name in ("old", "new", "sketch")] == [1, 1, 2]
    assert "old: up; ESPRESSIF_ESP32" in status
    assert "sketch: up; lines" in status
    everything = daemon.log + "".join(message.payload.decode() for message in tuple(subscriber.messages))
    for secret in SECRETS:
        assert secret not in everything
