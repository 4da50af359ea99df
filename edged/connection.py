"""One connection to the broker: paho, driven by the event loop.

Why not by paho's own thread. That costs two wake-ups and a fight for the interpreter lock for each message, and
brings the callbacks under a lock of paho's which `publish()` needs too; that has deadlocked others. Here paho is
called from the loop's thread alone: the loop watches the socket, and no lock of ours exists. Only what blocks, which
is looking up the name, connecting and the TLS handshake, happens in a short-lived thread that hands over the
connected client.

A fresh client for each connection, so nothing is left over from the last; what must outlive a connection is in the
outbox. paho's own queue, which is only RAM, never holds more than `IN_FLIGHT` messages, because nobody publishes more
before the oldest are acknowledged.

MQTT 5 first. Where the broker refuses it, or falls silent or hangs up at the sight of it (RabbitMQ before 3.13),
3.1.1 is tried at once; if that is accepted it is tried first for `REMEMBER_S`. A broker that has spoken MQTT 5 once
is not suspected again because of a silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged import complaints
from edged.complaints import Reason, Target
from edged.errors import BrokerAway, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paho.mqtt.reasoncodes import ReasonCode

    from edged.records import Publication

log = logging.getLogger(__name__)

IN_FLIGHT = 20
"""Messages sent and not acknowledged; fewer where the broker asks for fewer."""
DIAL_S = 60.0
"""For the name, the connection and the TLS handshake together; paho gives each address and the handshake 5 s."""
CONNACK_S = 5.0
REMEMBER_S = 3600.0
TICK_S = 1.0
"""How often paho looks whether a ping is due."""
MQTT_LARGEST = 268_435_460
"""Bytes in the largest packet there can be."""
OVERHEAD = 256
"""Bytes allowed for header and properties when a broker limits the size of packets."""
SESSION_S = 60
WILL_DELAY_S = 2
"""So long the broker waits before it says that we are gone: a short break is not worth a message (MQTT 5)."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Encrypt, and verify the broker."""

    ca: Path | None = None
    """PEM file of the CA that signed the broker's certificate; None means those the system trusts."""
    cert: Path | None = None
    """PEM file of our own certificate, where the broker wants one."""
    key: Path | None = None
    """PEM file of its key, not encrypted; None means that it is in `cert`."""

    def context(self) -> ssl.SSLContext:
        """Read the files; ConfigError names the one that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            way_out = "Name the PEM file of the CA that signed the broker's certificate"
            raise _unusable("ca", self.ca, f"cannot be used as a CA ({_words(error)})", way_out) from None
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key, password="")  # without it OpenSSL asks on the terminal
            except OSError as error:
                what = f"cannot be used as a certificate with key {self.key or self.cert} ({_words(error)})"
                way_out = "Name the PEM files of a certificate and its key"
                raise _unusable("cert", self.cert, what, way_out) from None
        return context


def _unusable(key: str, file: Path | None, what: str, way_out: str) -> ConfigError:
    return ConfigError(what, key=f"mqtt.tls.{key}", value=str(file), way_out=way_out)


def _words(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or str(error)).replace("_", " ").lower()


class SilentError(BrokerAway):
    """What answers there does not answer as a broker."""


class OldProtocolError(BrokerAway):
    """The broker does not speak this version of MQTT."""


class Dialler:
    """Makes connections to one broker.

    Args:
        target: Whom to call, and as whom.
        password: None for none.
        tls: None for no encryption.
        will: What the broker says when we are gone without a word.
        keepalive_s: A dead connection is noticed within twice this time.

    Raises:
        ConfigError: A certificate or key file cannot be used.
    """

    def __init__(
        self, target: Target, *, password: str | None, tls: Tls | None, will: Publication, keepalive_s: int
    ) -> None:
        self._target, self._password, self._will, self._keepalive_s = target, password, will, keepalive_s
        self._tls = None if tls is None else tls.context()
        self._met_v5 = False
        self._v5_not_before = 0.0

    async def dial(self) -> Connection:
        """Connect, once.

        Raises:
            BrokerAway: With a sentence that says why not.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._v5_not_before:
            return await self._attempt(v5=False)
        try:
            connection = await self._attempt(v5=True)
        except (SilentError, OldProtocolError) as error:
            if isinstance(error, SilentError) and self._met_v5:
                raise
            connection = await self._attempt(v5=False)
            self._v5_not_before = now_s + REMEMBER_S
        else:
            self._met_v5 = True
        return connection

    async def _attempt(self, *, v5: bool) -> Connection:
        try:
            client = await _in_thread(partial(self._connect, v5=v5))
        except (OSError, ValueError) as error:
            raise BrokerAway(complaints.unreachable(self._target, error)) from error
        with contextlib.ExitStack() as on_failure:
            connection = Connection(client, self._target, v5=v5)
            on_failure.callback(connection.drop)
            await connection.accepted()
            on_failure.pop_all()
        return connection

    def _connect(self, *, v5: bool) -> paho.Client:
        """Connect and send CONNECT, blocking; what comes of it is read by the loop."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._target.client_id,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages = 0  # no limit of paho's: beyond it paho would queue
        client.username_pw_set(self._target.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        will = self._will
        delay = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S) if v5 else None
        client.will_set(will.topic, will.payload, will.qos, will.retain, delay)
        where = (self._target.host, self._target.port, self._keepalive_s)
        if v5:
            session = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_S)
            client.connect(*where, clean_start=False, properties=session)  # a session taken up again delays the will
        else:
            client.connect(*where)
        if client.socket() is None:  # paho reports what ends a connection while CONNECT is written in no other way
            raise ConnectionResetError
        return client


class Connection:
    """A connected client, from CONNECT on; lives in the event loop's thread."""

    def __init__(self, client: paho.Client, target: Target, *, v5: bool) -> None:
        self.v5 = v5
        self.room = IN_FLIGHT
        """Messages that may be on their way at once."""
        self.lost: str | None = None
        """Why it has ended; None while it has not."""
        self._client, self._target = client, target
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[None] = self._loop.create_future()
        self._retains = True
        self._largest = MQTT_LARGEST
        self._acked: Callable[[int, int, str], None] = lambda *_: None
        self._told: Callable[[], None] = lambda: None
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish, client.on_socket_close = self._on_publish, self._on_socket_close
        sock = client.socket()
        assert isinstance(sock, socket.socket)  # noqa: S101 - TCP or TLS; paho's other transport is not used
        self._socket = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._readable)
        self._ticking = self._loop.call_later(TICK_S, self._tick)

    async def accepted(self) -> None:
        """Wait for the broker's CONNACK.

        Raises:
            BrokerAway: It does not come, or is a refusal.
        """
        self._flush()
        try:
            async with asyncio.timeout(CONNACK_S):
                await self._connack
        except TimeoutError:
            raise SilentError(complaints.silent(self._target)) from None

    def begin(self, *, acked: Callable[[int, int, str], None], lost: Callable[[], None]) -> None:
        """Have `acked` called with message id, reason code and reason for each PUBACK, and `lost` when it has ended."""
        self._acked, self._told = acked, lost

    def publish(self, publication: Publication) -> int:
        """Send a message and return its id.

        Raises:
            ValueError: No broker could ever take it.
        """
        if len(publication.payload) + len(publication.topic.encode()) + OVERHEAD > self._largest:
            raise ValueError(f"{len(publication.payload)} bytes are more than {self._target} takes")
        sent = self._client.publish(
            publication.topic,
            publication.payload,
            publication.qos,
            retain=publication.retain and self._retains,
            properties=_publish_properties(publication) if self.v5 else None,
        )
        self._flush()
        return sent.mid

    @property
    def clogged(self) -> bool:
        """Whether the broker does not take what was sent as fast as that."""
        return bool(self._client.want_write())

    def hang_up(self) -> None:
        """Say goodbye: the broker forgets the will."""
        self._client.disconnect()
        self._flush()

    def drop(self) -> None:
        """Close the socket without a word, if it is still open."""
        self.lost = self.lost or "closed"
        self._unwatch()
        self._socket.close()
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_socket_close = None  # frees the cycle

    # The event loop calls these.

    def _readable(self) -> None:
        self._client.loop_read()
        while isinstance(self._socket, ssl.SSLSocket) and self.lost is None and self._socket.pending():
            self._client.loop_read()  # what is decrypted already does not make the socket readable
        self._flush()

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._client.loop_write()
        self._flush()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        self._client.loop_misc()
        self._flush()

    def _flush(self) -> None:
        """Have the rest written when the socket takes it."""
        if self.lost is None and self._client.want_write():
            self._loop.add_writer(self._socket, self._writable)

    def _unwatch(self) -> None:
        self._ticking.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    # paho calls these, always within one of the calls above.

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.value == Reason.OLD_PROTOCOL:
            self._refuse(OldProtocolError(complaints.refused(self._target, reason.value, str(reason))))
        elif reason.value >= Reason.FAILURE:
            self._refuse(BrokerAway(complaints.refused(self._target, reason.value, str(reason))))
        elif getattr(properties, "MaximumQoS", 1) < 1:
            self._refuse(BrokerAway(f"{self._target} acknowledges nothing: it offers no QoS 1"))
        elif not self._connack.done():
            self.room = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
            self._retains = bool(getattr(properties, "RetainAvailable", 1))
            self._largest = getattr(properties, "MaximumPacketSize", MQTT_LARGEST)
            self._connack.set_result(None)

    def _refuse(self, why: BrokerAway) -> None:
        if not self._connack.done():
            self._connack.set_exception(why)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._refuse(SilentError(complaints.silent(self._target)))
        self.lost = complaints.lost(self._target, reason.value, str(reason).lower())
        self._told()

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._acked(mid, reason.value, str(reason))

    def _on_socket_close(self, _client: Any, _data: Any, _socket: Any) -> None:
        self._unwatch()


def _publish_properties(publication: Publication) -> Properties | None:
    if publication.expiry_s is None and not publication.properties:
        return None
    values: dict[str, object] = {}
    if publication.expiry_s is not None:
        values["MessageExpiryInterval"] = publication.expiry_s
    if publication.properties:
        values["UserProperty"] = list(publication.properties)
    return _properties(PacketTypes.PUBLISH, **values)


def _properties(packet: int, **values: object) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho annotates all but this
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


async def _in_thread(job: Callable[[], paho.Client]) -> paho.Client:
    """Run something that may hang in a thread of its own; if it takes too long, leave it there."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[paho.Client] = loop.create_future()

    def settle(outcome: paho.Client | OSError | ValueError) -> None:
        if done.done():
            return  # nobody waits any more; the client goes, and closes its socket as it does
        if isinstance(outcome, paho.Client):
            done.set_result(outcome)
        else:
            done.set_exception(outcome)

    def work() -> None:
        outcome: paho.Client | OSError | ValueError
        try:
            outcome = job()
        except (OSError, ValueError) as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name="mqtt-dial", daemon=True).start()
    return await asyncio.wait_for(done, DIAL_S)
