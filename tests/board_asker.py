"""A board asked as commands ask it (edged/mcu/asking.py), over the tests' own link; and harm done to the asking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from boards import Link, RefusedError

from edged.errors import BoardAway, BoardRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.mcu.smp import Message


class Asker:
    """Asks over a link.

    Args:
        link: To the board; nobody else may ask meanwhile.
        before: Called with each request; what it raises is raised where it was asked.
    """

    def __init__(self, link: Link, before: Callable[[Message], None] = lambda _: None) -> None:
        self.link, self.before = link, before
        self.asked: list[Message] = []

    async def ask(self, request: Message, *, timeout_s: float = 2.0, tries: int = 1) -> Message:
        self.asked.append(request)
        self.before(request)
        for left in reversed(range(tries)):
            try:
                return await asyncio.to_thread(self.link.ask, request, seconds=max(timeout_s, 10.0))
            except RefusedError as refused:
                refusal = refused.refusal
                raise BoardRefused(
                    f"the board refuses: {refusal.reason}", group=refusal.group, rc=refusal.rc, reason=refusal.reason
                ) from None
            except (AssertionError, OSError) as error:
                if not left:
                    raise BoardAway(f"it does not answer: {error}") from None
        raise AssertionError(tries)
