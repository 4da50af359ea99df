"""A conversation with a board: what is known of one that is gone helps nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edged.errors import BoardAway
from edged.mcu.conversation import Conversation

GONE = "the port is lost: it was pulled"


class Told:
    """A driver that needs no link to tell how its board is, and whose link may be lost."""

    def __init__(self, *, lost: bool) -> None:
        self._lost = lost

    async def run(self) -> None:
        if self._lost:
            raise BoardAway(GONE)
        await asyncio.Event().wait()

    async def pulse(self) -> str:
        return "well"


async def asked(*, lost: bool) -> str:
    driver: Any = Told(lost=lost)
    link: Any = None
    conversation = Conversation(Path("/dev/none"), link, driver)
    await asyncio.sleep(0)
    return await conversation.bounded(driver.pulse(), within_s=1.0)


def test_an_answer_counts_while_the_link_is_there() -> None:
    assert asyncio.run(asked(lost=False)) == "well"


def test_an_answer_counts_no_more_once_the_link_is_lost() -> None:
    with pytest.raises(BoardAway, match=GONE):
        asyncio.run(asked(lost=True))
