"""A question to a board and the record that answers it, for all who borrow a board's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from edged.errors import BoardForeign
from edged.mcu import group
from edged.mcu.body import Malformed

if TYPE_CHECKING:
    from edged.mcu.smp import Message

TRIES: Final = 3
ANSWER_S: Final = 2.0
ERASE_S: Final = 10.0
"""A message may wait for an erase: 4 s for 128 kB of an STM32F405 (DS8626, table 40), and the settings' besides."""

_Record = TypeVar("_Record")


class Asks(Protocol):
    """Who carries a request to the board and its answer back: client.SmpClient."""

    async def ask(self, request: Message, *, timeout_s: float = ANSWER_S, tries: int = 1) -> Message:
        """Give the answer; raises BoardAway on silence, BoardRefused on a refusal."""


async def told(
    client: Asks, record: type[_Record], request: Message, *, timeout_s: float = ANSWER_S, tries: int = TRIES
) -> _Record:
    """Ask, and read the answer.

    Raises:
        BoardAway: Silence; BoardForeign: the answer is none that our firmware gives.
        BoardRefused: It says no.
    """
    answer = await client.ask(request, timeout_s=timeout_s, tries=tries)
    try:
        return group.read(record, answer.body)
    except Malformed as wrong:
        raise BoardForeign(f"what answers there is none of edged's boards: {wrong}") from None
