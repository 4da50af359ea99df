"""Boards for tests: edged's firmware on this machine, and a client that speaks to any board over its serial device.

The client blocks, with deadlines; what a test must do by a deadline fails it by name, and never hangs it. Where the
device goes (the host board's process has ended) its calls raise OSError.
"""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess
import termios
import time
import tty
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from firmware import image

from edged.mcu import framing, group, smp
from edged.mcu.group import Command, Error, Event, Heartbeat, Hello, Injected, Slots, Uploaded
from edged.mcu.smp import Message, Op, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 20.0
"""For whatever should happen at once: this machine may be busy."""
UPLOAD_PIECE = 1024
INJECT_SAMPLES = 512


class RefusedError(Exception):
    """The board refused a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.group}/{refusal.rc}: {refusal.reason}")
        self.refusal = refusal

    @property
    def error(self) -> Error:
        """The error of our own group."""
        assert self.refusal.group == group.GROUP, self.refusal
        return Error(self.refusal.rc)


class Link:
    """A serial device with a board behind it.

    Args:
        device: What to open, and to set raw; or an open socket's descriptor, which the link closes.
    """

    def __init__(self, device: Path | int) -> None:
        if isinstance(device, int):
            self.fd = device
        else:
            self.fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                tty.setraw(self.fd, termios.TCSANOW)
            except termios.error as error:
                os.close(self.fd)
                raise ConnectionResetError("the board has gone") from error
        self.acknowledge: Callable[[Event], int | None] = lambda _: 0
        """What to answer to an event: 0, an error's number, or None for nothing."""
        self.events: list[Event] = []
        """Each time one came, again included."""
        self.heartbeats: list[Heartbeat] = []
        self.text: list[str] = []
        self._reader = framing.Reader()
        self._messages: deque[Message] = deque()
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @property
    def bad(self) -> int:
        """Frames that came damaged."""
        return self._reader.bad

    def write(self, data: bytes, *, seconds: float = SECONDS) -> None:
        """Put bytes on the line, as they are; meanwhile what comes is read."""
        deadline = time.monotonic() + seconds
        while data:
            assert time.monotonic() < deadline, "the board does not read"
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                self._read(0.01)

    def ask(self, message: Message, *, seconds: float = SECONDS) -> Message:
        """The response to a request; events and heartbeats that come meanwhile are taken.

        Raises:
            RefusedError: The board says no.
        """
        message = self.send(message)
        deadline = time.monotonic() + seconds
        while (response := self._next(deadline)) is not None:
            if response.answers(message):
                if (refusal := smp.refusal(response)) is not None:
                    raise RefusedError(refusal)
                return response
        raise AssertionError(f"no answer to {message.group}/{message.command} in {seconds} s")

    def refusal(self, message: Message) -> Refusal:
        """What the board has against a request."""
        try:
            self.ask(message)
        except RefusedError as refused:
            return refused.refusal
        raise AssertionError(f"the board does not refuse {message}")

    def send(self, message: Message) -> Message:
        """Ask, without waiting for the answer; the request with its sequence."""
        self._sequence = (self._sequence + 1) % 256
        message = replace(message, sequence=self._sequence)
        self.write(framing.write(smp.write(message)))
        return message

    def answers(self) -> list[Message]:
        """Responses that nobody has waited for."""
        self._take(0)
        found, self._messages = list(self._messages), deque()
        return found

    def wait_for_boot(self, boot: int, *, seconds: float = SECONDS) -> None:
        """Ask who it is until it is that run; meanwhile the board may be silent."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(group.hello())
            while (answer := self._next(time.monotonic() + 0.2)) is not None:
                if "boot" in answer.body and group.read(Hello, answer.body).boot == boot:
                    self.listen(0.1)  # answers to those before
                    self._messages.clear()
                    return
        raise AssertionError(f"boot {boot} does not come within {seconds} s")

    def wait(self, until: Callable[[], bool], *, seconds: float = SECONDS) -> None:
        """Take what comes, until it is so."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"not in {seconds} s; {self.events=} {self.heartbeats[-1:]=}"
            self._take(0.05)

    def listen(self, seconds: float) -> None:
        """Take what comes in so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._take(min(left, 0.05))

    def _next(self, deadline: float) -> Message | None:
        while time.monotonic() < deadline:
            self._take(0.05)
            if self._messages:
                return self._messages.popleft()
        return None

    def _take(self, seconds: float) -> None:
        self._read(seconds)
        responses = deque(message for message in self._messages if message.is_response)
        requests = [message for message in self._messages if not message.is_response]
        self._messages = responses
        for message in requests:
            self._asked(message)

    def _asked(self, message: Message) -> None:
        assert message.group == group.GROUP, message
        if message.command == Command.HEARTBEAT:
            self.heartbeats.append(group.read(Heartbeat, message.body))
            self.write(framing.write(smp.write(message.response())))
            return
        assert message.command == Command.EVENT, message
        assert message.op == Op.WRITE
        event = group.read(Event, message.body)
        self.events.append(event)
        if (rc := self.acknowledge(event)) is not None:
            self.write(framing.write(smp.write(message.response({"rc": rc} if rc else {}))))

    def readable(self, seconds: float) -> bool:
        """Whether something comes within so many seconds."""
        return bool(select.select([self.fd], [], [], seconds)[0])

    def _read(self, seconds: float) -> None:
        if not self.readable(seconds):
            return
        try:
            data = os.read(self.fd, 4096)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the board has gone")
        for found in self._reader.feed(data):
            match found:
                case framing.Frame(message):
                    self._messages.append(smp.read(message))
                case framing.Text(line):
                    self.text.append(line)

    # What tests ask for most.

    def hello(self) -> Hello:
        return group.read(Hello, self.ask(group.hello()).body)

    def heartbeat(self) -> Heartbeat:
        return group.read(Heartbeat, self.ask(group.heartbeat()).body)

    def slots(self) -> Slots:
        return group.read(Slots, self.ask(group.slots()).body)

    def subscribe(self, lease_ms: int = 60_000, *, first: int | None = None) -> None:
        self.ask(group.subscribe(lease_ms=lease_ms, first=first))

    def echo(self, words: str) -> str:
        return str(self.ask(Message(Op.WRITE, 0, 0, {"d": words})).body["r"])

    def reset(self) -> None:
        self.ask(Message(Op.WRITE, 0, 5))

    def upload(self, plan: bytes, *, sha256: bytes | None = None, piece: int = UPLOAD_PIECE) -> bytes:
        """Put a plan into the idle slot; its hash."""
        sha256 = hashlib.sha256(plan).digest() if sha256 is None else sha256
        offset, match = 0, False
        while not match:
            data = plan[offset : offset + piece]
            if offset == 0:
                message = group.begin_upload(data, length=len(plan), sha256=sha256)
            else:
                message = group.upload(data, offset=offset)
            try:
                answer = group.read(Uploaded, self.ask(message).body)
            except RefusedError as refused:
                if refused.refusal.reason == "erasing":
                    continue
                raise
            offset, match = answer.offset, answer.match
        return sha256

    def install(self, plan: bytes) -> bytes:
        """Upload, try and confirm."""
        sha256 = self.upload(plan)
        self.ask(group.try_model(sha256, trial_ms=60_000))
        self.ask(group.confirm(sha256))
        return sha256

    def inject(self, samples: bytes, *, piece: int = INJECT_SAMPLES) -> list[Injected]:
        """Have sound heard instead of the microphone, from its beginning, and then the microphone again."""
        self.ask(group.injection(on=True))
        heard = [
            group.read(Injected, self.ask(group.inject(samples[at : at + 2 * piece], offset=at // 2)).body)
            for at in range(0, len(samples), 2 * piece)
        ]
        self.ask(group.injection(on=False))
        return heard


@dataclass
class HostBoard:
    """The board `host`: a process that has one pty for its life, and whose files outlive it.

    Args:
        folder: For the link, flash and the RAM that outlives a reset.
        options: Further words of its command line.
    """

    folder: Path
    options: tuple[str, ...] = ()
    firmware: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def device(self) -> Path:
        return self.folder / "board"

    @property
    def noinit(self) -> Path:
        return self.folder / "noinit"

    @property
    def flash(self) -> Path:
        return self.folder / "flash"

    def words(self, *options: str) -> list[str]:
        """Its command line."""
        program = str(self.firmware or image("host"))
        return [program, "--pty", str(self.device), "--flash", str(self.flash), "--noinit", str(self.noinit),
                *self.options, *options]  # fmt: skip

    def start(self, *options: str) -> None:
        """Switch it on, and wait for its link."""
        assert self.process is None
        self.process = subprocess.Popen(self.words(*options), stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert b"the link is" in said, f"the board says {said!r}, and ends with {self.process.wait(SECONDS)}"

    def open(self) -> Link:
        return Link(self.device)

    def kill(self) -> None:
        """End it without warning."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self._ended()

    def ended(self) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self.process is not None
        self.process.wait(SECONDS)
        return self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(SECONDS)
        self.process.stdout.close()
        self.process = None
        return code
