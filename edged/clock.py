"""The time: which boot this is, what the clocks say, and whether the wall clock may be believed.

A Raspberry Pi has no clock of its own: after a power cut it comes up with the time it was switched off at, and steps
by days when the first time server answers. So nothing in edged is ordered or measured by the wall clock. A `Moment`
is one reading of both clocks together; every time in a message is a monotonic time put through the one `Moment` that
was taken when the message was made, and says whether the wall clock was synchronised then.

Whether it is synchronised is the kernel's own flag (STA_UNSYNC, which chrony, ntpd and systemd-timesyncd all clear),
read by adjtimex(2). A sandbox may forbid that call even for reading (`ProtectClock=`); then the file by which
systemd-timesyncd says the same must do.
"""

from __future__ import annotations

import ctypes
import functools
import time
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMESYNCD_SAYS = Path("/run/systemd/timesync/synchronized")

TIME_ERROR = 5
"""What adjtimex(2) returns while the clock is not synchronised (``linux/timex.h``)."""
TIMEX_BYTES = 512
"""Room for a ``struct timex`` of any architecture (208 bytes on 64 bits); all zero means: change nothing."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks."""

    utc_ns: int
    """The wall clock, ns since 1970-01-01 UTC."""
    monotonic_ns: int
    """CLOCK_MONOTONIC, ns; comparable only within one boot."""
    synchronised: bool
    """True when the kernel held the wall clock to be synchronised."""

    def utc_of(self, monotonic_ns: int) -> int:
        """Say what the wall clock showed, or would have shown, at a monotonic time of the same boot; ns since 1970."""
        return self.utc_ns + (monotonic_ns - self.monotonic_ns)


def now() -> Moment:
    """Read both clocks."""
    return Moment(utc_ns=time.time_ns(), monotonic_ns=time.monotonic_ns(), synchronised=synchronised())


@functools.cache
def boot_id() -> str:
    """Name this boot: 36 characters, new at every boot of the machine."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def synchronised() -> bool:
    """Say whether the wall clock is synchronised, as the kernel sees it, or else systemd-timesyncd."""
    answer = _adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return answer != TIME_ERROR if answer >= 0 else TIMESYNCD_SAYS.exists()


_adjtimex = ctypes.CDLL(None).adjtimex
