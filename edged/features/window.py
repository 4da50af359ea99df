"""Frames gathered into the windows that a model looks at, each beginning `hop` frames after the one before.

A window is a view into a buffer that is only ever written behind the last frame, so that a hop of one frame costs no
copy of the window. When the buffer is full the frames still wanted move to a new one; windows given out keep the old.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from edged.errors import ModelError
from edged.records import Frames, Window

ROOM_FRAMES: Final = 64
"""A new buffer has room for so many more frames at least, and for one more window: a frame moves about once."""


class Geometry(Protocol):
    """What a windower must know of a front end: frame k ends at sample ``k * step + window``."""

    @property
    def window(self) -> int:
        """Samples that one frame looks at."""

    @property
    def step(self) -> int:
        """Samples from one frame's start to the next one's."""

    @property
    def width(self) -> int:
        """Features in a frame."""


class Windower:
    """Gives the first window when `frames` frames are there, then one for every further `hop`.

    Args:
        front_end: Where the frames come from; only its geometry is used.
        frames: Frames in a window.
        hop: Frames from one window's start to the next one's; may be longer than the window.

    Raises:
        ModelError: `frames` or `hop` is less than 1.
    """

    def __init__(self, front_end: Geometry, *, frames: int, hop: int) -> None:
        for key, value in (("frames", frames), ("hop", hop)):
            if value < 1:
                raise ModelError("must be at least 1 frame", key=key, value=value, way_out="Give a positive number")
        self._frames = frames
        self._hop = hop
        self._step = front_end.step
        self._window = front_end.window
        self._width = front_end.width
        self.reset()

    def reset(self) -> None:
        """Forget every frame; the sample count begins anew."""
        self._rows: Frames = np.empty((0, self._width), dtype=np.float32)
        self._filled = 0
        self._next = 0
        self._passed = 0

    def push(self, frames: Frames) -> list[Window]:
        """Take the next frames, shape (n, width), float32; give the windows they complete, oldest first.

        The windows' frames are read-only views that stay valid.
        """
        self._make_room(len(frames))
        end = self._filled + len(frames)
        self._rows[self._filled : end] = frames
        self._filled = end
        windows = []
        while self._next + self._frames <= end:
            windows.append(self._window_at(self._next))
            self._next += self._hop
        return windows

    def _window_at(self, row: int) -> Window:
        view = self._rows[row : row + self._frames]
        view.flags.writeable = False
        last = self._passed + row + self._frames - 1
        return Window(frames=view, ends=last * self._step + self._window)

    def _make_room(self, count: int) -> None:
        if self._filled + count <= len(self._rows):
            return
        done = min(self._next, self._filled)
        wanted = self._rows[done : self._filled]
        room = max(self._frames, ROOM_FRAMES)
        self._rows = np.empty((len(wanted) + count + room, self._width), dtype=np.float32)
        self._rows[: len(wanted)] = wanted
        self._filled = len(wanted)
        self._next -= done
        self._passed += done
