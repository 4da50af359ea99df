"""Group 65, our own firmware's: what the gateway asks of a board, and what the board says.

mcu-firmware/PROTOCOL.md is the contract. Requests are functions that give a message, whose sequence is for the link to
set. Answers are records, each field beside its key on the wire; `read` makes them of a body. Samples are counted at
16 kHz, unless said otherwise since the board's boot.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from edged.mcu.body import Malformed
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUP = 65
PROTOCOL = 1
POSTERIOR_ONE = 65536
"""On the wire posteriors are integers, in units of 1/65536."""

_Record = TypeVar("_Record")


class Command(IntEnum):
    """What a message is about; the board asks EVENT and HEARTBEAT, the gateway all but EVENT."""

    HELLO = 0
    SUBSCRIBE = 1
    EVENT = 2
    HEARTBEAT = 3
    SLOTS = 4
    UPLOAD = 5
    TRY = 6
    CONFIRM = 7
    REVERT = 8
    INJECT = 9
    SELFTEST = 10
    RECORD = 11


class Error(IntEnum):
    """Why the board refuses (mcu-firmware/proto/service.h)."""

    UNKNOWN = 1
    TOO_LARGE = 2
    OFFSET = 3
    HASH = 4
    PLAN = 5
    NO_MODEL = 6
    FLASH = 7
    BUSY = 8
    GOLDEN = 9
    INVALID = 10


class Kind(IntEnum):
    """What an event is, as edged/decide.py has it."""

    DETECTION = 0
    START = 1
    UPDATE = 2
    END = 3


def read(record: type[_Record], body: Mapping[str, Any]) -> _Record:
    """The record that a body is.

    Raises:
        Malformed: A key is missing, or has what the protocol does not allow.
    """
    values = {}
    for each in fields(record):  # type: ignore[arg-type]
        key, take, optional = each.metadata["key"], each.metadata["take"], each.metadata["optional"]
        if key in body:
            try:
                values[each.name] = take(body[key])
            except (TypeError, ValueError) as error:
                raise Malformed(f"{key} = {body[key]!r}: not what the protocol says") from error
        elif not optional:
            raise Malformed(f"{key} is missing")
    return record(**values)


def _wire(key: str, take: Callable[[Any], object]) -> Any:
    """A field that a body must have."""
    return field(metadata={"key": key, "take": take, "optional": False})


def _perhaps(key: str, take: Callable[[Any], object], otherwise: object = None) -> Any:
    return field(default=otherwise, metadata={"key": key, "take": take, "optional": True})


def _of(kind: type) -> Callable[[Any], object]:
    def take(value: object) -> object:
        if type(value) is not kind:
            raise TypeError(value)
        return value

    return take


_text, _bytes, _flag, _list = _of(str), _of(bytes), _of(bool), _of(list)


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _number_or_none(value: Any) -> int | None:
    return None if value is None else _number(value)


def _kind(value: Any) -> Kind:
    return Kind(_number(value))


def _posterior(value: Any) -> float:
    return _number(value) / POSTERIOR_ONE


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a board is."""

    protocol: int = _wire("proto", _number)
    firmware: str = _wire("fw", _text)
    board: str = _wire("board", _text)
    chip: str = _wire("chip", _text)
    uid: bytes = _wire("uid", _bytes)
    boot: int = _wire("boot", _number)
    """Counts from 1, across power cuts."""
    reset: str = _wire("reset", _text)
    """power, pin, software, watchdog, fault or unknown."""
    up_ms: int = _wire("up", _number)
    buffer_bytes: int = _wire("buf", _number)
    """Largest message, both ways."""
    baud: int = _wire("baud", _number)
    """Of the link; 0: it has none."""
    next: int = _wire("next", _number)
    """Number of the next event."""
    first: int = _wire("first", _number)
    """Number of the oldest event that is kept; equal to next: none is."""
    microphone: bool = _wire("mic", _flag)


@dataclass(frozen=True, slots=True)
class Event:
    """What a board heard; number and boot name it for good."""

    number: int = _wire("n", _number)
    boot: int = _wire("boot", _number)
    kind: Kind = _wire("kind", _kind)  # noqa: RUF009 - a field, as all the others
    label: str = _wire("label", _text)
    began: int = _wire("began", _number)
    """Sample index."""
    at: int = _wire("at", _number)
    """Sample index."""
    at_ms: int = _wire("ms", _number)
    """Since the boot, when it was decided."""
    score: float = _wire("score", _posterior)
    peak: float = _wire("peak", _posterior)
    mean: float = _wire("mean", _posterior)
    model: bytes = _wire("model", _bytes)
    """First 8 bytes of the sha256 of its .tflite."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a board is; counts are since its boot."""

    boot: int = _wire("boot", _number)
    up_ms: int = _wire("up", _number)
    idle_permille: int = _wire("idle", _number)
    """Share of the time asleep since the last heartbeat."""
    next: int = _wire("next", _number)
    first: int = _wire("first", _number)
    """Events, as in Hello."""
    dropped: int = _wire("dropped", _number)
    """Events that found no room."""
    heard: int = _wire("heard", _number)
    """Samples."""
    missed: int = _wire("missed", _number)
    """Samples."""
    runs: int = _wire("runs", _number)
    """Inferences."""
    link_lost: int = _wire("lost", _number)
    """Bytes that came and found no room."""
    link_bad: int = _wire("bad", _number)
    """Frames that were none."""
    arena_bytes: int = _wire("arena", _number)
    """Of the board's memory, used by the model."""
    stack_free_bytes: int = _wire("stack", _number)
    """The least ever."""
    slot: int | None = _wire("slot", _number_or_none)
    """Whose model runs."""
    state: str = _wire("state", _text)
    """listening, trial, injected or empty."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the two places for a model."""

    state: str = _wire("state", _text)
    """empty, partial, whole or refused."""
    size: int = _wire("bytes", _number)
    """Bytes of the plan; of a partial one, how many came."""
    sha256: bytes | None = _perhaps("sha", _bytes)
    """Of the plan file."""
    name: str | None = _perhaps("name", _text)
    why: str | None = _perhaps("why", _text)
    """It is refused."""


