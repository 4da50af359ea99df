"""Takes out of a live stream, as they are said: no key to press, the microphone waits for the sound. Pure.

    listening ── stands out for 60 ms ──▶ taking ── quiet for 500 ms ──▶ a take ──▶ listening
                                             └──── longer than it may be ──▶ too long ──▶ until it is quiet

What is quiet is learnt from the last three seconds in which nothing was said. A take has a margin of 200 ms on both
sides. Sound that is always there never stands out: for it, and for the room itself, `Steady` cuts one take after the
other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from edged.audio.level import SILENCE_DBFS, dbfs
from edged.workshop.dataset import RATE_HZ

if TYPE_CHECKING:
    from edged.records import Pcm

FRAME: Final = RATE_HZ // 50
"""Samples looked at together: 20 ms."""
STANDS_OUT_DB: Final = 9.0
"""Over the quiet: it is being said."""
OVER_DB: Final = 5.0
"""Less than this over the quiet: it is over."""
SOFTEST_DBFS: Final = -60.0
"""Nothing below it stands out, however quiet the room."""
ROOM_FRAMES: Final = 150
"""Frames from which the quiet is learnt: 3 s."""
LEARN_FRAMES: Final = 25
"""So many frames, half a second, and it is known."""
ONSET_FRAMES: Final = 3
END_FRAMES: Final = 25
MARGIN_FRAMES: Final = 10


@dataclass(frozen=True, slots=True)
class Take:
    """Something that was said."""

    samples: Pcm
    """Shape (n,), 16 kHz, int16, with its margins."""
    whole: bool = True
    """False when it went on for longer than a take may be."""


class Taking(Protocol):
    """Cuts takes out of a stream."""

    level_dbfs: float
    """Of the last frame."""

    def push(self, samples: Pcm) -> list[Take]:
        """Take the next samples, shape (n,), 16 kHz, however many; return what was said."""

    def broken(self) -> None:
        """Give up the take that is being said: what comes next does not follow on it."""


class Frames:
    """Cuts a stream into frames of one length, however it comes."""

    def __init__(self) -> None:
        self._rest: Pcm = np.zeros(0, np.int16)

    def push(self, samples: Pcm) -> list[Pcm]:
        """Take the next samples, shape (n,); return the frames that are full."""
        held = np.concatenate([self._rest, samples])
        count = len(held) // FRAME
        self._rest = held[count * FRAME :]
        return [held[at * FRAME : (at + 1) * FRAME] for at in range(count)]

    def reset(self) -> None:
        """Forget what fills no frame yet."""
        self._rest = np.zeros(0, np.int16)


class Said:
    """Takes that stand out from the quiet.

    Args:
        length_s: A take that lasts longer is cut there, and said not to be whole.
    """

    def __init__(self, *, length_s: float) -> None:
        self.level_dbfs = SILENCE_DBFS
        self._frames = Frames()
        self._most = max(1, round(length_s * RATE_HZ / FRAME)) + 2 * MARGIN_FRAMES
        self._room: deque[float] = deque(maxlen=ROOM_FRAMES)
        self._before: deque[Pcm] = deque(maxlen=MARGIN_FRAMES + ONSET_FRAMES)
        self._taken: list[Pcm] = []
        self._state: Literal["listening", "taking", "until quiet"] = "listening"
        self._run = 0
        """Frames on end that stand out, or that are quiet."""

    def push(self, samples: Pcm) -> list[Take]:
        """Take the next samples, shape (n,), 16 kHz, however many; return what was said."""
        return [take for frame in self._frames.push(samples) if (take := self._step(frame)) is not None]

    def broken(self) -> None:
        """Give up the take that is being said: what comes next does not follow on it."""
        self._frames.reset()
        self._listening()

    @property
    def quiet_dbfs(self) -> float:
        """Of the room while nothing is said."""
        return float(np.percentile(self._room, 20)) if self._room else SILENCE_DBFS

    def _step(self, frame: Pcm) -> Take | None:
        self.level_dbfs = dbfs(frame)
        over = self.level_dbfs - max(self.quiet_dbfs, SOFTEST_DBFS - STANDS_OUT_DB)
        if self._state == "listening":
            self._listen(frame, stands_out=over > STANDS_OUT_DB)
            return None
        self._run = 0 if over > OVER_DB else self._run + 1
        if self._state == "taking":
            return self._take(frame)
        if self._run >= END_FRAMES:
            self._listening()
        return None

    def _listen(self, frame: Pcm, *, stands_out: bool) -> None:
        self._before.append(frame)
        known = len(self._room) >= LEARN_FRAMES
        self._run = self._run + 1 if stands_out and known else 0
        if self._run >= ONSET_FRAMES:
            self._state, self._run, self._taken = "taking", 0, list(self._before)
        elif not (stands_out and known) or len(self._room) < ROOM_FRAMES:
            self._room.append(self.level_dbfs)

    def _take(self, frame: Pcm) -> Take | None:
        self._taken.append(frame)
        if self._run >= END_FRAMES:
            taken = self._taken[: len(self._taken) - END_FRAMES + MARGIN_FRAMES]
            self._listening()
            return Take(np.concatenate(taken))
        if len(self._taken) - self._run > self._most:
            taken, self._taken = self._taken, []
            self._state = "until quiet"
            return Take(np.concatenate(taken), whole=False)
        return None

    def _listening(self) -> None:
        self._state, self._run, self._taken = "listening", 0, []
        self._before.clear()


class Steady:
    """One take after the other, of one length.

    Args:
        length_s: Of a take.
    """

    def __init__(self, *, length_s: float) -> None:
        self.level_dbfs = SILENCE_DBFS
        self._frames = Frames()
        self._count = max(1, round(length_s * RATE_HZ / FRAME))
        self._taken: list[Pcm] = []

    def push(self, samples: Pcm) -> list[Take]:
        """Take the next samples, shape (n,), 16 kHz, however many; return the takes that are full."""
        takes = []
        for frame in self._frames.push(samples):
            self.level_dbfs = dbfs(frame)
            self._taken.append(frame)
            if len(self._taken) == self._count:
                takes.append(Take(np.concatenate(self._taken)))
                self._taken = []
        return takes

    def broken(self) -> None:
        """Give up the take that is being recorded: what comes next does not follow on it."""
        self._frames.reset()
        self._taken = []
