"""A cable between a board and whoever speaks to it, on which a test says what goes through: a pty of its own."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class Cable:
    """Ties the device at `far` to a pty, which `near` names. `unplug` and `plug` as often as need be.

    Args:
        far: The board's; None: nothing is tied to the other end.
        near: A symbolic link to make.
        listens: Whether bytes that are written to the near end are taken at all; a hung board's are not.
    """

    def __init__(self, far: Path | None, near: Path, *, listens: bool = True) -> None:
        self.near = near
        self.deaf = False
        """While set, what the board says is lost."""
        self._far_path, self._listens = far, listens
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self) -> None:
        """Make the near end appear."""
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
        self._far = None if self._far_path is None else os.open(self._far_path, flags)
        if self._far is not None:
            tty.setraw(self._far)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.near.unlink(missing_ok=True)
        self.near.symlink_to(os.ttyname(self._slave))
        self._over.clear()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Make it vanish."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        self._thread = None
        self.near.unlink()
        for descriptor in (self._far, self._master, self._slave):
            if descriptor is not None:
                os.close(descriptor)

    def say(self, data: bytes) -> bool:
        """Put bytes on the line, as if the board had said them; False: there is no room, and some are lost."""
        with contextlib.suppress(BlockingIOError):
            return os.write(self._master, data) == len(data)
        return False

    def _carry(self) -> None:
        ends = [end for end in (self._far, self._master if self._listens else None) if end is not None]
        while not self._over.is_set():
            for end in select.select(ends, [], [], 0.02)[0]:
                with contextlib.suppress(OSError):
                    data = os.read(end, 4096)
                    if end == self._master and self._far is not None:
                        os.write(self._far, data)
                    elif end == self._far and not self.deaf:
                        os.write(self._master, data)
