"""Ten boards on one daemon, each with its own misfortune: it is found, named and mended; the others notice nothing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest
from boards import HostBoard
from broker import Broker, Message, Subscriber, eventually
from cable import Cable
from chatterbox import bursts, chatterbox, plan, write_wav
from rig import report
from system.daemon import Daemon, settings
from watch_rig import pull

from edged.control.client import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
CALM = ("calm0", "calm1", "calm2")
UNLUCKY = ("killed", "hung", "slept", "loose", "held", "noisy")
SOON_S = 120.0
"""Real waits, on a busy machine."""
BURSTS = 400
"""One each 0.4 s, of two events: more than the test lasts."""


class Street:
    """The boards, and what is known of them."""

    def __init__(self, boards: dict[str, HostBoard], cables: dict[str, Cable]) -> None:
        self.boards, self.cables = boards, cables
        self.daemon: Daemon
        self.messages: list[Message]

    def told(self, board: str, kind: str) -> list[dict[str, Any]]:
        """What was published of a board."""
        topic = f"edged/test/mcu/{board}/{kind}"
        return [json.loads(each.payload) for each in tuple(self.messages) if each.topic == topic and each.payload]

    def states(self, board: str) -> list[tuple[str, str]]:
        return [(each["state"], each["why"]) for each in self.told(board, "state")]

    def until(self, board: str, true: Callable[[str, str], bool], *, since: int = 0) -> int:
        """Wait until a board has said such a state, after so many; how many it had said by then."""

        def at() -> int | None:
            found = [index for index, state in enumerate(self.states(board)) if index >= since and true(*state)]
            return found[0] + 1 if found else None

        eventually(
            lambda: at() is not None, f"{board}: {self.states(board)}; the log:\n{self.daemon.log[-4000:]}", SOON_S
        )
        return at() or 0

    def is_up(self, board: str, *, since: int = 0, why: str = "") -> int:
        return self.until(board, lambda state, words: state == "up" and why in words, since=since)

    def becomes(self, board: str, wanted: str, *, since: int = 0, why: str = "") -> int:
        return self.until(board, lambda state, words: state == wanted and why in words, since=since)

    def signal(self, board: str, number: int) -> None:
        process = self.boards[board].process
        assert process is not None
        process.send_signal(number)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """Boards that hear a burst each second, three of them behind cables that we hold."""
    chatterbox(tmp_path / "chatterbox.edged")
    data = plan(tmp_path / "chatterbox.edged")
    wav = write_wav(tmp_path / "bursts.wav", bursts(BURSTS, off_s=0.3))
    boards, cables = {}, {}
    with contextlib.ExitStack() as stack:
        for number, name in enumerate((*CALM, *UNLUCKY, "stranger")):
            (tmp_path / name).mkdir()
            watchdog = "2000" if name == "slept" else "0"
            options = ("--uid", f"{number + 1:024x}", "--watchdog-ms", watchdog)
            board = HostBoard(tmp_path / name, options)
            with board, board.open() as link:
                link.install(data)
            board.options = (*options, "--wav", str(wav))
            boards[name] = stack.enter_context(board)
        for name in ("loose", "noisy"):
            cables[name] = stack.enter_context(Cable(boards[name].device, tmp_path / f"cable-{name}"))
        cables["deaf"] = stack.enter_context(Cable(None, tmp_path / "cable-deaf", listens=False))
        yield Street(boards, cables)


def config(street: Street, port: int) -> str:
    ports = {name: board.device for name, board in street.boards.items()}
    ports |= {name: cable.near for name, cable in street.cables.items()}
    tables = [f'[boards.{name}]\nport = "{path}"\nheartbeat_s = 1.0' for name, path in ports.items()]
    tables = [table + (f'\nuid = "{"ee" * 12}"' if "stranger" in table else "") for table in tables]
    return settings(port, *tables, "[health]\ninterval_s = 1.0")


def test_each_has_its_misfortune_and_the_others_notice_nothing(
    tmp_path: Path, street: Street, broker: Broker, subscriber: Subscriber
) -> None:
    held = os.open(street.boards["held"].device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    fcntl.flock(held, fcntl.LOCK_EX)
    street.messages = subscriber.messages
    with Daemon(tmp_path / "edged", config(street, broker.port), watchdog_s=4.0) as street.daemon:
        for name in (*CALM, "killed", "hung", "slept", "loose", "noisy"):
            street.is_up(name)
        up_ns = time.time_ns()
        street.becomes("stranger", "quarantined", why="is there, and not")
        street.becomes("held", "busy")
        seen = {name: len(street.states(name)) for name in UNLUCKY}

        pull(street.boards["killed"])
        street.signal("hung", signal.SIGSTOP)
        street.signal("slept", signal.SIGSTOP)
        street.cables["loose"].unplug()
        begun = time.monotonic()
        lines = 0
        while time.monotonic() < begun + 3.0:
            lines += street.cables["noisy"].say(b"E: brown-out %06d\n" % lines)
            time.sleep(0.0002)
        street.signal("slept", signal.SIGCONT)
        street.becomes("killed", "absent", since=seen["killed"])
        street.becomes("loose", "absent", since=seen["loose"])
        street.boards["killed"].start()
        street.cables["loose"].plug()
        os.close(held)

        hung = street.becomes("hung", "quarantined", since=seen["hung"], why="resetting it has not helped")
        street.signal("hung", signal.SIGCONT)
        street.is_up("hung", since=hung)
        street.is_up("killed", since=seen["killed"])
        street.is_up("slept", since=seen["slept"], why="was reset by its watchdog")
        street.is_up("loose", since=seen["loose"])
        street.is_up("held", since=seen["held"])
        street.becomes("deaf", "quarantined")
        time.sleep(5)  # they go on for a while
        told = {board["name"]: board for board in call(street.daemon.control_socket, "boards")["boards"]}
        street.daemon.wait_told("WATCHDOG", since=time.monotonic() - 2)
        log = street.daemon.log

    for name in CALM:
        assert street.states(name) == [("probing", ""), ("up", "")]
        assert (told[name]["connections"], told[name]["resets"], told[name]["lost"]) == (1, 0, 0)
    for name in (*CALM, *UNLUCKY):
        assert told[name]["state"] == "up", name
        in_order(street, name)
    assert told["noisy"]["connections"] == 1
    assert told["noisy"]["link"]["text_lines"] >= lines - 5
    assert told["noisy"]["text_dropped"] > lines / 2
    assert {state for state, _ in street.states("stranger")} == {"probing", "quarantined"}
    assert street.boards["stranger"].process is not None
    said_once(log)
    delays(street, since_ns=up_ns)


def in_order(street: Street, name: str) -> None:
    """Each event of a board has arrived, in its order, by its number within its boot; none is missing in between."""
    numbers: dict[int, list[int]] = {}
    for event in {event["id"]: event for event in street.told(name, "event")}.values():
        numbers.setdefault(event["board_boot"], []).append(event["number"])
    assert numbers, f"{name} has heard nothing"
    for boot, found in numbers.items():
        assert found == list(range(found[0], found[0] + len(found))), f"{name}, boot {boot}"


def said_once(log: str) -> None:
    """The journal has each trouble of a board once, though some were tried many times."""
    for name in (*UNLUCKY, "deaf", "stranger"):
        warnings = [
            line.split(f"{name}: ")[1].split(":")[0] for line in log.splitlines() if f"WARNING: {name}: " in line
        ]
        assert len(warnings) == len(set(warnings)), f"{name}: {warnings}"


def delays(street: Street, *, since_ns: int) -> None:
    """From the moment at which a calm board decided, by its own clock, to the subscriber."""
    now, monotonic = time.time(), time.monotonic()
    found = []
    for message in tuple(street.messages):
        if any(message.topic == f"edged/test/mcu/{name}/event" for name in CALM):
            event = json.loads(message.payload)
            if event["at_ns"] > since_ns:
                assert event["error_ms"] is not None
                found.append(message.at - monotonic + now - event["at_ns"] / 1e9)
    assert len(found) > 50
    median_ms, worst_ms = 1000 * statistics.median(found), 1000 * max(found)
    report(f"{len(found)} events of calm boards: median {median_ms:.1f} ms, worst {worst_ms:.0f} ms")
    assert statistics.median(found) < 1.0
