"""The Edge Impulse data forwarder's lines: a sample of every axis a line, and how they become a CSV file. Sans-IO.

    -0.12,9.79,0.33       separated by commas, tabs or spaces, at a steady rate that nobody tells

Read from edgeimpulse/edge-impulse-cli, cli/data-forwarder.ts. What it does we do too: the rate is measured, the first
line may be torn and is left out, and so is what follows the last newline. What it does not do: the rate is that of the
whole recording, not of its first second; a line of another number of axes is left out and counted, and the file is
written all the same. Its place in time is kept free, so that the rows behind it stay where they were. A line with words
in it is the sketch's talk, and takes no place.

The file is what Edge Impulse takes for upload: a header, and in its first column the time in ms. Time is an argument.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.errors import ConfigError
from edged.mcu.textline import Line, Splitter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

START, STOP = b"AT+STARTDATAFWD\r\n", b"AT+STOPDATAFWD\r\n"
"""For sketches that wait to be asked (`--start-msg`)."""
MAX_LINES = 2_000_000
"""Half an hour at 1 kHz, some 300 MB here; what comes then is lost, and counted."""
FEWEST = 3
"""Lines that tell a rate."""

_TALK = re.compile(r"(?i)[a-z]{2}(?<!na)(?<!an)(?<!in)(?<!nf)")
"""A word, but `nan` and `inf`."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A recording."""

    rate_hz: float
    axes: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    """A value for each axis, in order."""
    places: tuple[int, ...]
    """Of each row, in the sequence of all lines: where numbers are missing, so many were lost there."""
    lost: int
    """Lines between the first and the last row that were none, and lines that found no room."""

    def write(self, file: TextIO) -> None:
        """Write it as CSV; the times are those of the rate, in ms since the first row."""
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("timestamp", *self.axes))
        step_ms = 1000 / self.rate_hz
        table.writerows((f"{place * step_ms:.10g}", *row) for place, row in zip(self.places, self.rows, strict=True))


class Forwarder:
    """Takes what a board prints, from any moment on."""

    def __init__(self) -> None:
        self.lines = 0
        """That came whole."""
        self._splitter = Splitter()
        self._first = True
        self._kept: list[tuple[float, ...] | None] = []
        self._came_s = array("d")
        self._over = 0
        self.error: str | None = None
        """What the sketch complained of."""

    def feed(self, data: bytes, *, now_s: float) -> None:
        """Take bytes that came now."""
        for found in self._splitter.feed(data):
            if self._first:
                self._first = False
                continue
            text = found.text.strip() if isinstance(found, Line) else "?"
            if text.lstrip("<").upper().startswith("ERR"):
                self.error = self.error or text
            if text and not _TALK.search(text):
                self._keep(_values(text), now_s)

    def _keep(self, values: tuple[float, ...] | None, now_s: float) -> None:
        self.lines += 1
        if len(self._kept) >= MAX_LINES:
            self._over += 1
            return
        self._kept.append(values)
        self._came_s.append(now_s)

    def finish(self, *, axes: Sequence[str] = (), rate_hz: float | None = None) -> Forwarded:
        """The recording so far.

        Args:
            axes: Their names; none: `axis1` and so on.
            rate_hz: If it is known; otherwise it is measured.

        Raises:
            ConfigError: It is no such recording, too short to tell its rate, or has another number of axes.
        """
        if self.error is not None:
            raise ConfigError(f"the sketch says: {self.error}", way_out="Mend the sketch, or its sensor")
        counts = Counter(len(values) for values in self._kept if values is not None)
        if not counts:
            way_out = "Have it print a line of numbers for each sample, as `Serial.println` does: `0.12,-3.5,9.81`"
            raise ConfigError("the board prints no samples", way_out=way_out)
        width = counts.most_common(1)[0][0]
        names = _names(axes, width)
        good = [at for at, values in enumerate(self._kept) if values is not None and len(values) == width]
        first, last = good[0], good[-1]
        return Forwarded(
            rate_hz=self._rate_hz(first, last) if rate_hz is None else rate_hz,
            axes=names,
            rows=tuple(values for at in good if (values := self._kept[at]) is not None),
            places=tuple(at - first for at in good),
            lost=last - first + 1 - len(good) + self._over,
        )

    def _rate_hz(self, first: int, last: int) -> float:
        lasted_s = self._came_s[last] - self._came_s[first]
        if last - first + 1 < FEWEST or lasted_s <= 0:
            raise ConfigError(f"{last - first + 1} samples do not tell their rate", way_out="Record for longer")
        return float(f"{(last - first) / lasted_s:.4g}")


def _values(text: str) -> tuple[float, ...] | None:
    words = text.replace(",", " ").split()
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        return None
    finite = all(value - value == 0 for value in values)
    return values if values and finite and "_" not in text else None


def _names(axes: Sequence[str], width: int) -> tuple[str, ...]:
    if not axes:
        return tuple(f"axis{number}" for number in range(1, width + 1))
    if len(axes) != width:
        counted = f"{width} axis" if width == 1 else f"{width} axes"
        raise ConfigError(
            f"the board prints {counted}", key="--axes", value=",".join(axes), way_out="Name each of them"
        )
    return tuple(axes)
