"""A board on the whole daemon: what it hears arrives at a subscriber, and who asks is told how it is."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from boards import HostBoard
from broker import Broker, eventually
from cable import Cable
from gateway import RATE_HZ
from speech import write_wav
from system.asking import edged
from system.daemon import Daemon, events, settings
from watch_rig import pull

from edged.control.client import call, stream
from edged.errors import Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from broker import Subscriber

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
NABU = "okay_nabu"
UID = "5a" * 12
SILENT = ("--silence", "--watchdog-ms", "0", "--uid", UID)
"""A busy machine must not be a board that hangs."""
SOON_S = 30.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for a board."""
    (tmp_path / "attic").mkdir()
    return tmp_path / "attic"


def board_table(board: HostBoard, *, name: str = "attic", more: str = "") -> str:
    return f'[boards.{name}]\nport = "{board.device}"\nheartbeat_s = 0.5\n{more}\n'


def boards(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {board["name"]: board for board in call(daemon.control_socket, "boards")["boards"]}


def in_time(true: Callable[[], object], what: str) -> None:
    eventually(true, what, SOON_S)


def said(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    """What was said on a topic of a board since we came, without clearings."""
    found = [message for message in tuple(subscriber.messages) if message.topic == f"edged/test/mcu/{topic}"]
    return [json.loads(message.payload) for message in found if message.payload and not message.retain]


def test_a_word_that_a_board_hears_arrives(
    place: Path, plan: bytes, sound: Pcm, broker: Broker, subscriber: Subscriber
) -> None:
    """A config without sources; the board is not there when the daemon starts, and comes with the word in the air."""
    board = HostBoard(place, SILENT)
    with board, board.open() as link:
        link.install(plan)
    board.device.unlink()
    wav = write_wav(place / "nabu.wav", sound, rate_hz=RATE_HZ)
    with Daemon(place / "edged", settings(broker.port, board_table(board)), watchdog_s=2.0) as daemon:
        assert "boards away: attic absent" in daemon.status
        heard = HostBoard(place, ("--wav", str(wav), *SILENT[1:]))
        before_ns = time.time_ns()
        with heard:
            in_time(lambda: said(subscriber, "attic/event"), f"the word arrives; the log:\n{daemon.log}")
            after_ns = time.time_ns()
            told = boards(daemon)["attic"]
            assert call(daemon.control_socket, "models")["models"] == []  # there is no source that one would hear
            words = edged("status", "--config", daemon.file)
            daemon.wait_told("WATCHDOG", since=time.monotonic() - 1)
            pull(heard)
        in_time(lambda: said(subscriber, "attic/state")[-1]["state"] == "absent", "its loss is said")
    (event,) = events(subscriber.messages)
    assert (event["board"], event["label"], event["kind"], event["uid"]) == ("attic", NABU, "detection", UID)
    assert (event["board_boot"], event["number"], event["sequence"], event["late"]) == (
        told["identity"]["boot"],
        1,
        1,
        False,
    )
    assert before_ns < event["at_ns"] < after_ns
    assert 1.0 <= event["error_ms"] < 5000
    assert [state["state"] for state in said(subscriber, "attic/state")] == ["absent", "probing", "up", "absent"]
    assert said(subscriber, "attic/state")[2]["identity"]["uid"] == UID
    health = said(subscriber, "attic/health")
    assert [each for each in health if each["uptime_s"] is not None]
    assert (told["state"], told["events"], told["lost"], told["resets"]) == ("up", 1, 0, 0)
    assert "boards attic" in words
    assert "board    attic: up" in words
    assert f"uid {UID}; boot {told['identity']['boot']}" in words


def test_boards_come_and_go_with_the_config(
    tmp_path: Path, place: Path, broker: Broker, subscriber: Subscriber
) -> None:
    """Another board, another interval of health: the board that stays notices nothing, the one that goes is cleared."""
    (tmp_path / "shed").mkdir()
    with HostBoard(place, SILENT) as attic, HostBoard(tmp_path / "shed", ("--silence", "--uid", "77" * 12)) as shed:
        alone = settings(broker.port, board_table(attic))
        both = settings(broker.port, board_table(attic), board_table(shed, name="shed"), "[health]\ninterval_s = 1")
        with Daemon(tmp_path / "edged", alone) as daemon:
            assert "boards attic" in daemon.status
            daemon.file.write_text(both)
            assert "boards attic, shed" in edged("reload", "--config", daemon.file)
            in_time(lambda: len(said(subscriber, "attic/health")) > 4, "health comes at its new interval")
            daemon.file.write_text(alone.replace('uid = "x"', ""))
            assert "shed" not in edged("reload", "--config", daemon.file)
            told = boards(daemon)
            assert [*told] == ["attic"]
            assert told["attic"]["connections"] == 1
            topics = {"edged/test/mcu/shed/state", "edged/test/mcu/shed/health"}

            def cleared() -> set[str]:
                return {message.topic for message in tuple(subscriber.messages) if not message.payload}

            in_time(lambda: topics <= cleared(), "what was said of the other is cleared")
            with shed.open() as link:  # its port is free again, and it is silent
                assert link.hello().uid.hex() == "77" * 12
                link.listen(0.3)
                assert not link.heartbeats


def test_the_control_socket_resets_a_board_and_reads_its_log(
    tmp_path: Path, place: Path, broker: Broker, subscriber: Subscriber
) -> None:
    table = f'[boards.attic]\nport = "{tmp_path}/cable"\nheartbeat_s = 0.5\n'
    with (
        HostBoard(place, SILENT) as board,
        Cable(board.device, tmp_path / "cable") as cable,
        Daemon(tmp_path / "edged", settings(broker.port, table)) as daemon,
    ):
        before = boards(daemon)["attic"]["identity"]
        lines: list[str] = []
        threading.Thread(target=collect, args=(daemon, lines), daemon=True).start()
        after = call(daemon.control_socket, "board_reset", deadline_s=SOON_S, board="attic")
        assert (after["identity"]["boot"], after["identity"]["reset"]) == (before["boot"] + 1, "software")
        assert (after["state"], after["resets"]) == ("up", 1)
        why = "edged has reset it over its protocol"
        in_time(lambda: why in [each["why"] for each in said(subscriber, "attic/state")], "and so it is said")
        assert cable.say(b"\x1b[31mE: no microphone\x1b[0m\r\nthen \x07\n")
        text = ["E: no microphone", "then \ufffd"]
        in_time(lambda: lines == text, "what the board prints is handed on")
        in_time(lambda: [each["line"] for each in said(subscriber, "attic/log")] == text, "and published")
        assert all(f"attic says: {line}" in daemon.log for line in text)
        with pytest.raises(UserError, match="there is no such board"):
            call(daemon.control_socket, "board_reset", board="cellar")
        cable.unplug()
        in_time(lambda: boards(daemon)["attic"]["state"] == "absent", "its loss is noticed")
        with pytest.raises(Unavailable, match="attic is absent"):
            call(daemon.control_socket, "board_reset", board="attic")


def collect(daemon: Daemon, lines: list[str]) -> None:
    with contextlib.suppress(Unavailable):
        lines.extend(
            item["line"] for item in stream(daemon.control_socket, "board_log", board="attic", silence_s=SOON_S)
        )


def test_who_has_no_boards_pays_for_none() -> None:
    """Neither pyserial nor CBOR nor what stands on them is loaded by a daemon that names no board."""
    asked = "import sys, edged.daemon; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert "edged.mcu.crew" in loaded
    assert not {"serial", "cbor2", "edged.mcu.link", "edged.mcu.ports", "edged.mcu.smp", "edged.mcu.judge"} & {*loaded}
