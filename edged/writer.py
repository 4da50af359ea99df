"""How every message is written: levels of a topic, times, numbers, JSON, and what all messages of a gateway share."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edged.records import Publication

if TYPE_CHECKING:
    from edged.schemas import Described

HEALTH_OUTLIVES = 3
"""Periods after which the broker forgets a retained health (MQTT 5 message expiry): old health is no health."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""Of the calendar: years 1 to 9999."""
_UNFIT = re.compile("[%+#/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What may not stand in one level of a topic (MQTT 5.0 sections 1.5.4 and 4.7), and the escape sign itself."""


def topic_level(name: str) -> str:
    """Make any name fit for one level of a topic, different names for different levels.

    What MQTT forbids or gives a meaning (``+ # /``, controls) becomes ``%XX`` as in a URL, and so does ``%``; all else,
    spaces too, stays as it is: ``Bark/woof`` is ``Bark%2Fwoof``.

    Raises:
        ValueError: The name is empty.
    """
    if not name:
        raise ValueError("an empty name cannot be a level of a topic")
    return _UNFIT.sub(lambda unfit: escaped(unfit[0]), name)


def escaped(character: str) -> str:
    """Write a character as ``%XX``, byte by byte."""
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def utc(utc_ns: int) -> str:
    """Write a time, ns since 1970, as ISO 8601 with milliseconds: ``2026-11-22T10:00:00.250Z``.

    A time beyond the calendar, which some board's nonsense may be, is the calendar's end.
    """
    instant = _EPOCH + timedelta(milliseconds=min(max(utc_ns // 1_000_000, _FIRST_MS), _LAST_MS))
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def as_json(body: dict[str, Any]) -> bytes:
    """Write a payload; ValueError for a number that JSON has not."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(errors="replace")


def rounded(value: float, digits: int) -> float:
    """Round a number, NumPy's too, which is none of JSON's."""
    return round(float(value), digits)


class Writer:
    """What all messages of one gateway in one run of edged share.

    Args:
        gateway: The gateway's name.
        boot_id: This boot of the machine, from `edged.clock.boot_id`.
        version: Of edged.
        prefix: First levels of every topic.
    """

    def __init__(self, *, gateway: str, boot_id: str, version: str, prefix: str = "edged") -> None:
        self._gateway = gateway
        self._boot_id = boot_id
        self._version = version
        self._root = "/".join(topic_level(level) for level in (*prefix.split("/"), gateway))

    def _topic(self, *levels: str) -> str:
        return "/".join((self._root, *levels))

    def _retained(self, shape: Described, *levels: str, expiry_s: int | None = None) -> Publication:
        payload = as_json(asdict(shape))  # type: ignore[call-overload]  # every shape is a dataclass
        return Publication(topic=self._topic(*levels), payload=payload, retain=True, expiry_s=expiry_s)
