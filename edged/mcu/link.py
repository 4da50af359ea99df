"""Bytes to and from one serial port, and the moment it is lost.

A port is for one program: it is locked (`flock`, as pyserial and other careful programs do) and closed to others
(`TIOCEXCL`, which binds everybody but root). DTR and RTS are chosen before it is opened, since they reset many boards
(pyserial#156). It is closed at the very moment that it is found lost, or the board comes back under another name
(pyserial#36); a port that is readable and has no data is lost (pyserial#341), and so is one that takes no bytes.

Nothing waits in the event loop: the descriptor does not block, one `read` takes at most READ_BYTES and then lets others
go on, and more than MAX_BYTES_PER_S are left to the kernel, which holds up whoever sends them. Where a USB device
hangs, the kernel itself may hold up opening, closing and DTR for 5 s (USB_CTRL_SET_TIMEOUT): `opened`, `close` and
`pulse_reset` leave that to a thread.

Pyserial opens the port and knows its rates and lines; reading and writing are ours, because its own would block.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
import threading
import time
from typing import TYPE_CHECKING, Final

import serial

from edged.errors import BoardAway, PortBusy
from edged.mcu.board import LinkCounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_BYTES: Final = 4096
"""What the kernel keeps of a terminal's input (N_TTY_BUF_SIZE)."""
MAX_BYTES_PER_S: Final = 400_000
"""As a UART of 4 Mbaud brings. What a USB device or a pty has beyond that must wait: it shall not eat the processor."""
MAX_WRITE_BYTES: Final = 128 * 1024
"""More than the longest SMP message takes in frames; a longer write is a mistake of ours."""
WRITE_S: Final = 5.0
"""A board may not read while it erases: 4 s for 128 kB of an STM32F405 (DS8626, table 40)."""
PULSE_S: Final = 0.1
"""How long a reset is held, as esptool does."""
BITS_PER_BYTE: Final = 10
"""On a UART, with start and stop."""

_PAUSE_S: Final = 0.02
"""A shorter one is not worth the timer."""
_BUSY: Final = frozenset({errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK})


