"""Questions and answers over SMP on one link, both ways at once.

We ask one thing at a time, for a board has one buffer for requests; while we wait, the board may ask us, and is
answered. An answer is told by operation, group, command and sequence; one that nobody waits for (it came twice, or too
late) is dropped and counted. A response is never answered.

What the board asks is answered in order by a task of its own, so that reading goes on while an event is being stored. A
request that comes again while it still waits here is dropped and counted: one answer answers both. Another one under
the same sequence takes its place, for the board has begun anew and must not take the answer for this one's. At most
MAX_ASKED wait; what comes then is dropped and counted, and a board that wants an answer asks again.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edged.errors import BoardAway, BoardForeign, BoardRefused
from edged.mcu import framing, group, smp
from edged.mcu.body import Malformed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edged.mcu.link import Link
    from edged.mcu.smp import Message, Refusal

MAX_ASKED: Final = 16
ANSWER_S: Final = 2.0

NO_FRAME: Final = "a damaged frame"
NO_MESSAGE: Final = "a frame that is no message"
ECHO: Final = "what we said, as an echo"
AGAIN: Final = "a request that waits already"
UNASKED: Final = "an answer that nobody waits for"
TOO_MANY: Final = "more requests than are answered"

_SMP_SAYS: Final = {
    1: "unknown error", 2: "no memory", 3: "invalid value", 4: "timeout", 5: "no such entry", 6: "not in this state",
    7: "too large an answer", 8: "not supported", 9: "damaged", 10: "busy", 11: "access denied",
    12: "protocol version too old", 13: "protocol version too new",
}  # fmt: skip
"""Zephyr, include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h: enum mcumgr_err_t."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request's answer, and when, by CLOCK_MONOTONIC."""

    answer: Message
    asked_ns: int
    """Just before the request was written; of several tries, the first."""
    answered_ns: int


class SmpClient:
    """Both sides of SMP on a link; `run` reads, and everything else waits for what it reads.

    Args:
        link: An open port.
        asked: Gives the answer to a request of the board's, or None for none; called one after the other.
        text: Takes each line that is no frame: the board's log.
        wrong: Takes what came and should not have, in a few words; it is counted already.
        understood: Called at each message.
    """

    def __init__(
        self,
        link: Link,
        *,
        asked: Callable[[Message], Awaitable[Message | None]],
        text: Callable[[str], None],
        wrong: Callable[[str], None],
        understood: Callable[[], None],
    ) -> None:
        self._link = link
        self._asked, self._text, self._wrong, self._understood = asked, text, wrong, understood
        self._reader = framing.Reader()
        self._lock = asyncio.Lock()
        self._request: Message | None = None
        """The last."""
        self._answer: asyncio.Future[tuple[Message, int]] | None = None
        self._sequence = os.urandom(1)[0]  # an answer to a program that had the port before us must not fit ours
        self._requests: dict[tuple[int, int, int, int], Message] = {}
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Read and answer, until cancelled.

        Raises:
            BoardAway: The link is lost.
        """
        tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._reply())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._answer is not None:
                self._answer.cancel()

    async def ask(self, request: Message, *, timeout_s: float = ANSWER_S, tries: int = 1) -> Message:
        """The answer to a request, after those of whoever asked before.

        Args:
            request: Its sequence is set here; all tries have the same.
            timeout_s: How long each try may take.
            tries: How often it is sent at most; more than once only what does no harm twice.

        Raises:
            BoardAway: No answer, or the link is lost.
            BoardRefused: The board says no.
        """
        return (await self.exchange(request, timeout_s=timeout_s, tries=tries)).answer

    async def exchange(self, request: Message, *, timeout_s: float = ANSWER_S, tries: int = 1) -> Exchange:
        """As `ask`, with the moments of both."""
        async with self._lock:
            self._sequence = (self._sequence + 1) % 256
            self._request = replace(request, sequence=self._sequence)
            self._answer = asyncio.get_running_loop().create_future()
            asked_ns = time.monotonic_ns()
            try:
                answer, answered_ns = await self._tried(timeout_s, tries)
            finally:
                self._answer = None
        try:
            refusal = smp.refusal(answer)
        except Malformed as error:
            raise BoardForeign(f"the board answers what SMP does not know: {error}") from None
        if refusal is not None:
            raise BoardRefused(_in_words(refusal), group=refusal.group, rc=refusal.rc, reason=refusal.reason)
        return Exchange(answer, asked_ns, answered_ns)

    async def _tried(self, timeout_s: float, tries: int) -> tuple[Message, int]:
        request, answer = self._request, self._answer
        assert request is not None  # noqa: S101 - set by exchange, for mypy
        assert answer is not None  # noqa: S101 - likewise
        frame = framing.write(smp.write(request))
        for _ in range(tries):
            await self._link.write(frame)
            done, _ = await asyncio.wait([answer], timeout=timeout_s)
            if answer.cancelled():
                raise BoardAway("the link was lost before an answer came")
            if done:
                return answer.result()
        raise BoardAway(f"no answer to {request.group}/{request.command} within {tries * timeout_s:g} s")

    async def _hear(self) -> None:
        counts = self._link.counts
        while True:
            bad = self._reader.bad
            found = self._reader.feed(await self._link.read())
            if self._reader.bad > bad:
                counts.bad += self._reader.bad - bad
                self._wrong(NO_FRAME)
            for each in found:
                match each:
                    case framing.Frame(message):
                        self._take(message)
                    case framing.Text(line):
                        counts.text_lines += 1
                        self._text(line)

    def _take(self, data: bytes) -> None:
        try:
            message = smp.read(data)
        except Malformed:
            self._link.counts.bad += 1
            self._wrong(NO_MESSAGE)
            return
        if message == self._request:  # by a line that leads back to us; an answer would come back as one
            self._refuse(ECHO)
            return
        self._understood()
        if not message.is_response:
            self._take_request(message)
        elif self._request is None or self._answer is None or self._answer.done() or not message.answers(self._request):
            self._link.counts.refuse(UNASKED)
        else:
            self._answer.set_result((message, time.monotonic_ns()))

    def _take_request(self, message: Message) -> None:
        key = (message.op, message.group, message.command, message.sequence)
        if self._requests.get(key) == message:
            self._link.counts.refuse(AGAIN)
        elif key not in self._requests and len(self._requests) >= MAX_ASKED:
            self._refuse(TOO_MANY)
        else:
            self._requests[key] = message
            self._more.set()

    async def _reply(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._requests:
                key, message = next(iter(self._requests.items()))
                answer = await self._asked(message)
                if self._requests[key] is message:  # or another took its place
                    del self._requests[key]
                    if answer is not None:
                        await self._link.write(framing.write(smp.write(answer)))

    def _refuse(self, why: str) -> None:
        self._link.counts.refuse(why)
        self._wrong(why)


def _in_words(refusal: Refusal) -> str:
    """What a board has against a request."""
    if refusal.group is None:
        known = _SMP_SAYS.get(refusal.rc, "an error")
    elif refusal.group == group.GROUP and refusal.rc in set(group.Error):
        known = group.Error(refusal.rc).name.lower().replace("_", " ")
    else:
        known = f"an error of group {refusal.group}"
    return f"the board refuses: {refusal.reason or known} ({refusal.rc})"
