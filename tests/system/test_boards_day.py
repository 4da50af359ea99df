"""A day in a minute: 32 boards say 20 things a second each, while everything goes wrong that goes wrong in a day.

Boards are killed, hang, come back at another device and speak through cables that are no good; the daemon is killed
twice. Each event of each board arrives at a real subscriber, in order, or is counted as lost.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest
from boards import HostBoard
from broker import eventually
from chatterbox import bursts, chatterbox, plan, write_wav
from garbler import Garbler
from system.daemon import Daemon, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from broker import Broker, Message, Subscriber

pytestmark = pytest.mark.slow

BOARDS: Final = 32
SPEED: Final = 2
"""The boards' clocks run so fast: five bursts a second, each with a start and an end, are 20 events a second."""
LASTS_S: Final = 60
DRAINED_S: Final = 150
"""A board that was started anew late in the day plays its whole recording; a busy machine takes its time."""
SLACK: Final = 5
"""Events that arrived and whose answers went down with the daemon, or with the board."""
KILLED, HUNG, GARBLED, MOVED = range(4), range(4, 8), range(8, 12), range(12, 16)
AT_EASE: Final = range(16, BOARDS)


@dataclass
class Day:
    """What is there, and what it has cost."""

    boards: list[HostBoard]
    daemon: Daemon
    subscriber: Subscriber
    cpu_s: float = 0.0
    rss_bytes: int = 0
    ready_s: list[float] = field(default_factory=list)

    def kill_boards(self, numbers: range) -> None:
        for number in numbers:
            self.boards[number].kill()

    def start_boards(self, numbers: range) -> None:
        for number in numbers:
            self.boards[number].start()

    def move_boards(self) -> None:
        """Have each come back at a device that was another's, or nobody's."""
        before = {number: self.boards[number].device.readlink() for number in MOVED}
        self.kill_boards(MOVED)
        eventually(lambda: not any(each.exists() for each in before.values()), "the daemon lets go of what is gone")
        for number in (*MOVED[1:], MOVED[0]):  # devices are given out from the lowest number up
            self.boards[number].start()
        assert all(self.boards[number].device.readlink() != device for number, device in before.items())

    def signal_boards(self, numbers: range, number: int) -> None:
        for each in numbers:
            process = self.boards[each].process
            assert process is not None
            process.send_signal(number)

    def measure(self) -> None:
        """Note what this life of the daemon has cost."""
        self.cpu_s += self.daemon.cpu_s
        self.rss_bytes = max(self.rss_bytes, self.daemon.rss_bytes)

    def kill_daemon(self) -> None:
        self.measure()
        self.daemon.kill()
        begun = time.monotonic()
        self.daemon.start()
        self.ready_s.append(time.monotonic() - begun)


@contextlib.contextmanager
def the_boards(folder: Path) -> Iterator[list[HostBoard]]:
    """32 of them, with the model in their flash, switched off."""
    chatterbox(folder / "chatterbox.edged")
    data = plan(folder / "chatterbox.edged")
    wav = write_wav(folder / "bursts.wav", bursts(5 * SPEED * LASTS_S))
    with contextlib.ExitStack() as stack:
        boards = []
        for number in range(BOARDS):
            place = folder / f"{number}"
            place.mkdir()
            options = ("--speed", str(SPEED), "--uid", f"{number + 1:024x}", "--watchdog-ms", "0")
            board = HostBoard(place, options)
            stack.callback(board.kill)
            board.start()
            with board.open() as link:
                link.install(data)
            board.kill()
            board.noinit.unlink()  # a power cut: numbers begin at 1
            board.options = (*options, "--wav", str(wav))
            boards.append(board)
        yield boards


