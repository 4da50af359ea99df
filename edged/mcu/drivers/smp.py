"""A conversation with edged's own firmware, or with any Zephyr board that has an SMP server.

Who answers group 65's hello is ours: it sends events and heartbeats as long as it is subscribed to, by a lease that
each `pulse` renews. Who refuses it speaks plain SMP (mcumgr.py).

An event is acknowledged only when it is stored. One that the board itself cannot have decided yet, by what it says of
its own counting, its boot and its clock, is refused and never acknowledged: what is damaged or lies must not end up
among what was heard. Each question for that costs one round trip, and an event that comes again is known by then.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from edged.errors import BoardAway, BoardForeign, BoardRefused, Unavailable
from edged.mcu import group, smp
from edged.mcu.body import Malformed
from edged.mcu.client import SmpClient
from edged.mcu.drivers import mcumgr, said
from edged.mcu.group import Command, Event, Heartbeat, Hello, Subscribed
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.mcu.board import Identity, Pulse
    from edged.mcu.client import Exchange
    from edged.mcu.driver import Ears
    from edged.mcu.link import Link

LEASE_S: Final = 10.0
HELLO_S: Final = 1.0
HELLO_TRIES: Final = 3
"""A board that opening has reset needs a moment; after that it is asked once more."""
HUSH_S: Final = 0.5

FUTURE: Final = "an event of the future"
STRANGE: Final = "a request that no board makes"
DAMAGED: Final = "a request that cannot be read"

_INVALID: Final = 3
"""SMP's own: MGMT_ERR_EINVAL."""
_Record = TypeVar("_Record")


class SmpDriver:
    """One conversation; see driver.Driver.

    Args:
        link: An open port.
        ears: Who wants to hear what comes.
        lease_s: For so long the board speaks after each pulse.
    """

    def __init__(self, link: Link, ears: Ears, *, lease_s: float = LEASE_S) -> None:
        self.identity: Identity | None = None
        """Who answered."""
        self.hello: Hello | None = None
        """As it was said; None: not by our firmware."""
        self.client = SmpClient(link, asked=self._asked, text=ears.text, wrong=ears.wrong, understood=self._understands)
        self._link, self._ears = link, ears
        self._lease_ms = round(1000 * lease_s)
        self._understood = False
        self._listening = False
        self._latest: Hello | Heartbeat | None = None
        self._zephyr = mcumgr.Zephyr(self.client)

    async def run(self) -> None:
        """Read what comes, and answer what the board asks."""
        await self.client.run()

    async def identify(self) -> Identity:
        """Ask who is there.

        Raises:
            BoardAway: Nothing answers.
            BoardForeign: It talks all the time, and what it says is not SMP; or it is of another version.
        """
        try:
            self.identity = await self._said_hello()
        except BoardRefused:
            self.hello = None
            self.identity = await self._zephyr.identify()
        return self.identity

    async def listen(self) -> None:
        """Subscribe, where it is our firmware."""
        if self.hello is not None:
            self._listening = True
            await self._subscribe()

    async def pulse(self) -> Pulse:
        """Renew the subscription and read how it is; of another board, its tasks."""
        if self.hello is None:
            return await self._zephyr.pulse()
        if self._listening:
            await self._subscribe()
        exchange, heartbeat = await self._told(Heartbeat, group.heartbeat())
        self._latest = heartbeat
        return said.pulse(heartbeat, asked_ns=exchange.asked_ns, answered_ns=exchange.answered_ns)

    async def reset(self) -> None:
        """Ask for a reset, which follows the answer."""
        try:
            await self.client.ask(mcumgr.reset())
        except BoardRefused as error:
            raise BoardAway(f"it cannot be reset by its protocol: {error}") from None

    async def hush(self) -> None:
        """Unsubscribe."""
        self._listening = False
        if self.hello is not None:
            with contextlib.suppress(Unavailable):
                await self.client.ask(group.subscribe(lease_ms=0), timeout_s=HUSH_S)

    # Who is there.

    async def _said_hello(self) -> Identity:
        self._understood = False
        counts, before = self._link.counts, self._link.counts.bytes_in
        hello = group.hello()
        try:
            answer = await self.client.ask(hello, timeout_s=HELLO_S, tries=HELLO_TRIES)
        except BoardAway:
            meanwhile = counts.bytes_in
            try:
                answer = await self.client.ask(hello, timeout_s=HELLO_S)
            except BoardAway:
                talks_on = before < meanwhile < counts.bytes_in and self._link.is_open
                if talks_on and not self._understood:
                    raise BoardForeign("what it says all the time is not SMP: another firmware, or baud rate") from None
                raise
        return self._introduced(answer.body)

    def _introduced(self, body: Mapping[str, Any]) -> Identity:
        if body.get("proto") != group.PROTOCOL:
            raise BoardForeign(f"its firmware speaks version {body.get('proto')} of the protocol, not {group.PROTOCOL}")
        hello = _read(Hello, body)
        self.hello = self._latest = hello
        return said.identity(hello)

    # What is asked of it time and again.

    async def _subscribe(self) -> None:
        await self._told(Subscribed, group.subscribe(lease_ms=self._lease_ms))

    async def _told(self, record: type[_Record], request: Message) -> tuple[Exchange, _Record]:
        """The answer of our firmware, which never refuses these."""
        try:
            exchange = await self.client.exchange(request)
        except BoardRefused as error:
            raise BoardForeign(f"it is edged's firmware no more: {error}") from None
        return exchange, _read(record, exchange.answer.body)

    # What it asks of us.

    def _understands(self) -> None:
        self._understood = True
        self._ears.understood()

    async def _asked(self, message: Message) -> Message | None:
        ours = message.group == group.GROUP and message.op == Op.WRITE
        if ours and message.command == Command.HEARTBEAT:
            return self._beaten(message)
        if ours and message.command == Command.EVENT:
            return await self._heard(message)
        self._refuse(STRANGE)
        return message.response({"rc": smp.ENOTSUP})

    def _beaten(self, message: Message) -> Message:
        try:
            group.read(Heartbeat, message.body)
        except Malformed:
            self._refuse(DAMAGED)
            return message.response({"rc": _INVALID})
        return message.response()

    async def _heard(self, message: Message) -> Message | None:
        """Answer an event; no answer has it sent again."""
        if not self._listening:
            return None  # by the lease of somebody before us
        try:
            event = group.read(Event, message.body)
            said.check_event(event)
        except Malformed:
            self._refuse(DAMAGED)
            return message.response({"rc": _INVALID})
        try:
            if not await self._is_decided(event):
                self._refuse(FUTURE)
                return message.response({"err": {"group": group.GROUP, "rc": group.Error.INVALID}, "rsn": FUTURE})
            await self._ears.event(said.event_of(event))
        except Unavailable:
            return None
        return message.response()

    async def _is_decided(self, event: Event) -> bool:
        """Whether the board, when asked, has come so far."""
        if not said.covers(self._latest, event):
            _, self._latest = await self._told(Heartbeat, group.heartbeat())
        return said.covers(self._latest, event)

    def _refuse(self, why: str) -> None:
        self._link.counts.refuse(why)
        self._ears.wrong(why)


def _read(record: type[_Record], body: Mapping[str, Any]) -> _Record:
    try:
        found = group.read(record, body)
        if isinstance(found, Hello | Heartbeat):
            said.check(found)
    except Malformed as error:
        raise BoardForeign(f"its answer is none of edged's firmware: {error}") from None
    return found
