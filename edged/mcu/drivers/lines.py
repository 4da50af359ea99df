"""A conversation with any sketch: it talks, and we listen.

Nothing is asked, for no sketch need understand a question. A sketch may be silent for days, where it speaks only of
what it hears; so silence is no fault, but for one that was *steady*: that has sent scores of nothing at all, every few
seconds, for a minute. When such a one falls silent, it hangs.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from edged.errors import BoardAway
from edged.mcu.board import Identity, Pulse
from edged.mcu.drivers.handover import Handover
from edged.mcu.forwarder import START, STOP, Forwarded, Forwarder
from edged.mcu.judge import Judge
from edged.mcu.lines import Row, Scored, Timed, Told, read
from edged.mcu.secrets import redact
from edged.mcu.textline import Line, Noise, Splitter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edged.mcu.driver import Ears
    from edged.mcu.judge import Hearing
    from edged.mcu.link import Link
    from edged.mcu.textline import Found

BETWEEN_S: Final = 0.1
"""A line does not pause for so long: 100 characters take it at 9600 baud. What comes later begins a line."""
STEADY_S: Final = 60.0
"""For so long it must have said that it hears nothing, so that its silence means something."""
GAP_S: Final = 5.0
"""From one such word to the next, at most."""
SILENT_S: Final = 30.0


class LinesDriver:
    """Implements `Driver` for boards that print what they hear.

    Args:
        link: An open port.
        ears: Who hears what the board says.
        hearing: What its scores mean.
    """

    def __init__(self, link: Link, ears: Ears, *, hearing: Hearing) -> None:
        self._link, self._ears = link, ears
        self._judge = Judge(hearing)
        self._handover = Handover(link, ears, self._judge)
        self._splitter = Splitter()
        self._opened_ns = self._last_ns = time.monotonic_ns()
        self._torn: bool | None = None
        """The first line may be; None: nothing came yet."""
        self._listening = False
        self._results = 0
        self._times = Timed(None, None)
        self._quiet_since_ns = self._quiet_ns = 0
        self._steady = False
        self._forwarder: Forwarder | None = None

    async def run(self) -> None:
        """Read until cancelled; raises BoardAway when the link is lost."""
        await self._handover.reading(self.take)

    async def identify(self) -> Identity:
        """Nobody can be asked: it is whoever is plugged in."""
        self._steady, self._last_ns = False, time.monotonic_ns()
        return Identity(speaks="lines")

    async def listen(self) -> None:
        """From now on what it says counts."""
        self._listening = True

    async def pulse(self) -> Pulse:
        """How it is, by what it has said; raises BoardAway where one that was steady has fallen silent."""
        self._handover.see_to_link()
        silent_s = (time.monotonic_ns() - self._last_ns) / 1e9
        if self._steady and silent_s > SILENT_S:
            raise BoardAway(
                f"nothing has come for {silent_s:.0f} s, and before there was something every {GAP_S:.0f} s"
            )
        return Pulse(
            round_trip_ms=None,
            dropped=self._handover.dropped,
            inferences=self._results or None,
            features_ms=self._times.features_ms,
            inference_ms=self._times.inference_ms,
        )

    async def reset(self) -> None:
        """Raise BoardAway: a sketch has no such command."""
        raise BoardAway("a sketch has no command to reset it")

    async def hush(self) -> None:
        """Nothing: it goes on talking, to nobody."""

    async def forward(
        self,
        seconds: float,
        *,
        axes: Sequence[str] = (),
        rate_hz: float | None = None,
        ask: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Forwarded:
        """Record what it prints as the Edge Impulse data forwarder's lines.

        Args:
            seconds: For so long.
            axes: Their names; none: `axis1` and so on.
            rate_hz: If it is known.
            ask: Have it begin by the data forwarder's command, and stop in the end.
            progress: Called about ten times a second, with the number of lines so far.

        Raises:
            ConfigError: It is no such recording.
            BoardAway: The link is lost.
        """
        self._forwarder = forwarder = Forwarder()
        try:
            if ask:
                await self._link.write(START)
            until_s = time.monotonic() + seconds
            while (left_s := until_s - time.monotonic()) > 0:
                await asyncio.sleep(min(left_s, 0.1))
                self._handover.see_to_link()
                if progress is not None:
                    progress(forwarder.lines)
            if ask:
                await self._link.write(STOP)
        finally:
            self._forwarder = None
        return forwarder.finish(axes=axes, rate_hz=rate_hz)

    def take(self, data: bytes, now_ns: int) -> None:
        """Take what came at this moment."""
        if self._torn is None:
            self._torn = now_ns - self._opened_ns < BETWEEN_S * 1e9
        if self._forwarder is not None:
            self._forwarder.feed(data, now_s=now_ns / 1e9)
        for found in self._splitter.feed(data):
            torn, self._torn = self._torn, False
            if not torn or isinstance(found, Noise):
                self._found(found, now_ns)

    def _found(self, found: Found, now_ns: int) -> None:
        match found:
            case Noise(why):
                self._link.counts.bad += 1
                self._ears.wrong(why)
            case Line(text) if text.strip():
                self._last_ns = now_ns
                self._line(text, now_ns)

    def _line(self, text: str, now_ns: int) -> None:
        said = read(text)
        if said is None:
            self._link.counts.text_lines += 1
            self._ears.text(redact(text))
            return
        self._ears.understood()
        match said:
            case Scored(scores):
                self._results += 1
                if self._judge.quiet(scores):
                    self._quiet(now_ns)
                if self._listening:
                    self._handover.scored(scores, now_ns)
            case Told(event) if self._listening:
                self._handover.told(event, now_ns)
            case Timed():
                self._times = said
            case Told() | Row():
                pass

    def _quiet(self, now_ns: int) -> None:
        """Take note that it speaks though it hears nothing."""
        if now_ns - self._quiet_ns > GAP_S * 1e9:
            self._quiet_since_ns = now_ns
        self._quiet_ns = now_ns
        self._steady = self._steady or now_ns - self._quiet_since_ns >= STEADY_S * 1e9
