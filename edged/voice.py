"""The gateway's voice: the connection to one broker, what is said over it, and the note of what that broker keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged import __version__, clock
from edged.messages import Messages
from edged.mqtt import Link, Tls
from edged.retained import Note

if TYPE_CHECKING:
    from edged.config import Config, Mqtt
    from edged.outbox import Outbox
    from edged.records import Publication, Stored


@dataclass(frozen=True, slots=True)
class Voice:
    """The connection to a broker, and what is said over it."""

    link: Link
    messages: Messages
    note: Note
    """Of what that broker keeps."""


def speak(config: Config, *, outbox: Outbox) -> Voice:
    """Make the voice for a config; nothing is sent until its link runs.

    Raises:
        ConfigError: The password or a certificate cannot be had.
    """
    mqtt = config.mqtt
    messages = Messages(gateway=config.gateway, boot_id=clock.boot_id(), version=__version__, prefix=mqtt.topic_prefix)

    def deliver(stored: Stored) -> Publication:
        return messages.deliver(stored, moment=clock.now())

    link = Link(
        host=mqtt.host,
        port=mqtt.port,
        client_id=mqtt.client_id or f"edged-{config.gateway}",
        username=mqtt.username,
        password=mqtt.password(),
        tls=_tls(mqtt),
        keepalive_s=mqtt.keepalive_s,
        outbox=outbox,
        deliver=deliver,
        will=messages.will(),
        announce=lambda: [messages.online(reason="started", moment=clock.now())],
    )
    note = Note(config.state_dir / "retained.json", broker=f"{mqtt.host}:{mqtt.port}", link=link, messages=messages)
    return Voice(link, messages, note)


def check_broker(mqtt: Mqtt) -> None:
    """Fetch the password and read the certificates, as the link will; ConfigError where that cannot be."""
    mqtt.password()
    if (tls := _tls(mqtt)) is not None:
        tls.context()


def _tls(mqtt: Mqtt) -> Tls | None:
    return None if mqtt.tls is None else Tls(ca=mqtt.tls.ca, cert=mqtt.tls.cert, key=mqtt.tls.key)
