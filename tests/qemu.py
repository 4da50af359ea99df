"""The STM32F405's firmware in QEMU: the machine `netduinoplus2`, whose first serial line is a pty.

Its flash is RAM (mcu-firmware/boards/stm32f405/qemu), all else is the image that goes on a chip. A reset that the
firmware asks for keeps the RAM and the line; `stop` and `start` are a power cut.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from boards import SECONDS, Link
from firmware import FIRMWARE, make

if TYPE_CHECKING:
    from subprocess import Popen

PTY = re.compile(rb"char device redirected to (/dev/pts/\d+)")


@cache
def qemu_image() -> Path:
    """The firmware as QEMU runs it, built."""
    make(BOARD="stm32f405", VARIANT="-qemu")
    return FIRMWARE / "build" / "stm32f405-qemu" / "edged-firmware"


def _wait_until_somebody_listens(line: socket.socket) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with suppress(ConnectionRefusedError):
            line.send(b"\n")
        time.sleep(0.05)
        if line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            return
    raise AssertionError("QEMU does not listen")


@dataclass
class QemuBoard:
    """A board that is emulated: a process and its line, killed at the end whatever happens.

    Args:
        datagrams: The line is no pty but UDP, which is three times as fast. For sound by the minute.
        firmware: Another image than the one that is built.
    """

    datagrams: bool = False
    firmware: Path | None = None
    device: Path | None = None
    process: Popen[bytes] | None = None
    line: socket.socket | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Switch it on. The multiplexer (mux=on) lets QEMU read ahead, without which the line is half as fast."""
        assert self.process is None
        way = self._socket() if self.datagrams else "pty"
        self.process = subprocess.Popen(
            ["qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-monitor", "none",
             "-chardev", f"{way},id=link,mux=on", "-serial", "chardev:link",
             "-kernel", str(self.firmware or qemu_image())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if self.line is None:
            self.device = self._device()
        else:
            _wait_until_somebody_listens(self.line)

    def _socket(self) -> str:
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
        self.line.connect(("127.0.0.1", port))
        self.line.setblocking(False)
        ours = self.line.getsockname()[1]
        return f"udp,host=127.0.0.1,port={ours},localaddr=127.0.0.1,localport={port}"

    def _device(self) -> Path:
        assert self.process is not None
        assert self.process.stdout is not None
        end = threading.Timer(SECONDS, self.process.kill)
        end.start()
        try:
            said = b""
            while (found := PTY.search(said)) is None:
                line = self.process.stdout.readline()
                assert line, f"QEMU has ended: {said!r}"
                said += line
        finally:
            end.cancel()
        return Path(found[1].decode())

    def open(self) -> Link:
        """Its link, once it answers; what is said before its UART is on goes unheard, as on a chip."""
        link = self.raw()
        link.wait_for_boot(1)
        return link

    def raw(self) -> Link:
        """Its line, as it is."""
        if self.line is not None:
            return Link(self.line.detach())
        assert self.device is not None
        return Link(self.device)

    def stop(self) -> None:
        """Cut its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None