def _slots(value: Any) -> tuple[Slot, ...]:
    _list(value)
    for slot in value:
        _of(dict)(slot)
    return tuple(read(Slot, slot) for slot in value)


@dataclass(frozen=True, slots=True)
class Slots:
    """What models a board holds."""

    slots: tuple[Slot, ...] = _wire("slots", _slots)
    size: int = _wire("size", _number)
    """Bytes of each slot."""
    active: int | None = _wire("active", _number_or_none)
    """Whose model runs."""
    confirmed: int | None = _wire("confirmed", _number_or_none)
    """What a reset comes back to."""
    trial: bool = _wire("trial", _flag)
    left_ms: int = _wire("left", _number)
    """Of the trial."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """For how long the board will speak."""

    lease_ms: int = _wire("lease", _number)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Where an upload goes on."""

    offset: int = _wire("off", _number)
    match: bool = _perhaps("match", _flag, otherwise=False)
    """It is whole, and its hash is right."""


@dataclass(frozen=True, slots=True)
class Injected:
    """What injected samples led to."""

    offset: int = _wire("off", _number)
    """Samples taken since injection began: where the next must begin."""
    runs: int = _wire("runs", _number)
    """Inferences."""
    outputs: bytes = _wire("out", _bytes)
    """Their outputs, one after the other."""


@dataclass(frozen=True, slots=True)
class Selftest:
    """How the golden windows went."""

    windows: int = _wire("windows", _number)
    differs: int | None = _wire("differs", _number_or_none)
    """The first that gave other outputs."""
    window_us: int = _wire("us", _number)
    """The mean."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the microphone heard."""

    first: int = _wire("from", _number)
    """Number of the first sample here; later than asked for: what lies between is lost."""
    samples: bytes = _wire("data", _bytes)
    """s16 little-endian; none: it has heard no later ones yet."""


def hello() -> Message:
    """Who are you? Answered with Hello."""
    return Message(Op.READ, GROUP, Command.HELLO)


def subscribe(*, lease_ms: int, first: int | None = None) -> Message:
    """Speak for so long; events before `first` are known. Answered with Subscribed."""
    known = {} if first is None else {"from": first}
    return Message(Op.WRITE, GROUP, Command.SUBSCRIBE, {"lease": lease_ms, **known})


def heartbeat() -> Message:
    """How are you? Answered with Heartbeat."""
    return Message(Op.READ, GROUP, Command.HEARTBEAT)


def slots() -> Message:
    """What models do you hold? Answered with Slots."""
    return Message(Op.READ, GROUP, Command.SLOTS)


def begin_upload(data: bytes, *, length: int, sha256: bytes) -> Message:
    """The first bytes of a plan. Answered with Uploaded: of one whose upload broke off, it says where to go on."""
    body = {"off": 0, "data": data, "len": length, "sha": sha256}
    return Message(Op.WRITE, GROUP, Command.UPLOAD, body)


def upload(data: bytes, *, offset: int) -> Message:
    """More bytes of the plan. Answered with Uploaded."""
    return Message(Op.WRITE, GROUP, Command.UPLOAD, {"off": offset, "data": data})


def try_model(sha256: bytes, *, trial_ms: int) -> Message:
    """Run the plan of that hash for so long, and then what is confirmed."""
    return Message(Op.WRITE, GROUP, Command.TRY, {"sha": sha256, "ms": trial_ms})


def confirm(sha256: bytes) -> Message:
    """The plan of that hash is the one to keep."""
    return Message(Op.WRITE, GROUP, Command.CONFIRM, {"sha": sha256})


def revert() -> Message:
    """Run what is confirmed."""
    return Message(Op.WRITE, GROUP, Command.REVERT)


def injection(*, on: bool) -> Message:
    """Hear what is injected instead of the microphone, or the microphone again."""
    return Message(Op.WRITE, GROUP, Command.INJECT, {"on": on})


def inject(samples: bytes, *, offset: int) -> Message:
    """Samples, s16 little-endian, from number `offset` since injection began. Answered with Injected."""
    return Message(Op.WRITE, GROUP, Command.INJECT, {"off": offset, "data": samples})


def selftest() -> Message:
    """Run the model's golden windows. Answered with Selftest."""
    return Message(Op.WRITE, GROUP, Command.SELFTEST)


def record(*, first: int | None = None) -> Message:
    """What did the microphone hear from that sample on? None: what does it hear from now on. Answered with Recorded."""
    return Message(Op.READ, GROUP, Command.RECORD, {} if first is None else {"from": first})
