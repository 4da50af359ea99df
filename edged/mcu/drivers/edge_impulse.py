"""A conversation with stock Edge Impulse firmware: stop what runs, ask who it is, have it run, and listen.

A question stops the run, so a board that runs is asked nothing: it lives while results keep coming. When none has come
for longer than it should take, `pulse` stops it, starts it again, and gives up when that brings no result either.

Firmware that was asked to run may refuse: some models cannot run continuously. Then it runs as it can, with a pause of
two seconds between two windows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from edged.errors import BoardAway, BoardForeign
from edged.mcu import at
from edged.mcu.board import Pulse
from edged.mcu.drivers.handover import Handover
from edged.mcu.judge import Judge
from edged.mcu.lines import Scored, Timed
from edged.mcu.secrets import redact
from edged.mcu.textline import Line, Noise, Prompt, Splitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.mcu.board import Identity
    from edged.mcu.driver import Ears
    from edged.mcu.judge import Hearing
    from edged.mcu.link import Link
    from edged.mcu.textline import Found

ECHO_S: Final = 0.5
"""For the echo of a piece, before the next one is sent all the same."""
AGAIN: Final = 2
"""So often a command is given that the board understood as another: it lost a character."""
TRIES: Final = 3
PROMPT_S: Final = 1.5
"""For each; a board that was reset as its port was opened may need as long."""
ANSWER_S: Final = 1.5
START_S: Final = 1.5
"""To begin to run."""
REGRET_S: Final = 0.3
"""To say, having begun, that it cannot."""
SILENT_S: Final = 10.0
"""Without a result; longer, for a board whose results have taken longer."""
STOPPED_S: Final = 5.0
"""Likewise, where it has shown the prompt since: some show it while they run."""
GAPS: Final = 3
"""So many times the longest time from one result to the next is too long."""
MAX_ANSWER: Final = 500
"""Lines of an answer that are kept."""
TORN: Final = "a torn result"
STOPPED: Final = "a run that has stopped"


class EdgeImpulseDriver:
    """Implements `Driver` for stock Edge Impulse firmware.

    Args:
        link: An open port.
        ears: Who hears what the board says.
        hearing: What its scores mean.
    """

    def __init__(self, link: Link, ears: Ears, *, hearing: Hearing) -> None:
        self._link, self._ears = link, ears
        self._judge = Judge(hearing, complete=True)
        self._handover = Handover(link, ears, self._judge)
        self._splitter = Splitter(prompt=at.PROMPT)
        self._results = at.Results()
        self._came = asyncio.Event()
        self._answer: list[Found] | None = None
        """What comes while something is asked."""
        self._running = False
        self._began = False
        self._refusal: str | None = None
        self._command: str | None = None
        """What has it run."""
        self._torn = True
        self._heard = False
        self._count = 0
        self._times = Timed(None, None)
        self._last_ns = time.monotonic_ns()
        """Of the last result, or of the start."""
        self._longest_s = 0.0
        self._prompted = self._restarted = False
        """Since the last result."""

    async def run(self) -> None:
        """Read until cancelled; raises BoardAway when the link is lost."""
        await self._handover.reading(self.take)

    async def identify(self) -> Identity:
        """Stop it, and ask for its configuration.

        Raises:
            BoardAway: Nothing comes.
            BoardForeign: Something comes, but no prompt, or no such configuration.
        """
        self._heard = False
        if not await self._stop(TRIES):
            if self._heard:
                raise BoardForeign("something is said there, but no prompt of Edge Impulse's firmware comes")
            raise BoardAway("nothing answers")
        for _ in range(AGAIN):
            with self._asking() as answer:
                await self._say(at.CONFIG)
                await self._until(partial(_whole, answer), ANSWER_S)
                found = at.identity(_lines(answer))
            if found is not None:
                return found
        raise BoardForeign("it has a prompt, but does not answer AT+CONFIG? as Edge Impulse firmware does")

    async def listen(self) -> None:
        """Have it run, continuously if it can; raises BoardAway where it does neither."""
        known = self._command if self._refusal is None else None
        for command in (at.RUN_CONTINUOUSLY, at.RUN) if known is None else (known,):
            for _ in range(AGAIN):
                await self._start(command)
                if self._refusal is None:
                    self._command = command
                    return
                if not at.misheard(self._refusal, command):
                    break
        raise BoardAway(f"it does not run its model: {self._refusal}")

    async def pulse(self) -> Pulse:
        """How it is, by its results; raises BoardAway where none come, even of a new start."""
        self._handover.see_to_link()
        silent_s = (time.monotonic_ns() - self._last_ns) / 1e9
        if silent_s > (STOPPED_S if self._prompted else max(SILENT_S, GAPS * self._longest_s)):
            if self._restarted:
                raise BoardAway(f"no result has come for {silent_s:.0f} s, though it was started again")
            self._handover.refuse(STOPPED)
            if not await self._stop(1):
                raise BoardAway(f"no result has come for {silent_s:.0f} s, and it does not answer")
            await self.listen()
            self._restarted = True
        return Pulse(
            round_trip_ms=None,
            dropped=self._handover.dropped,
            inferences=self._count,
            features_ms=self._times.features_ms,
            inference_ms=self._times.inference_ms,
            state="listening" if self._running else None,
        )

    async def reset(self) -> None:
        """Have it begin anew, where its firmware has a command for that; raises BoardAway where not."""
        if not await self._stop(1):
            raise BoardAway("it does not answer")
        with self._asking() as answer:
            await self._say(at.RESET)
            await self._until(lambda: _refused(answer) is not None, PROMPT_S)
            why = _refused(answer)
        if why is not None:
            raise BoardAway(f"its firmware has no command to reset it: {why}")

    async def hush(self) -> None:
        """Stop it."""
        self._running = False
        with contextlib.suppress(BoardAway):
            await self._say(at.STOP)

    def take(self, data: bytes, now_ns: int) -> None:
        """Take what came at this moment."""
        self._heard = True
        for found in self._splitter.feed(data):
            torn, self._torn = self._torn, self._torn and isinstance(found, Prompt)
            if not torn or isinstance(found, Noise):  # else the end of what was said before we came
                self._found(found, now_ns)
        self._came.set()

    def _found(self, found: Found, now_ns: int) -> None:
        if isinstance(found, Noise):
            self._link.counts.bad += 1
            self._ears.wrong(found.why)
        elif self._answer is not None:
            self._ears.understood()
            self._answer.append(found)
            del self._answer[:-MAX_ANSWER]
        elif isinstance(found, Prompt):
            self._prompted = True
        elif said := self._results.read(found.text):
            for each in said:
                self._said(each, now_ns)
        elif found.text.strip():
            self._link.counts.text_lines += 1
            self._ears.text(redact(found.text))

    def _said(self, said: at.Said, now_ns: int) -> None:
        self._ears.understood()
        match said:
            case Scored(scores):
                if self._running:
                    self._result(now_ns)
                    self._handover.scored(scores, now_ns)
            case Timed():
                self._times = said
            case at.Began():
                self._began = True
            case at.Refused(why):
                self._refusal = redact(why)
                self._prompted = True
                self._ears.text(redact(why))
            case at.Torn():
                self._handover.refuse(TORN)
            case at.Chatter():
                pass

    def _result(self, now_ns: int) -> None:
        if self._count and not self._restarted:
            self._longest_s = max(self._longest_s, (now_ns - self._last_ns) / 1e9)
        self._count += 1
        self._last_ns = now_ns
        self._began, self._prompted, self._restarted = True, False, False

    async def _start(self, command: str) -> None:
        self._results.begin_anew()
        self._judge.begin_anew()
        self._began, self._refusal, self._running = False, None, True
        await self._say(command)
        await self._until(lambda: self._began or self._refusal is not None, START_S)
        await self._until(lambda: self._refusal is not None, REGRET_S)
        if not self._began and self._refusal is None:
            self._refusal = "it does not say that it begins"
        self._last_ns, self._prompted = time.monotonic_ns(), False

    async def _stop(self, tries: int) -> bool:
        """Have it wait for a command; whether it does."""
        self._running = False
        with self._asking() as answer:
            for _ in range(tries):
                await self._say(at.STOP)
                if await self._until(lambda: Prompt() in answer, PROMPT_S):
                    return True
        return False

    async def _say(self, command: str) -> None:
        """Send a command as slowly as the slowest firmware takes it, each piece when the last one is echoed."""
        sent = ""
        for piece in at.pieces(command):
            if sent:
                await self._until(partial(self._echoed, sent), ECHO_S)
            await asyncio.sleep(at.PIECE_S)
            await self._link.write(piece)
            sent += piece.decode("ascii")

    def _echoed(self, sent: str) -> bool:
        return self._splitter.unfinished.endswith(sent)

    async def _until(self, so: Callable[[], bool], seconds: float) -> bool:
        """Wait until it is so, for so long at most; whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not so():
                    self._came.clear()
                    await self._came.wait()
        return so()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[list[Found]]:
        """What comes meanwhile is an answer, and goes nowhere else: it may hold keys."""
        answer: list[Found] = []
        self._answer = answer
        try:
            yield answer
        finally:
            self._answer = None


def _lines(answer: list[Found]) -> list[str]:
    return [found.text for found in answer if isinstance(found, Line)]


def _whole(answer: list[Found]) -> bool:
    """Whether it tells who it is, up to the prompt."""
    return answer[-1:] == [Prompt()] and at.identity(_lines(answer)) is not None


def _refused(answer: list[Found]) -> str | None:
    said = (at.refusal(line) for line in _lines(answer))
    return next((why for why in said if why is not None), None)
