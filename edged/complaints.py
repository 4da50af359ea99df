"""What keeps the broker from us, as a sentence: which host and port, what is wrong, and which file is concerned.

A user who reads it should know what to do next; so the library's own words are only used where nothing better is
known.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Verify(IntEnum):
    """Why a certificate is not accepted: ``X509_V_ERR_…`` of ``openssl/x509_vfy.h``."""

    NO_ISSUER = 2
    NOT_YET_VALID = 9
    EXPIRED = 10
    SELF_SIGNED = 18
    SELF_SIGNED_IN_CHAIN = 19
    NO_LOCAL_ISSUER = 20
    NO_FIRST_SIGNATURE = 21
    OTHER_NAME = 62
    OTHER_ADDRESS = 64


class Reason(IntEnum):
    """Reason codes of MQTT 5.0, section 2.4, that mean something to us."""

    NO_SUBSCRIBERS = 0x10
    FAILURE = 0x80
    OLD_PROTOCOL = 0x84
    BAD_CLIENT_ID = 0x85
    BAD_PASSWORD = 0x86
    NOT_AUTHORISED = 0x87
    TAKEN_OVER = 0x8E
    BAD_TOPIC = 0x90
    BAD_PAYLOAD = 0x99


@dataclass(frozen=True, slots=True)
class Target:
    """Whom we call, and as whom."""

    host: str
    port: int
    username: str | None
    client_id: str
    ca: Path | None
    tls: bool

    def __str__(self) -> str:
        """Name host and port."""
        return f"{self.host}:{self.port}"


def unreachable(target: Target, error: OSError | ValueError) -> str:
    """Say why no connection could be made."""
    match error:
        case socket.gaierror():
            why = (error.strerror or "").lower()
            return f"no address is known for the broker's host {target.host} ({why}); is mqtt.host right?"
        case ssl.SSLError():
            return _no_tls(target, error)
        case ConnectionRefusedError():
            return f"nothing listens at {target}; is the broker running, and mqtt.port right?"
        case TimeoutError():
            return f"{target} does not answer"
        case ConnectionResetError() if target.tls:
            return f"{target} hung up during the TLS handshake; does it want a client certificate, or no TLS?"
        case _:
            return f"{target} cannot be reached: {getattr(error, 'strerror', None) or error}"


def refused(target: Target, code: int, words: str) -> str:
    """Say why the broker did not accept us."""
    match code:
        case Reason.BAD_PASSWORD | Reason.NOT_AUTHORISED if target.username is None:
            return f"{target} does not let a client without user name in; give mqtt.username and a password"
        case Reason.BAD_PASSWORD:
            return f"{target} refuses the password of user {target.username!r}; mend it, or mqtt.username"
        case Reason.NOT_AUTHORISED:
            doubt = "mend mqtt.username or its password, or let that user in there"
            return f"{target} does not let user {target.username!r} in; {doubt}"
        case Reason.BAD_CLIENT_ID:
            return f"{target} does not accept the client id {target.client_id!r}"
        case _:
            return f"{target} refuses the connection: {words}"


def silent(target: Target) -> str:
    """Say that something answers there, but not as a broker."""
    doubt = "does it want a client certificate?" if target.tls else "does it want TLS?"
    return f"{target} takes the connection and then says nothing that is MQTT; is it a broker, and {doubt}"


def lost(target: Target, code: int, words: str) -> str:
    """Say why a connection ended."""
    if code == Reason.TAKEN_OVER:
        return f"{target}: another client connected as {target.client_id!r} and took our place"
    return f"the connection to {target} is lost ({words})"


def short_lived(target: Target, why: object) -> str:
    """Say that one connection after the other is lost, and what that often means."""
    return f"{why}, like others just before; does another client use the id {target.client_id!r}?"


def _certificate(target: Target, error: ssl.SSLCertVerificationError) -> str:
    signer = f"the CA in {target.ca}" if target.ca is not None else "a CA that this system trusts"
    match error.verify_code:
        case (
            Verify.NO_ISSUER
            | Verify.SELF_SIGNED
            | Verify.SELF_SIGNED_IN_CHAIN
            | Verify.NO_LOCAL_ISSUER
            | Verify.NO_FIRST_SIGNATURE
        ):
            return f"the certificate of {target} is not signed by {signer}; name the CA that signed it in mqtt.tls.ca"
        case Verify.OTHER_NAME | Verify.OTHER_ADDRESS:
            why = error.verify_message.rstrip(".").lower()
            return f"the certificate of {target} is for another name ({why}); give mqtt.host the name that stands in it"
        case Verify.EXPIRED:
            return f"the certificate of {target} has expired, or this machine's clock is wrong"
        case Verify.NOT_YET_VALID:
            return f"the certificate of {target} is not valid yet, or this machine's clock is wrong"
        case _:
            return f"the certificate of {target} is not accepted: {error.verify_message}"


def _no_tls(target: Target, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(target, error)
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{target} does not speak TLS; is mqtt.port the one for TLS?"
    words = (error.reason or str(error)).replace("_", " ").lower()
    return f"no TLS connection to {target}: {words}"
