"""The Simple Management Protocol: an 8-byte header and a body. Sans-IO; framing.py puts it on a serial line.

Either side sends requests, numbers them by its own sequence, and answers the other's; a response is never answered.
Version 2 says a group's error as ``{"err": {"group", "rc"}}``, yet errors of SMP itself stay ``{"rc"}`` in both, and
servers of old say success as ``{"rc": 0}``. Group 65 of our own firmware adds the reason as ``rsn``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from edged.mcu import body
from edged.mcu.body import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = struct.Struct("!BBHHBB")
HEADER_BYTES = _HEADER.size
VERSION_1, VERSION_2 = 0, 1
"""As in the header's bits."""
ENOTSUP = 8
"""SMP's own error for what a server does not know (Zephyr: MGMT_ERR_ENOTSUP)."""


class Op(IntEnum):
    """What a message is."""

    READ = 0
    READ_RESPONSE = 1
    WRITE = 2
    WRITE_RESPONSE = 3


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response.

    Args:
        sequence: The sender's number of a request, 0 to 255, and again in its response.
        version: VERSION_1 or VERSION_2.
    """

    op: Op
    group: int
    command: int
    body: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    version: int = VERSION_2

    @property
    def is_response(self) -> bool:
        """A response is never answered."""
        return self.op in (Op.READ_RESPONSE, Op.WRITE_RESPONSE)

    def answers(self, request: Message) -> bool:
        """Whether this is the response to that request."""
        mine = (self.op, self.group, self.command, self.sequence)
        return mine == (request.op + 1, request.group, request.command, request.sequence)

    def response(self, answer: Mapping[str, Any] | None = None) -> Message:
        """The response to this request; without an answer it says that all is well.

        Raises:
            ValueError: This is a response, which is never answered.
        """
        if self.is_response:
            raise ValueError("a response is never answered")
        op = Op(self.op + 1)
        return Message(op, self.group, self.command, answer or {}, sequence=self.sequence, version=self.version)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a response says went wrong.

    Args:
        group: Whose number `rc` is; None: SMP's own.
        reason: In words, where the server gave any.
    """

    group: int | None
    rc: int
    reason: str | None


def write(message: Message) -> bytes:
    """A message's bytes.

    Raises:
        ValueError: The body is longer than the header can say.
    """
    content = body.write(message.body)
    if len(content) > 0xFFFF:  # noqa: PLR2004 - the header's 16 bits
        raise ValueError(f"a body of {len(content)} bytes")
    first = message.version << 3 | message.op
    header = _HEADER.pack(first, 0, len(content), message.group, message.sequence, message.command)
    return header + content


def read(data: bytes) -> Message:
    """The message that these bytes are.

    Raises:
        Malformed: They are none.
    """
    if len(data) < HEADER_BYTES:
        raise Malformed(f"{len(data)} bytes are no message")
    first, _, length, group, sequence, command = _HEADER.unpack_from(data)
    if length != len(data) - HEADER_BYTES:
        raise Malformed(f"the header says {length} bytes, {len(data) - HEADER_BYTES} came")
    if first & 7 > Op.WRITE_RESPONSE:
        raise Malformed(f"there is no operation {first & 7}")
    content = body.read(data[HEADER_BYTES:])
    return Message(Op(first & 7), group, command, content, sequence=sequence, version=first >> 3 & 3)


def refusal(response: Message) -> Refusal | None:
    """What went wrong, if anything did.

    Raises:
        Malformed: The error itself cannot be read.
    """
    reason = response.body.get("rsn")
    why = reason if isinstance(reason, str) else None
    match response.body:
        case {"err": {"group": int(group), "rc": int(rc)}}:
            return Refusal(group, rc, why) if rc else None
        case {"err": _}:
            raise Malformed("an error without group and number")
        case {"rc": int(rc)}:
            return Refusal(None, rc, why) if rc else None
        case {"rc": _}:
            raise Malformed("an error without a number")
    return None
