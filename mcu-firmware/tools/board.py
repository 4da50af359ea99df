"""Speak to a board over its serial line: who it is, what it runs, another model, sound to hear, the events it has.

    .venv/bin/python mcu-firmware/tools/board.py /dev/ttyACM0 hello
    … slots                 the two model slots
    … load wake-en.plan     upload into the idle slot, try, confirm; the board's own golden windows decide
    … hear words.wav        have it hear a recording (16 kHz, mono, 16 bits) instead of its microphone
    … events [SECONDS]      print events as they come. They are taken, also by hear: no gateway will get them

It needs the port for itself. Exit code 1: the board says no, and why.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import sys
import termios
import time
import tty
import wave
from collections import deque
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edged.mcu import framing, group, smp
from edged.mcu.group import Command, Event, Hello, Injected, Slots, Uploaded
from edged.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mcu.smp import Message

PIECE = 1024
"""Bytes of a plan, or of sound, in a message: with what goes around them less than the board's buffer."""
PATIENCE_S = 10.0
"""Longer than the longest erase."""
TRIAL_MS = 60_000
RATE_HZ = 16_000


class Board:
    """A board at the other end of a serial line, asked one thing at a time."""

    def __init__(self, port: Path) -> None:
        self._fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd, termios.TCSANOW)
        self._speed(termios.B1000000)
        self._reader = framing.Reader()
        self._came: deque[Message] = deque()
        self._sequence = 0

    def ask(self, request: Message) -> Message:
        """The answer to a request.

        Raises:
            SystemExit: The board says no, or nothing.
        """
        self._sequence = (self._sequence + 1) % 256
        request = replace(request, sequence=self._sequence)
        self._write(framing.write(smp.write(request)))
        until = time.monotonic() + PATIENCE_S
        while (message := self.next(until)) is not None:
            if message.answers(request):
                if (refusal := smp.refusal(message)) is None:
                    return message
                if refusal.reason == "erasing":
                    return self.ask(request)
                sys.exit(f"the board says no: {refusal.reason or refusal.rc}")
        sys.exit(f"the board says nothing for {PATIENCE_S:g} s: is it this port, and has nobody else opened it?")

    def next(self, until: float) -> Message | None:
        """What comes next; None when nothing has come by then."""
        while not self._came and (left := until - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                for found in self._reader.feed(os.read(self._fd, 4096)):
                    match found:
                        case framing.Frame(message):
                            self._came.append(smp.read(message))
                        case framing.Text(line):
                            print(f"# {line}", file=sys.stderr)
        return self._came.popleft() if self._came else None

    def answer(self, request: Message) -> None:
        """Say that all is well."""
        self._write(framing.write(smp.write(request.response())))

    def _write(self, data: bytes) -> None:
        while data:
            select.select([], [self._fd], [])
            data = data[os.write(self._fd, data) :]

    def _speed(self, speed: int) -> None:
        told = termios.tcgetattr(self._fd)
        told[4] = told[5] = speed
        termios.tcsetattr(self._fd, termios.TCSANOW, told)


def hello(board: Board, _: argparse.Namespace) -> None:
    """Print who it is."""
    for key, value in asdict(group.read(Hello, board.ask(group.hello()).body)).items():
        print(f"{key:<12} {value.hex() if isinstance(value, bytes) else value}")


def slots(board: Board, _: argparse.Namespace) -> None:
    """Print what its slots hold."""
    told = group.read(Slots, board.ask(group.slots()).body)
    for number, slot in enumerate(told.slots):
        said = [slot.state, f"{slot.size:,} bytes", slot.name or "", slot.why or ""]
        runs = " runs" * (told.active == number) + ", confirmed" * (told.confirmed == number)
        print(f"slot {number}{runs}: " + ", ".join(word for word in said if word))


def load(board: Board, arguments: argparse.Namespace) -> None:
    """Upload a plan, try it, confirm it."""
    plan = arguments.file.read_bytes()
    sha256, offset, done = hashlib.sha256(plan).digest(), 0, False
    with progress("uploading", len(plan), unit="bytes") as bar:
        while not done:
            data = plan[offset : offset + PIECE]
            first = group.begin_upload(data, length=len(plan), sha256=sha256)
            answer = board.ask(group.upload(data, offset=offset) if offset else first)
            told = group.read(Uploaded, answer.body)
            offset, done = told.offset, told.match
            bar(offset)
    board.ask(group.try_model(sha256, trial_ms=TRIAL_MS))
    board.ask(group.confirm(sha256))
    slots(board, arguments)


def hear(board: Board, arguments: argparse.Namespace) -> None:
    """Have it hear a recording, and print the events that this led to."""
    with wave.open(str(arguments.file)) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (RATE_HZ, 1, 2):
            sys.exit(f"{arguments.file}: is not 16 kHz, mono, 16 bits: sox IN -r 16000 -c 1 -b 16 OUT")
        samples = wav.readframes(wav.getnframes())
    board.ask(group.injection(on=True))
    runs = 0
    with progress("hearing", len(samples) // 2, unit="samples") as bar:
        for at in range(0, len(samples), PIECE):
            answer = board.ask(group.inject(samples[at : at + PIECE], offset=at // 2))
            runs += group.read(Injected, answer.body).runs
            bar(at // 2)
    board.ask(group.injection(on=False))
    print(f"{len(samples) / 2 / RATE_HZ:.1f} s heard, {runs} inferences")
    arguments.seconds = 1.0
    events(board, arguments)


def events(board: Board, arguments: argparse.Namespace) -> None:
    """Print events as they come, and take them."""
    board.ask(group.subscribe(lease_ms=int(1000 * arguments.seconds) + 1000))
    until = time.monotonic() + arguments.seconds
    while (message := board.next(until)) is not None:
        if message.is_response:
            continue
        board.answer(message)
        if message.command == Command.EVENT:
            event = group.read(Event, message.body)
            score, at_s = event.score, event.at / RATE_HZ
            print(f"{event.number}: {event.label} {score:.3f}, {at_s:.2f} s into boot {event.boot}", flush=True)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description="Speak to a board over its serial line.")
    parser.add_argument("port", type=Path)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in (hello, slots, load, hear, events):
        command = commands.add_parser(run.__name__, help=(run.__doc__ or "").split(".")[0].lower())
        if run in (load, hear):
            command.add_argument("file", type=Path)
        if run is events:
            command.add_argument("seconds", type=float, nargs="?", default=60.0)
        command.set_defaults(run=run)
    arguments = parser.parse_args()
    ask: Callable[[Board, argparse.Namespace], None] = arguments.run
    try:
        ask(Board(arguments.port), arguments)
    except OSError as error:
        sys.exit(f"{error.filename or arguments.port}: {(error.strerror or str(error)).lower()}")


if __name__ == "__main__":
    main()
