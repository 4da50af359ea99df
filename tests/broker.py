"""Real brokers for tests: mosquitto on a free loopback port, a subscriber, and peers that do what mosquitto will not.

`Broker` is mosquitto; it keeps its port when it is restarted. `Subscriber` is a client that remembers what it got.
`Proxy` stands between a client and a broker and loses what it is told to lose. `OldBroker` speaks MQTT 3.1.1 only.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from certs import Certificate

WITHIN_S = 20.0
NAMES = itertools.count(1)


def eventually(condition: Callable[[], object], what: str = "", within_s: float = WITHIN_S) -> None:
    """Wait until it is true, or fail."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what or condition}"
        time.sleep(0.01)


def free_port() -> int:
    """Find a TCP port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """mosquitto, alone in a folder of its own.

    Args:
        folder: For its files; made if missing.
        users: Names and passwords; None lets everybody in.
        acl: mosquitto's access list, as text.
        tls: Its certificate; it then speaks nothing but TLS.
        client_ca: The CA of the certificates that it wants from clients.
        persistent: It remembers sessions and retained messages when stopped, not when killed.
        settings: More lines for its configuration.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: Certificate | None = None,
        client_ca: Path | None = None,
        persistent: bool = False,
        settings: tuple[str, ...] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        lines = ["user root", f"listener {self.port} {self.host}", f"allow_anonymous {str(users is None).lower()}"]
        lines += [f"persistence {str(persistent).lower()}", f"persistence_location {folder}/", *settings]
        if users is not None:
            lines.append(f"password_file {folder}/users")
            self.set_users(users)
        if acl is not None:
            lines.append(f"acl_file {folder}/acl")
            self.set_acl(acl)
        if tls is not None:
            lines += [f"certfile {tls.cert}", f"keyfile {tls.key}"]
        if client_ca is not None:
            lines += [f"cafile {client_ca}", "require_certificate true"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            command = ["mosquitto", "-c", str(self.folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._listens, f"mosquitto: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """Let it end."""
        self._signal(signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)
        self._wait()

    def freeze(self) -> None:
        """Have it do nothing, with its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def restart(self, *, away_s: float = 0.0) -> None:
        """Let it end, and start it on the same port."""
        self.stop()
        time.sleep(away_s)  # the outage is what is tested
        self.start()

    def set_users(self, users: Mapping[str, str]) -> None:
        """Change who may come in, also while it runs."""
        file = self.folder / "users"
        file.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        subprocess.run(["mosquitto_passwd", "-U", str(file)], check=True, timeout=WITHIN_S)
        self._signal(signal.SIGHUP)

    def set_acl(self, acl: str) -> None:
        """Change who may do what, also while it runs."""
        (self.folder / "acl").write_text(acl)
        self._signal(signal.SIGHUP)

    def subscriber(self, topic: str = "#", **options: Any) -> Subscriber:
        """Connect a client that listens; see `Subscriber`."""
        return Subscriber(self.host, self.port, topic, **options)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(WITHIN_S)
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False


@dataclass(frozen=True)
class Message:
    """What a subscriber got."""

    topic: str
    payload: bytes
    retain: bool
    properties: Mapping[str, str]
    expiry_s: int | None
    at: float
    """time.monotonic() on arrival."""


class Subscriber:
    """A client that remembers all that it gets, in order.

    Args:
        host: Of the broker.
        port: Of the broker.
        topic: What to subscribe to.
        name: With a name, the broker keeps what comes while it is away.
        user: Name and password.
        ca: For TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        topic: str = "#",
        *,
        name: str | None = None,
        user: tuple[str, str] | None = None,
        ca: Path | None = None,
    ) -> None:
        self.messages: list[Message] = []
        self._subscribed = threading.Event()
        self._topic = topic
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name or f"subscriber-{next(NAMES)}", protocol=paho.MQTTv5
        )
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 1)
        if user is not None:
            client.username_pw_set(*user)
        if ca is not None:
            client.tls_set(str(ca))
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho annotates all but this
        session.SessionExpiryInterval = 0 if name is None else 3600
        client.connect(host, port, clean_start=name is None, properties=session)
        client.loop_start()
        self._client = client
        assert self._subscribed.wait(WITHIN_S), "the broker did not take the subscription"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def payloads(self, topic: str | None = None) -> list[bytes]:
        """Give what came, on one topic or on all."""
        return [message.payload for message in self.messages if topic in (None, message.topic)]

    def wait_for(self, condition: Callable[[list[Message]], object], within_s: float = WITHIN_S) -> list[Message]:
        """Wait until what came satisfies a condition."""
        eventually(lambda: condition(self.messages), f"got {self.messages[-5:]}", within_s)
        return self.messages

    def wait_for_count(self, count: int, within_s: float = WITHIN_S) -> list[Message]:
        """Wait until so many came."""
        return self.wait_for(lambda messages: len(messages) >= count, within_s)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        properties = message.properties
        self.messages.append(
            Message(
                topic=message.topic,
                payload=bytes(message.payload),
                retain=message.retain,
                properties=dict(getattr(properties, "UserProperty", ())),
                expiry_s=getattr(properties, "MessageExpiryInterval", None),
                at=time.monotonic(),
            )
        )


class Proxy:
    """Stands before a broker; while `deaf` is set, what the broker says is lost."""

    host = "127.0.0.1"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.deaf = False
        self.connections = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._broker.host, self._broker.port))
                self.connections += 1
                self._sockets += [client, server]
                threading.Thread(target=self._carry, args=(client, server, "in"), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, "out"), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, way: Literal["in", "out"]) -> None:
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65536):
                if not (self.deaf and way == "out"):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


class OldBroker:
    """A peer that speaks MQTT 3.1.1, takes everything, and answers MQTT 5 as brokers without it do.

    ``refuse``: CONNACK with MQTT 5's reason 0x84. ``refuse-as-3``: with MQTT 3's code 1. ``hang-up``: closes.
    ``mute``: says nothing.
    """

    host = "127.0.0.1"

    def __init__(self, answer: Literal["refuse", "refuse-as-3", "hang-up", "mute"]) -> None:
        self._answer = answer
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.versions: list[int] = []
        """Of each CONNECT, in order."""
        self.published: list[bytes] = []
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Break every connection."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client, client.makefile("rb") as stream:
            while True:
                first = _read(stream, 1)[0]
                packet = _read(stream, _length(stream))
                if not self._respond(client, first, packet):
                    return

    def _respond(self, client: socket.socket, first: int, packet: bytes) -> bool:
        """Answer one packet; False hangs up."""
        match first >> 4:
            case 1:
                self.versions.append(packet[6])
                if packet[6] == 5:
                    return self._refuse(client)
                client.sendall(b"\x20\x02\x00\x00")
            case 3:
                topic = struct.unpack_from("!H", packet)[0]
                self.published.append(packet[2 + topic + 2 :])
                client.sendall(b"\x40\x02" + packet[2 + topic : 4 + topic])
            case 12:
                client.sendall(b"\xd0\x00")
            case _:
                return False
        return True

    def _refuse(self, client: socket.socket) -> bool:
        answers = {"refuse": b"\x20\x03\x00\x84\x00", "refuse-as-3": b"\x20\x02\x00\x01", "hang-up": b"", "mute": b""}
        client.sendall(answers[self._answer])
        return self._answer == "mute"


def _read(stream: Any, count: int) -> bytes:
    data: bytes = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _length(stream: Any) -> int:
    length = 0
    for shift in range(0, 28, 7):
        byte = _read(stream, 1)[0]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return length
