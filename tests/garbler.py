"""A bad cable: a pty between a board and whoever speaks to it, which adds, drops and bends bytes in bouts."""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading
import time
import tty
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

BOUT_S: Final = 1.0
PAUSE_S: Final = 4.0
NOISE_BYTES: Final = 400
"""At a time, 20 times a second."""


class Garbler:
    """Ties the device at `far` to a pty of its own, which `near` names.

    Args:
        far: The board's.
        near: A symbolic link to make.
        seed: Of its mischief.
    """

    def __init__(self, far: Path, near: Path, *, seed: int) -> None:
        self._chance = random.Random(seed)
        self._far = os.open(far, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._far)
        self._near, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._near, False)
        self._slave = slave  # held open: whoever opens and closes the other end hangs nothing up
        self.near = near
        near.unlink(missing_ok=True)
        near.symlink_to(os.ttyname(slave))
        self._over = threading.Event()
        self.bouts = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for descriptor in (self._far, self._near, self._slave):
            os.close(descriptor)

    def _run(self) -> None:
        begun = time.monotonic()
        bad = False
        while not self._over.is_set():
            was, bad = bad, (time.monotonic() - begun) % (BOUT_S + PAUSE_S) > PAUSE_S
            self.bouts += bad and not was
            ready, _, _ = select.select([self._far, self._near], [], [], 0.05)
            with contextlib.suppress(OSError):
                if self._far in ready:
                    self._pass(self._far, self._near, bad=bad)
                if self._near in ready:
                    self._pass(self._near, self._far, bad=bad)
                if bad:
                    self._put(self._near, self._chance.randbytes(NOISE_BYTES))

    def _pass(self, source: int, sink: int, *, bad: bool) -> None:
        data = bytearray(os.read(source, 4096))
        if bad and data:
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        self._put(sink, bytes(data))

    def _put(self, sink: int, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # what finds no room is lost, as on a cable
            os.write(sink, data)
