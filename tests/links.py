"""What tests of the link share: events, and a link that runs for the length of a block."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from broker import WITHIN_S

from edged.mqtt import Link
from edged.records import Draft, Publication, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from broker import Broker, Message, OldBroker, Proxy, Subscriber

    from edged.outbox import Outbox

EVENTS = "edged/k/sound/mic/m/event"
STATUS = "edged/k/status"
ONLINE = Publication(topic=STATUS, payload=b"online", retain=True)
WILL = Publication(topic=STATUS, payload=b"offline: connection lost", retain=True)
FAREWELL = Publication(topic=STATUS, payload=b"offline: stopped", retain=True)


def state(topic: str, payload: str) -> Publication:
    return Publication(topic=f"edged/k/{topic}", payload=payload.encode(), retain=True)


def drafts(numbers: range, topic: str = EVENTS) -> list[Draft]:
    return [Draft(stream="mic/m", topic=topic, body=str(number).encode()) for number in numbers]


def deliver(stored: Stored) -> Publication:
    """Stand where Messages.deliver stands: the id, then what the test put in."""
    if stored.body == b"damaged":
        raise ValueError("no JSON object")
    return Publication(
        topic=stored.topic, payload=b"%d:%b" % (stored.number, stored.body), properties=(("id", str(stored.number)),)
    )


def numbers(messages: list[Message], topic: str = EVENTS) -> list[int]:
    return [int(message.payload.split(b":")[1]) for message in messages if message.topic == topic]


def first_arrivals(messages: list[Message], topic: str = EVENTS) -> list[int]:
    return list(dict.fromkeys(numbers(messages, topic)))


async def eventually(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait until it is true, while the loop goes on."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - most of what is waited for happens in other processes
            await asyncio.sleep(0.01)


async def more_came(subscriber: Subscriber) -> None:
    before = len(subscriber.messages)
    await eventually(lambda: len(subscriber.messages) > before)


async def connections(link: Link, count: int) -> None:
    await eventually(lambda: link.connections >= count and link.state == "connected")


def link_to(broker: Broker | Proxy | OldBroker, outbox: Outbox, **more: Any) -> Link:
    options: dict[str, Any] = {"host": broker.host, "port": broker.port, "client_id": "edged-k", "outbox": outbox}
    options |= {"deliver": deliver, "will": WILL, "announce": lambda: [ONLINE]}
    return Link(**options | more)


@contextlib.asynccontextmanager
async def running(link: Link) -> AsyncIterator[Link]:
    """Run a link until the block ends, and then end it without a word."""
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)
