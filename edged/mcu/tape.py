"""What a board's microphone hears, as fast as its link allows; what the board could not keep shows in the numbers.

A recording is made of stretches: samples on end. Where one does not begin at the number at which the one before it
ended, so many samples are lost, and nothing pretends otherwise.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edged.errors import BoardAway, BoardRefused
from edged.mcu import group
from edged.mcu.asking import told
from edged.mcu.group import Error, Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from edged.mcu.asking import Asks

RATE_HZ: Final = 16_000
PAUSE_S: Final = 0.02
"""After an answer that was not full: the next samples must be heard first."""
FULL_BYTES: Final = 1000
DEAF_S: Final = 5.0
"""A microphone that brings nothing for so long is none."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples on end."""

    first: int
    """Number of the first, since the board's boot."""
    samples: bytes
    """s16 little-endian, 16 kHz."""

    @property
    def end(self) -> int:
        """The number after the last."""
        return self.first + len(self.samples) // 2


async def play(client: Asks, *, seconds: float) -> AsyncGenerator[Stretch, None]:
    """Yield what is heard from now on, for so long by the board's clock, as it comes; the first one is empty.

    Raises:
        BoardRefused: The board has no microphone, or began anew in the middle.
        BoardAway: It does not answer, or hears nothing.
    """
    begin = await _told(client, None)
    until, at = begin.end + round(seconds * RATE_HZ), begin.end
    yield begin
    heard_s = time.monotonic()
    while at < until:
        stretch = await _told(client, at)
        if stretch.first < at:
            raise BoardRefused("the board gives samples that were not asked for")
        if stretch.samples:
            heard_s = time.monotonic()
            at = stretch.end
            yield Stretch(stretch.first, stretch.samples[: max(0, 2 * (until - stretch.first))])
        elif time.monotonic() - heard_s > DEAF_S:
            raise BoardAway(f"the board's microphone has brought nothing for {DEAF_S:g} s")
        if len(stretch.samples) < FULL_BYTES:
            await asyncio.sleep(PAUSE_S)


async def _told(client: Asks, first: int | None) -> Stretch:
    try:
        heard = await told(client, Recorded, group.record(first=first))
    except BoardRefused as refused:
        if refused.group == group.GROUP and refused.rc == Error.OFFSET:
            raise BoardRefused("the board began anew in the middle of the recording", group=group.GROUP) from None
        if refused.group == group.GROUP and refused.rc == Error.INVALID:
            what = f"the board cannot record: {refused.reason or refused}; name a board that has one"
            raise BoardRefused(what, group=group.GROUP, rc=refused.rc) from None
        if refused.group is None:
            raise BoardRefused("the board's firmware cannot record; update it", rc=refused.rc) from None
        raise
    return Stretch(heard.first, heard.samples[: len(heard.samples) // 2 * 2])
