"""The sample count against the clock: what was lost without anybody saying so. Pure: time comes with the chunks.

PortAudio's overflow flags stay 0 when a sound server drops audio, and when it stops and then catches up in a burst. But
sound is made at a known rate, so the count tells. The lag of a stream (clock minus samples) wobbles with every
burst, and its *least* value in a window does not: audio that is only late comes in the end, audio that is lost never
does. So the least lags of successive windows are compared. A crystal that is off moves them by a tenth of a
millisecond; a loss moves them by all that was lost.
"""

from __future__ import annotations

WINDOW_S = 2.0
"""Longer than any burst: a stream that stops for a second is given up anyway."""
SLACK_S = 0.1
"""A change of the least lag below this is scheduling, not loss."""
OFF_RATE = 0.25
"""A window with so much more or less audio than time is at the wrong rate …"""
OFF_WINDOWS = 3
"""… and so many in a row are no accident."""


class Pace:
    """Watches one unbroken stream of `rate_hz`."""

    def __init__(self, *, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.surplus_s = 0.0
        """Audio beyond what the time allows, so far."""
        self.measured_hz = float(rate_hz)
        """Samples per second of the last window."""
        self._began_ns = 0
        self._heard = 0
        self._window_ends_ns = 0
        self._heard_before = 0
        self._least: float | None = None
        self._least_before: float | None = None
        self._off = 0

    @property
    def wrong(self) -> bool:
        """Whether the device has been at another rate than it claims for several windows."""
        return self._off >= OFF_WINDOWS

    def hear(self, *, samples: int, ended_ns: int) -> float:
        """Take note of a chunk and when it ended; return the seconds of audio now known to be lost before it."""
        if not self._began_ns:
            self._began_ns = ended_ns - samples * 1_000_000_000 // self.rate_hz
            self._window_ends_ns = ended_ns + int(WINDOW_S * 1e9)
        self._heard += samples
        lag_s = (ended_ns - self._began_ns) / 1e9 - self._heard / self.rate_hz
        self._least = lag_s if self._least is None else min(self._least, lag_s)
        return self._close(ended_ns) if ended_ns >= self._window_ends_ns else 0.0

    def _close(self, ended_ns: int) -> float:
        """End the window and compare it with the one before."""
        least = self._least or 0.0
        shift_s = 0.0 if self._least_before is None else least - self._least_before
        window_s = WINDOW_S + (ended_ns - self._window_ends_ns) / 1e9
        self.measured_hz = (self._heard - self._heard_before) / window_s
        off = abs(self.measured_hz / self.rate_hz - 1) > OFF_RATE and abs(shift_s) > OFF_RATE * WINDOW_S / 2
        self._off = self._off + 1 if off else 0
        self._heard_before, self._least_before, self._least = self._heard, least, None
        self._window_ends_ns = ended_ns + int(WINDOW_S * 1e9)
        self.surplus_s += -shift_s if shift_s < -SLACK_S else 0.0
        return shift_s if shift_s > SLACK_S else 0.0
