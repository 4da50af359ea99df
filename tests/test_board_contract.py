"""What the daemon really says of boards is what docs/MQTT.md promises, field by field; and it goes when they go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from boards import HostBoard
from broker import Broker, eventually
from cable import Cable
from gateway import RATE_HZ
from speech import write_wav
from system.daemon import Daemon, settings

from edged.published import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broker import Subscriber

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
SHAPES = {"state": "board", "health": "board_health", "event": "board_event", "log": "board_log"}
"""By the last level of the topic."""
RETAINED = {"state", "health"}
SOON_S = 30.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


def said(subscriber: Subscriber, level: str) -> list[dict[str, Any]]:
    found = [message for message in tuple(subscriber.messages) if message.topic.endswith(f"/{level}")]
    return [json.loads(message.payload) for message in found if message.payload]


def table(port: Path) -> str:
    return f'[boards.attic]\nport = "{port}"\nheartbeat_s = 0.5\n'


def test_all_that_is_said_fits_its_schema(tmp_path: Path, plan: bytes, sound: Pcm, broker: Broker) -> None:
    place = tmp_path / "attic"
    place.mkdir()
    quiet = ("--watchdog-ms", "0")
    with HostBoard(place, ("--silence", *quiet)) as board, board.open() as link:
        link.install(plan)
    wav = write_wav(place / "nabu.wav", sound, rate_hz=RATE_HZ)
    with (
        broker.subscriber("edged/test/mcu/#") as subscriber,
        HostBoard(place, ("--wav", str(wav), *quiet)) as board,
        Cable(board.device, tmp_path / "cable") as cable,
        Daemon(tmp_path / "edged", settings(broker.port, table(tmp_path / "cable"), "[health]\ninterval_s = 1")),
    ):
        eventually(lambda: said(subscriber, "event"), "the word arrives", SOON_S)
        assert cable.say(b"E: it is dark here\r\n")
        eventually(lambda: said(subscriber, "log"), "what it prints arrives", SOON_S)
        eventually(lambda: len(said(subscriber, "health")) > 3, "and how it is, again and again", SOON_S)
    known = schemas()
    told = [message for message in subscriber.messages if message.payload]
    for message in told:
        *root, level = message.topic.split("/")
        body = json.loads(message.payload)
        jsonschema.Draft202012Validator(known[SHAPES[level]]).validate(body)
        assert body.keys() == known[SHAPES[level]]["properties"].keys()
        assert (root, body["gateway"], body["board"]) == (["edged", "test", "mcu", "attic"], "test", "attic")
    assert {message.topic.rpartition("/")[2] for message in told} == SHAPES.keys()
    with broker.subscriber("edged/test/mcu/#") as later:
        later.wait_for_count(2)
        assert {message.topic.rpartition("/")[2] for message in later.messages} == RETAINED


def test_a_board_that_was_taken_out_while_edged_was_stopped_is_cleared(tmp_path: Path, broker: Broker) -> None:
    topics = {f"edged/test/mcu/attic/{level}" for level in RETAINED}
    with Daemon(tmp_path / "edged", settings(broker.port, table(tmp_path / "nothing"))) as daemon:
        with broker.subscriber("edged/test/mcu/#") as subscriber:
            subscriber.wait_for(lambda got: topics <= {message.topic for message in got})
        note = tmp_path / "edged" / "state" / "retained.json"
        eventually(lambda: topics <= set(json.loads(note.read_text())["topics"]), "it is noted", SOON_S)
        daemon.kill()
    with broker.subscriber("edged/test/mcu/#") as subscriber:
        subscriber.wait_for_count(len(topics))
        with Daemon(tmp_path / "edged", settings(broker.port, "", top="find_boards = true")):
            subscriber.wait_for(lambda got: topics <= {message.topic for message in got if not message.payload})
    with broker.subscriber("edged/test/#") as later:
        later.wait_for(lambda got: any(message.topic == "edged/test/status" for message in got))
        assert not [message.topic for message in later.messages if "/mcu/" in message.topic]