class Link:
    """One open port; `Link.open` makes it. Who has lost it (BoardAway) need not close it."""

    def __init__(self, port: serial.Serial, counts: LinkCounts) -> None:
        self.counts = counts
        self._port = port
        self._fd: int = port.fileno()
        self._open = True
        self._why = "the port was closed"
        self._in_kernel = threading.Lock()
        self._writing = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self._read_after_s = 0.0

    @classmethod
    def open(
        cls, path: Path, *, baud: int, dtr: bool | None, rts: bool | None, counts: LinkCounts | None = None
    ) -> Link:
        """Open a port for us alone; in a thread, where a board may hang (see `opened`).

        Args:
            path: Of a serial device or a pty.
            baud: Bits a second; a pty has none.
            dtr: How the line is to be; None: as the kernel does, which raises it.
            rts: Likewise.
            counts: Where to go on counting; None: from 0.

        Raises:
            PortBusy: Another program has it.
            BoardAway: It is not there, is no serial port, or is not ours to open.
        """
        port = serial.Serial(exclusive=True)
        port.port = str(path)
        if dtr is not None:
            port.dtr = dtr
        if rts is not None:
            port.rts = rts
        try:
            port.baudrate = baud
            port.open()
            fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
            os.set_blocking(port.fileno(), False)
        except (OSError, ValueError, termios.error) as error:
            port.close()
            raise _refused(path, error, baud=baud) from None
        return cls(port, LinkCounts() if counts is None else counts)

    @property
    def is_open(self) -> bool:
        """Whether the port is still ours."""
        return self._open

    async def read(self) -> bytes:
        """Some bytes, at least one; for one caller at a time.

        Raises:
            BoardAway: The port is lost.
        """
        if (pause_s := self._read_after_s - time.monotonic()) > _PAUSE_S:
            await asyncio.sleep(pause_s)
        while True:
            loop = asyncio.get_running_loop()
            await self._ready(loop.add_reader, loop.remove_reader)
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(f"the port is lost: {error.strerror}") from None
            if not data:
                raise self._lost("the port is lost: it says that there is data, and has none")
            self.counts.bytes_in += len(data)
            self._read_after_s = max(self._read_after_s, time.monotonic()) + len(data) / MAX_BYTES_PER_S
            return data

    async def write(self, data: bytes) -> None:
        """Write all of it, one caller after the other.

        Raises:
            BoardAway: The port is lost, or takes no bytes for too long.
        """
        if len(data) > MAX_WRITE_BYTES:
            raise ValueError(f"{len(data)} bytes at once are more than {MAX_WRITE_BYTES}")
        patience_s = WRITE_S + 4 * BITS_PER_BYTE * len(data) / self._port.baudrate
        try:
            async with asyncio.timeout(patience_s), self._writing:
                await self._write(memoryview(data))
        except TimeoutError:
            raise self._lost(f"the port takes no bytes for {patience_s:.0f} s") from None

    async def pulse_reset(self) -> None:
        """Reset the board by the port's lines, as the usual circuits have them, and leave the lines as they were.

        With DTR low, RTS holds an ESP32 in reset and lets it boot from flash; DTR rising resets an Arduino.

        Raises:
            BoardAway: The port has no such lines, or is lost.
        """
        dtr, rts = self._port.dtr, self._port.rts
        for lines in ({"dtr": False, "rts": True}, {"rts": False}, {"dtr": dtr}, {"rts": rts}):
            try:
                await asyncio.to_thread(self._set_lines, lines)
            except OSError as error:
                if self._open and error.errno in (errno.ENOTTY, errno.EINVAL):
                    raise BoardAway("the port has no lines DTR and RTS to reset by") from None
                raise self._lost(f"the port is lost: {error.strerror}") from None
            await asyncio.sleep(PULSE_S)

    def close(self) -> None:
        """Give the port back, at once; what waits for it gets BoardAway. Again does nothing."""
        if not self._open:
            return
        self._open = False
        for ready in self._waiting:
            if not ready.done():
                ready.set_result(None)
        self._forget_waiting()
        with contextlib.suppress(OSError):  # gone already, most likely
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        threading.Thread(target=self._let_go, name="close a port", daemon=True).start()

    def _let_go(self) -> None:
        with self._in_kernel, contextlib.suppress(OSError):
            self._port.close()

    def _set_lines(self, lines: dict[str, bool]) -> None:
        with self._in_kernel:  # or the descriptor might be another port's by now
            if not self._open:
                raise OSError(errno.EBADF, self._why)
            for name, up in lines.items():
                setattr(self._port, name, up)

    async def _write(self, rest: memoryview) -> None:
        loop = asyncio.get_running_loop()
        while rest:
            await self._ready(loop.add_writer, loop.remove_writer)
            try:
                taken = os.write(self._fd, rest)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(f"the port is lost: {error.strerror}") from None
            self.counts.bytes_out += taken
            rest = rest[taken:]

    async def _ready(self, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        """Wait until the descriptor is; lets others go on first in any case."""
        if not self._open:
            raise BoardAway(self._why)
        ready = asyncio.get_running_loop().create_future()
        self._waiting.add(ready)
        add(self._fd, _wake, ready)
        try:
            await ready
        finally:
            self._waiting.discard(ready)
            if self._open:
                remove(self._fd)
        if not self._open:
            raise BoardAway(self._why)

    def _forget_waiting(self) -> None:
        if self._waiting:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)

    def _lost(self, why: str) -> BoardAway:
        if self._open:
            self._why = why
            with contextlib.suppress(termios.error):  # or closing waits for 30 s until all is sent (closing_wait)
                termios.tcflush(self._fd, termios.TCOFLUSH)
            self.close()
        return BoardAway(self._why)


async def opened(
    path: Path, *, baud: int, dtr: bool | None, rts: bool | None, counts: LinkCounts | None = None
) -> Link:
    """As `Link.open`, in a thread: a USB device that hangs holds up nobody else.

    Raises:
        PortBusy: Another program has it.
        BoardAway: As `Link.open`.
    """
    opening = asyncio.create_task(asyncio.to_thread(Link.open, path, baud=baud, dtr=dtr, rts=rts, counts=counts))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Task[Link]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _refused(path: Path, error: OSError | ValueError | termios.error, *, baud: int) -> BoardAway:
    """Why a port cannot be opened, in words."""
    number = _number(error)
    if number in _BUSY:
        return PortBusy(f"{path} is held by another program")
    if number == errno.EACCES:
        return BoardAway(f"{path} may not be opened by this user, who should be in the group `dialout`")
    if number == errno.ENOTTY:
        return BoardAway(f"{path} is no serial port")
    if number is None:
        return BoardAway(f"{path} cannot be set to {baud} baud")
    return BoardAway(f"{path} cannot be opened: {os.strerror(number)}")


def _number(error: BaseException) -> int | None:
    """The system's number of an error; pyserial gives it only in words where it comes from `termios`."""
    for each in (error, error.__context__):
        if isinstance(each, OSError | termios.error) and each.args and isinstance(each.args[0], int):
            return each.args[0]
    return None