def test_a_day_in_a_minute(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    with the_boards(tmp_path) as boards:
        for board in boards:
            board.start()
        with contextlib.ExitStack() as stack:
            ports = {number: board.device for number, board in enumerate(boards)}
            for number in GARBLED:
                cable = Garbler(ports[number], tmp_path / f"cable{number}", seed=number)
                stack.enter_context(cable)
                ports[number] = cable.near
            tables = [f'[boards.board{number}]\nport = "{port}"\n' for number, port in ports.items()]
            config = settings(broker.port, *tables, "[health]\ninterval_s = 1.0\n")
            with Daemon(tmp_path / "edged", config) as daemon:
                day = Day(boards, daemon, subscriber)
                pass_the_day(day)
                drained(day)
                day.measure()
            assert cable.bouts > LASTS_S / 10
        found = [account(boards[number], number, subscriber.messages) for number in range(BOARDS)]
    with capsys.disabled():
        print(table(day, found))  # noqa: T201 - what the test is for
    for number, each in enumerate(found):
        assert each.in_order, f"board {number}"
        lost = f"board {number} counts {each.dropped} as lost, missing are {each.missing}"
        assert each.missing <= each.dropped, lost
        if number not in GARBLED:  # an answer that is lost makes one count that arrived
            assert each.dropped <= each.missing + SLACK, lost
        assert each.arrived > (500 if number in AT_EASE else 200), f"board {number}"


def pass_the_day(day: Day) -> None:
    """Do to them what is done in a day, at its time."""
    misfortunes: list[tuple[float, Callable[[], None]]] = [
        (8, lambda: day.kill_boards(KILLED)),
        (10, lambda: day.start_boards(KILLED)),
        (12, lambda: day.signal_boards(HUNG, signal.SIGSTOP)),
        (22, lambda: day.signal_boards(HUNG, signal.SIGCONT)),
        (24, day.kill_daemon),
        (32, day.move_boards),
        (42, day.kill_daemon),
        (50, lambda: day.kill_boards(KILLED)),
        (51, lambda: day.start_boards(KILLED)),
    ]
    begun = time.monotonic()
    for at, happens in misfortunes:
        time.sleep(max(0.0, begun + at - time.monotonic()))  # the day takes its time
        happens()
    time.sleep(max(0.0, begun + LASTS_S - time.monotonic()))


def drained(day: Day) -> None:
    """Wait until every board is up, says no more, and has nothing left to say."""
    deadline = time.monotonic() + DRAINED_S
    while left := unsaid(day):
        assert time.monotonic() < deadline, f"after {DRAINED_S} s:\n{left}\n{day.daemon.log[-5000:]}"
        time.sleep(0.5)


def unsaid(day: Day) -> str:
    """What is known of boards that are not up, or may have something to say."""
    latest: dict[str, dict[str, Any]] = {}
    for message in tuple(day.subscriber.messages):
        if message.topic.endswith("/health") and "/mcu/" in message.topic and message.payload:
            latest[message.topic.split("/")[3]] = json.loads(message.payload)
    busy = [
        f"{name}: {each}"
        for name, each in latest.items()
        if each["state"] != "up" or each["backlog"] != 0 or each["uptime_s"] < SPEED * LASTS_S + 2
    ]
    return "\n".join(busy) if len(latest) == BOARDS else f"only {latest.keys()} are known"


@dataclass(frozen=True)
class Account:
    """What became of one board's events."""

    arrived: int
    repeated: int
    missing: int
    dropped: int
    """That the board has counted, in all its boots, as was published."""
    in_order: bool


def account(board: HostBoard, number: int, messages: list[Message]) -> Account:
    with board.open() as link:
        link.listen(0.2)
        heartbeat = link.heartbeat()
    assert heartbeat.first == heartbeat.next, f"board {number} kept events"
    topic = f"edged/test/mcu/board{number}/"
    events = [json.loads(each.payload) for each in messages if each.topic == f"{topic}event"]
    first = list(dict.fromkeys((event["id"], event["number"]) for event in events))
    numbers = [each for _, each in first]
    health = [json.loads(each.payload) for each in messages if each.topic == f"{topic}health" and each.payload]
    dropped: dict[int, int] = {}
    for each in health:
        if each["dropped"] is not None:
            dropped[each["boot"]] = max(each["dropped"], dropped.get(each["boot"], 0))
    assert len(set(numbers)) == len(numbers), f"board {number}: an event has two ids"
    return Account(
        arrived=len(numbers),
        repeated=len(events) - len(numbers),
        missing=heartbeat.next - 1 - len(numbers),
        dropped=sum(dropped.values()),
        in_order=numbers == sorted(numbers),
    )


def table(day: Day, found: list[Account]) -> str:
    """What came of it, by kind of misfortune."""
    kinds = {"killed twice": KILLED, "hung 10 s": HUNG, "bad cable": GARBLED, "moved": MOVED, "at ease": AT_EASE}
    lines = ["", f"{'boards':<14}{'arrived':>9}{'repeated':>9}{'missing':>9}{'counted':>9}"]
    for kind, numbers in kinds.items():
        sums = [
            sum(getattr(found[number], key) for number in numbers)
            for key in ("arrived", "repeated", "missing", "dropped")
        ]
        lines.append(f"{len(numbers):>2} {kind:<11}" + "".join(f"{each:>9}" for each in sums))
    events = sum(each.arrived for each in found)
    lines.append(
        f"daemon: {day.cpu_s:.1f} s of CPU for {events} events ({1000 * day.cpu_s / events:.2f} ms each), "
        f"{day.rss_bytes / 2**20:.0f} MiB, killed twice, ready again after "
        + " and ".join(f"{each:.1f} s" for each in day.ready_s)
    )
    return "\n".join(lines)
