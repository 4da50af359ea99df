"""The link to the broker: drains the outbox oldest first, and deletes what the broker has acknowledged.

What it promises. An event leaves the outbox only on its PUBACK, so it arrives at least once; within one connection it
is sent once. Events are sent in the order of their numbers, so first arrivals are in order; only an event that the
broker refuses comes after those that were on their way with it. On every CONNACK all retained state is said again,
since a broker may have restarted without its memory. Retained state goes before events: there is one value per topic,
and it is about now.

How it comes back. After a failure the next try follows in `FIRST_RETRY_S`, then each time twice as late up to
`LAST_RETRY_S`, each shortened at random by up to half, so that many gateways do not come back as one; a connection
must have held `STEADY_S` before the count begins anew. So a broker that was away for a minute is found within 5 s of
its return, and never sees more than one socket.

What it says. `state` and `why` tell how things are; the log gets each reason once per outage as a WARNING, then as
DEBUG, and INFO when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edged import clock, complaints
from edged.complaints import Reason, Target
from edged.connection import Dialler, Tls
from edged.errors import BrokerAway, StorageFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edged.clock import Moment
    from edged.connection import Connection
    from edged.outbox import Outbox
    from edged.records import Publication, Stored

__all__ = ["Link", "Tls"]

log = logging.getLogger(__name__)

TLS_PORT = 8883
BATCH = 64
"""Events fetched from the outbox at once."""
RETAINED_CAP = 20_000
"""Topics whose last value is kept (YAMNet has 521 labels a source); beyond, the oldest topic is not said again."""
KEEPALIVE_S = 30
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 5.0
STEADY_S = 10.0
SUSPICIOUS = 4
"""Connections in a row that did not hold `STEADY_S`."""
STORAGE_RETRY_S = 1.0
FAREWELL_S = 1.0
"""Of the time for stopping, so much is kept for saying offline."""

HOPELESS = frozenset({Reason.BAD_TOPIC, Reason.BAD_PAYLOAD})
"""Reasons with which the same message would be refused for ever."""


class Link:
    """Keeps one connection to the broker, for ever.

    Args:
        host: Name or address of the broker.
        port: With 8883 TLS is on even if `tls` is None.
        client_id: Must be this gateway's own: a broker lets in one client of a name.
        outbox: What is drained; this link is its only reader.
        deliver: Makes a stored event ready to send; raises ValueError for one that is damaged.
        will: What the broker says when we are gone without a word.
        announce: What is said first on every new connection.
        username: None for no name.
        password: None for none.
        tls: None for no encryption.
        keepalive_s: A dead connection is noticed within twice this time.

    Raises:
        ConfigError: A certificate or key file cannot be used.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        outbox: Outbox,
        deliver: Callable[[Stored], Publication],
        will: Publication,
        announce: Callable[[], Iterable[Publication]] = tuple,
        username: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        self.state: Literal["away", "connected"] = "away"
        self.why = "not connected yet"
        """What is wrong, for a person; empty when nothing is."""
        self.connected_since: Moment | None = None
        self.connections = 0
        self.unheard = 0
        """Events acknowledged with "no matching subscribers"."""
        self.unsendable = 0
        """Events dropped because no broker could ever take them."""
        self.unsaid = 0
        """Messages that were for now or never, and came while there was no connection, or none that was free."""
        if tls is None and port == TLS_PORT:
            tls = Tls()
        ca = None if tls is None else tls.ca
        self._target = Target(host=host, port=port, username=username, client_id=client_id, ca=ca, tls=tls is not None)
        self._dialler = Dialler(self._target, password=password, tls=tls, will=will, keepalive_s=keepalive_s)
        self._outbox, self._deliver, self._announce = outbox, deliver, announce
        self._retained: dict[str, Publication] = {}
        self._unsent: dict[str, Publication] = {}
        self._ready: deque[Stored] = deque()
        self._cursor = 0
        self._more = True
        self._held: asyncio.TimerHandle | None = None
        """While this runs, no event is sent: the broker has refused one."""
        self._muted = False
        self._connection: Connection | None = None
        self._flying: dict[int, tuple[str, int | None]] = {}
        """By message id: the topic, and the event's number."""
        self._awake = asyncio.Event()
        self._leaving: _Leaving | None = None
        self._task: asyncio.Task[Any] | None = None
        self._backoff, self._patience = _Backoff(), _Backoff()
        self._short_lived = 0
        self._said: set[str] = set()

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.connections - 1)

    @property
    def retained(self) -> frozenset[str]:
        """Topics that hold something at the broker, or may: one that was cleared is here until that is acknowledged."""
        return frozenset(self._retained)

    def retain(self, publication: Publication) -> None:
        """Make this the last word on its topic: send it now if connected, and on every new connection.

        An empty payload clears the topic at the broker and is then forgotten.
        """
        if publication.topic not in self._retained and len(self._retained) >= RETAINED_CAP:
            del self._retained[next(iter(self._retained))]
        self._retained[publication.topic] = publication
        self._unsent[publication.topic] = publication
        self._awake.set()

    def say(self, publication: Publication) -> None:
        """Send a message of QoS 0 now, or never."""
        connection = self._connection
        if connection is None or connection.lost is not None or connection.clogged or self._muted:
            self.unsaid += 1
            return
        try:
            connection.publish(publication)
        except ValueError:  # more than the broker takes
            self.unsaid += 1

    async def run(self) -> None:
        """Connect, serve, and connect again; return only after `stop`."""
        self._task = asyncio.current_task()
        self._outbox.watch(self._committed)
        while self._leaving is None:
            try:
                await self._serve(await self._dialler.dial())
            except BrokerAway as away:
                suspicious = self._short_lived >= SUSPICIOUS
                self._complain(complaints.short_lived(self._target, away) if suspicious else str(away))
                await asyncio.sleep(self._backoff.next())

    async def stop(self, timeout_s: float, *, farewell: Publication) -> None:
        """Send what is stored, as far as the time allows, then the farewell, and disconnect; `run` has then ended.

        Where there is no connection, or the farewell is not acknowledged in time, the broker says the will.
        """
        if self._task is None:
            return
        self._leaving = _Leaving(farewell=farewell, by=asyncio.get_running_loop().time() + timeout_s)
        self._awake.set()
        if self.state == "away":
            self._task.cancel()
        await asyncio.wait([self._task], timeout=timeout_s + FAREWELL_S)
        self._task.cancel()

    # One connection.

    async def _serve(self, connection: Connection) -> None:
        self._came(connection)
        try:
            while self._leaving is None:
                await self._turn(connection, None)
            await self._leave(connection, self._leaving)
        finally:
            self._went(connection)

    def _came(self, connection: Connection) -> None:
        self.state, self.why, self.connected_since = "connected", "", clock.now()
        self.connections += 1
        log.info("connected to %s by MQTT %s", self._target, "5" if connection.v5 else "3.1.1")
        said_first = {publication.topic: publication for publication in self._announce()}
        self._retained = said_first | {topic: said for topic, said in self._retained.items() if topic not in said_first}
        self._unsent = dict(self._retained)
        self._cursor, self._more = 0, True
        connection.begin(acked=self._acked, lost=self._awake.set)
        self._connection = connection

    def _went(self, connection: Connection) -> None:
        self._connection = None
        connection.drop()
        self._short_lived += 1
        if self.connected_since is not None and _held_s(self.connected_since) >= STEADY_S:
            self._short_lived = 0
            self._backoff.reset()
            self._said.clear()
        self.state, self.connected_since = "away", None
        self._flying.clear()
        self._ready.clear()
        self._let_go()

    async def _leave(self, connection: Connection, leaving: _Leaving) -> None:
        now = asyncio.get_running_loop().time
        while not self._drained() and (left_s := leaving.by - FAREWELL_S - now()) > 0:
            await self._turn(connection, left_s)
        self._muted = True
        self.retain(leaving.farewell)
        while (self._unsent or self._flying) and (left_s := leaving.by - now()) > 0:
            await self._turn(connection, left_s)
        if leaving.farewell.topic not in self._unsent and not self._flying:
            connection.hang_up()

    async def _turn(self, connection: Connection, wait_s: float | None) -> None:
        """Send what may be sent now, then wait for something to change."""
        self._awake.clear()
        await self._pump(connection)
        if connection.lost is not None:
            raise BrokerAway(connection.lost)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._awake.wait()

    async def _pump(self, connection: Connection) -> None:
        while connection.lost is None and len(self._flying) < connection.room:
            if self._unsent:
                self._send_retained(connection, self._unsent.pop(next(iter(self._unsent))))
            elif self._muted or self._held is not None:
                return
            elif self._ready:
                self._send_event(connection, self._ready.popleft())
            elif self._more:
                await self._fetch()
            else:
                return

    async def _fetch(self) -> None:
        self._more = False  # before asking: what is committed meanwhile sets it again
        flying = {number for _, number in self._flying.values()}
        try:
            batch = await self._outbox.next_batch(after=self._cursor, limit=BATCH)
        except StorageFull as full:
            log.debug("the outbox cannot be read: %s", full)
            asyncio.get_running_loop().call_later(STORAGE_RETRY_S, self._committed)
            return
        if batch and self._held is None:  # while it was read an event may have been refused, and reading begins there
            self._more |= len(batch) == BATCH
            self._cursor = batch[-1].number
            self._ready.extend(stored for stored in batch if stored.number not in flying)

    def _committed(self) -> None:
        self._more = True
        self._awake.set()

    def _drained(self) -> bool:
        return not (self._unsent or self._flying or self._ready or self._outbox.depth or self._outbox.waiting)

    def _send_retained(self, connection: Connection, publication: Publication) -> None:
        """Send the last word on a topic, or, where this broker takes nothing so large, leave it unsaid and complain."""
        try:
            self._send(connection, publication, None)
        except ValueError as error:
            self._complain(f"{self._target} can never take what is said on {publication.topic}; it is left out")
            log.debug("%s: %s", publication.topic, error)

    def _send_event(self, connection: Connection, stored: Stored) -> None:
        try:
            self._send(connection, self._deliver(stored), stored.number)
        except ValueError as error:
            self._give_up(stored.number, f"event {stored.number} is damaged: {error}")

    def _send(self, connection: Connection, publication: Publication, number: int | None) -> None:
        mid = connection.publish(publication)
        if publication.qos:
            self._flying[mid] = publication.topic, number

    # What the broker says to each message.

    def _acked(self, mid: int, code: int, words: str) -> None:
        topic, number = self._flying.pop(mid, ("", None))
        if code < Reason.FAILURE:
            self._accepted(topic, number, code)
        elif number is None:
            self._complain(f"{self._target} refuses what is published on {topic}: {words}")
        elif code in HOPELESS:
            self._give_up(number, f"{self._target} can never take event {number} on {topic}: {words}")
        else:
            self._refused(topic, number, words)
        self._awake.set()

    def _accepted(self, topic: str, number: int | None, code: int) -> None:
        if number is None:
            if topic in self._retained and not self._retained[topic].payload:
                del self._retained[topic]
            return
        self.unheard += code == Reason.NO_SUBSCRIBERS
        self._outbox.delete([number])
        self._patience.reset()
        if self.why:
            log.info("%s takes events again", self._target)
            self.why = ""

    def _give_up(self, number: int, why: str) -> None:
        self.unsendable += 1
        self._outbox.delete([number])
        log.warning("%s; it is dropped", why)

    def _refused(self, topic: str, number: int, words: str) -> None:
        """Keep the event, and begin again from there after a while."""
        self._complain(f"{self._target} refuses events on {topic}: {words}")
        self._ready.clear()
        self._cursor = min(self._cursor, number - 1)
        if self._held is None:
            self._held = asyncio.get_running_loop().call_later(self._patience.next(), self._try_again)

    def _try_again(self) -> None:
        self._let_go()
        self._committed()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None

    def _complain(self, why: str) -> None:
        self.why = why
        log.log(logging.DEBUG if why in self._said else logging.WARNING, "%s", why)
        self._said.add(why)


@dataclass(frozen=True, slots=True)
class _Leaving:
    farewell: Publication
    by: float
    """By the loop's clock."""


class _Backoff:
    """Growing, jittered, capped."""

    def __init__(self) -> None:
        self._next_s = FIRST_RETRY_S

    def next(self) -> float:
        wait_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 - to spread clients, not to hide anything
        self._next_s = min(LAST_RETRY_S, 2 * self._next_s)
        return wait_s

    def reset(self) -> None:
        self._next_s = FIRST_RETRY_S


def _held_s(since: Moment) -> float:
    return (clock.now().monotonic_ns - since.monotonic_ns) / 1e9
