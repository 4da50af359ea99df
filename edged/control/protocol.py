"""What is said on the control socket: bytes in, records out. docs/CONTROL.md is the contract.

Each message is a JSON object on a line of its own. A request is answered by any number of items and one end:

    → {"id": 1, "verb": "tap", "source": "kitchen"}
    ← {"id": 1, "audio": "…"}                                      an item: it has no "ok"
    ← {"id": 1, "ok": true}                                        the end, when all went well
    ← {"id": 1, "ok": false, "error": {"kind": "user", "what": …}}  the end, when it did not

`Lines` cuts a stream of bytes into lines and tells three things apart: not enough yet (no line), a line that is too
long (`overlong`), and an end in the middle of one (`torn`). A peer's mistake is a `Fault`, a value: nothing that
arrives here raises.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from edged.errors import DaemonAway, EdgedError, Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINE_BYTES = 1 << 20
"""A second of 48 kHz stereo in base64 is a quarter of it."""
MAX_ID = 2**53 - 1
"""The largest integer that every JSON parser keeps (RFC 8259, section 6)."""
RESERVED = frozenset({"id", "ok", "error"})

FaultKind: TypeAlias = Literal["bad-request", "unknown-verb", "not-allowed", "too-many", "user", "unavailable"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a peer wants."""

    id: int
    verb: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Give the argument of that name, which must be there and be text; UserError where it is not."""
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            what = "is missing" if value is None else "is not a text"
            raise UserError(what, key=name, value=value, way_out=f"Say which {name} is meant")
        return value


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request was not carried out: `kind` says who must act, the rest is the evidence."""

    kind: FaultKind
    what: str
    file: str | None = None
    key: str | None = None
    value: str | float | None = None
    way_out: str | None = None

    @classmethod
    def of(cls, error: UserError | Unavailable) -> Fault:
        """Tell an error of ours to the peer."""
        if isinstance(error, Unavailable):
            return cls("unavailable", str(error))
        if "\n" in (text := str(error)):  # several in one: all of them matter more than the parts of the first
            return cls("user", text.removesuffix("."))
        value = error.value if isinstance(error.value, str | int | float | None) else str(error.value)
        return cls("user", error.what, file=error.file, key=error.key, value=value, way_out=error.way_out)

    def error(self) -> EdgedError:
        """Make it the peer's own error: Unavailable for what may come back, UserError for what it must mend."""
        if self.kind in {"unavailable", "too-many"}:
            return Unavailable(self.what)
        return UserError(self.what, file=self.file, key=self.key, value=self.value, way_out=self.way_out)


@dataclass(frozen=True, slots=True)
class Item:
    """One part of an answer."""

    id: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer that went well."""

    id: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of an answer that did not; the id is None when the request could not be read that far."""

    id: int | None
    fault: Fault


Answer: TypeAlias = Item | Done | Refused


class Lines:
    """Cuts bytes into lines, however they arrive; holds at most one line and one feed's worth of bytes."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self.overlong = False
        """A line exceeded the bound: nothing after it can be told apart, so nothing more comes out."""

    @property
    def torn(self) -> bool:
        """Whether the bytes so far end in the middle of a line."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came, give the lines that they complete, without their ends."""
        if self.overlong:
            return []
        searched = len(self._held)
        self._held += data
        lines = []
        begin = 0
        while (end := self._held.find(b"\n", max(begin, searched))) >= 0 and end - begin <= self._max_bytes:
            lines.append(bytes(self._held[begin:end]))
            begin = end + 1
        del self._held[:begin]
        self.overlong = end >= 0 or len(self._held) > self._max_bytes
        if self.overlong:
            self._held.clear()
        return lines


def parse_request(line: bytes) -> Request | Refused:
    """Read a request; what is none is refused, with its id where it has one."""
    message = _object(line)
    if isinstance(message, str):
        return Refused(None, Fault("bad-request", message))
    number, verb = message.pop("id", None), message.pop("verb", None)
    if not _is_id(number):
        way_out = f"Give each request a whole number from 0 to {MAX_ID}"
        return Refused(None, Fault("bad-request", "has no usable id", key="id", way_out=way_out))
    if not isinstance(verb, str):
        return Refused(number, Fault("bad-request", "has no verb", key="verb", way_out="Say what to do"))
    if clash := RESERVED & message.keys():
        return Refused(number, Fault("bad-request", "belongs to answers", key=min(clash), way_out="Leave it out"))
    return Request(number, verb, message)


def parse_answer(line: bytes) -> Answer:
    """Read a part or the end of an answer.

    Raises:
        DaemonAway: It is neither; whoever listens there is no edged that we understand.
    """
    message = _object(line)
    if isinstance(message, str):
        raise DaemonAway(f"what listens on the control socket talks garbage: {message}")
    number, ok, error = message.pop("id", None), message.pop("ok", None), message.pop("error", None)
    match ok:
        case None if _is_id(number):
            return Item(number, message)
        case True if _is_id(number):
            return Done(number, message)
        case False if isinstance(error, dict) and (number is None or _is_id(number)):
            told = {name: _scalar(error[name]) for name in Fault.__slots__ if error.get(name) is not None}
            if {"kind", "what"} <= told.keys():
                return Refused(number, Fault(**told))  # type: ignore[arg-type]  # a newer daemon may know other kinds
    raise DaemonAway("what listens on the control socket talks garbage: neither an item nor an end")


def encode(message: Request | Answer) -> bytes:
    """Write one message as a line.

    Raises:
        ValueError: A field of it has one of the names that the protocol needs for itself, or is no JSON.
    """
    match message:
        case Request():
            envelope, fields = {"id": message.id, "verb": message.verb}, message.args
        case Item():
            envelope, fields = {"id": message.id}, message.fields
        case Done():
            envelope, fields = {"id": message.id, "ok": True}, message.fields
        case Refused():
            error = {name: value for name, value in asdict(message.fault).items() if value is not None}
            envelope, fields = {"id": message.id, "ok": False, "error": error}, {}
    if clash := (RESERVED | envelope.keys()) & fields.keys():
        raise ValueError(f"{min(clash)!r} is the protocol's own name")
    return json.dumps(envelope | dict(fields), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def audio(pcm: bytes, *, rate_hz: int, channels: int, ended_ns: int, fresh: bool) -> dict[str, Any]:
    """Make the fields of one item of tapped audio; `pcm` is interleaved signed 16-bit little-endian."""
    coded = base64.b64encode(pcm).decode("ascii")
    return {"audio": coded, "rate_hz": rate_hz, "channels": channels, "ended_ns": ended_ns, "fresh": fresh}


def pcm_of(item: Mapping[str, Any]) -> bytes:
    """Give the samples of an item of tapped audio; DaemonAway when they are none."""
    try:
        return base64.b64decode(item["audio"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise DaemonAway("what listens on the control socket sent audio that is none") from None


def _scalar(value: object) -> object:
    """Keep what a file may hold as it was written; anything else becomes text."""
    return value if isinstance(value, str | int | float) else str(value)


def _is_id(number: object) -> bool:
    return type(number) is int and 0 <= number <= MAX_ID


def _object(line: bytes) -> dict[str, Any] | str:
    """Parse a line to a JSON object, or say what is wrong with it."""
    try:
        found = json.loads(line)
    except ValueError:
        return "is not JSON"
    except RecursionError:
        return "is nested too deeply"
    return found if isinstance(found, dict) else "is not a JSON object"
