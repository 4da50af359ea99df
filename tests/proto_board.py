"""The firmware's protocol in C, called from here: framing, and SMP over a service whose answers a test chooses."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import TYPE_CHECKING, Any

import firmware

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_P = POINTER(c_uint8)
BUFFER_BYTES = 1280


class _Reader(Structure):
    _fields_ = (
        ("buffer", BYTES_P),
        ("capacity", c_uint32),
        ("have", c_uint32),
        ("want", c_uint32),
        ("bad", c_uint32),
        ("crc", c_uint16),
        ("length_bytes", c_uint8),
        ("quantum", c_uint8 * 4),
        *((name, c_uint8) for name in ("quantum_chars", "line_chars", "padded", "line", "frame")),
    )


class Reader:
    """framing.c's reader; behind its buffer lies a canary."""

    CANARY = b"\xa5" * 64

    def __init__(self, *, capacity: int = BUFFER_BYTES) -> None:
        self._capacity = capacity
        self._buffer = (c_uint8 * (capacity + len(self.CANARY)))(*bytes(capacity), *self.CANARY)
        self._reader = _Reader()
        self._push = firmware.library().framing_push
        firmware.library().framing_start(ctypes.byref(self._reader), self._buffer, c_size_t(capacity))

    def feed(self, data: bytes) -> list[bytes]:
        size = c_size_t()
        found: list[bytes] = []
        for byte in data:
            if self._push(ctypes.byref(self._reader), c_uint8(byte), ctypes.byref(size)):
                found += [bytes(self._buffer[: size.value])]
        assert bytes(self._buffer[self._capacity :]) == self.CANARY
        return found

    @property
    def bad(self) -> int:
        return int(self._reader.bad)


def lines(message: bytes) -> list[bytes]:
    """framing.c's lines of a message."""
    write = firmware.library().framing_line
    write.restype = c_size_t
    out = (c_uint8 * 127)()
    found: list[bytes] = []
    while count := write(message, c_size_t(len(message)), c_size_t(len(found)), out):
        found.append(bytes(out[:count]))
    return found


class HelloRecord(Structure):
    _fields_ = (
        ("firmware", c_char_p),
        ("board", c_char_p),
        ("chip", c_char_p),
        ("uid", c_char_p),
        ("image", c_char_p),
        ("boot", c_uint32),
        ("reset", c_char_p),
        ("up_ms", c_uint64),
        ("baud", c_uint32),
        ("next", c_uint32),
        ("first", c_uint32),
        ("microphone", c_int),
    )


class TaskRecord(Structure):
    _fields_ = tuple((name, c_uint32) for name in ("stack_bytes", "stack_used", "switches", "awake_ms"))


class EventRecord(Structure):
    _fields_ = (
        ("number", c_uint32),
        ("boot", c_uint32),
        ("kind", c_uint8),
        ("label", c_char_p),
        ("label_bytes", c_uint8),
        ("began", c_uint64),
        ("at", c_uint64),
        ("at_ms", c_uint64),
        ("score", c_uint32),
        ("peak", c_uint32),
        ("mean", c_uint32),
        ("model", c_char_p),
    )


class HeartbeatRecord(Structure):
    _fields_ = (
        ("boot", c_uint32),
        ("up_ms", c_uint64),
        *((name, c_uint32) for name in ("idle_permille", "next", "first", "dropped")),
        ("heard", c_uint64),
        ("missed", c_uint64),
        *((name, c_uint32) for name in ("runs", "link_lost", "link_bad", "arena_bytes", "stack_free")),
        ("slot", c_uint8),
        ("state", c_char_p),
    )


class SlotRecord(Structure):
    _fields_ = (
        ("state", c_char_p),
        ("bytes", c_uint32),
        ("sha256", c_char_p),
        ("name", c_char_p),
        ("name_bytes", c_uint8),
        ("why", c_char_p),
    )


class SlotsRecord(Structure):
    _fields_ = (
        ("slot", SlotRecord * 2),
        ("slot_bytes", c_uint32),
        ("active", c_uint8),
        ("confirmed", c_uint8),
        ("trial", c_int),
        ("trial_left_ms", c_uint32),
    )


class _Upload(Structure):
    _fields_ = (
        ("offset", c_uint32),
        ("data", c_void_p),
        ("size", c_uint32),
        ("first", c_int),
        ("length", c_uint32),
        ("sha256", c_void_p),
    )


class _Injected(Structure):
    _fields_ = (("offset", c_uint64), ("runs", c_uint32), ("outputs", c_void_p), ("outputs_bytes", c_uint32))


class SelftestRecord(Structure):
    _fields_ = (("windows", c_uint32), ("differs", c_int32), ("micros", c_uint32))


class _Recorded(Structure):
    _fields_ = (("first", c_uint64), ("has_first", c_int), ("data", c_void_p), ("data_bytes", c_uint32))


WHY = POINTER(c_char_p)
CALLS: dict[str, tuple[Any, ...]] = {
    "reset": (c_int,),
    "datetime": (c_uint64,),
    "set_datetime": (None, c_uint64),
    "task": (None, POINTER(TaskRecord)),
    "hello": (None, POINTER(HelloRecord)),
    "subscribe": (c_int, c_uint32, c_int, c_uint32, POINTER(c_uint32), WHY),
    "answered": (None, c_uint8, c_uint8, c_int),
    "heartbeat": (None, POINTER(HeartbeatRecord)),
    "slots": (None, POINTER(SlotsRecord)),
    "upload": (c_int, POINTER(_Upload), POINTER(c_uint32), POINTER(c_int), WHY),
    "try_model": (c_int, c_void_p, c_uint32, WHY),
    "confirm": (c_int, c_void_p, WHY),
    "revert": (c_int, WHY),
    "inject_mode": (c_int, c_int, WHY),
    "inject": (c_int, c_uint64, c_void_p, c_uint32, POINTER(_Injected), WHY),
    "selftest": (c_int, POINTER(SelftestRecord), WHY),
    "record": (c_int, POINTER(_Recorded), WHY),
}
"""struct service: each call's result and arguments behind `app`, in the order of the header."""
TYPES = {name: ctypes.CFUNCTYPE(result, c_void_p, *taken) for name, (result, *taken) in CALLS.items()}


class _Service(Structure):
    _fields_ = (("app", c_void_p), *TYPES.items())


class Board:
    """smp.c over records that a test sets; `said` are the calls that came, with what they were given."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.error = 0
        """What every call that can fail answers."""
        self.why: bytes | None = None
        self.clock_ms = 0
        self.hello = HelloRecord(
            b"1.2.3", b"host", b"chip, 1 MHz", bytes(range(12)), None, 7, b"power", 99, 1_000_000, 12, 3, 1
        )
        self.task = TaskRecord(4096, 1001, 55, 66)
        self.heartbeat = HeartbeatRecord(7, 99, 900, 12, 3, 1, 16000, 160, 50, 4, 2, 8000, 700, 1, b"listening")
        self.slots = SlotsRecord((SlotRecord * 2)(), 65536, 0xFF, 0xFF, 0, 0)
        self.slots.slot[0].state = self.slots.slot[1].state = b"empty"
        self.granted_ms = 10_000
        self.uploaded = (512, 0)
        self.injected = (512, 1, b"\x01\x02")
        self.tested = SelftestRecord(4, -1, 1234)
        self.recorded = (16000, b"\x01\x00\xff\xff")
        calls = {name: TYPES[name](getattr(self, f"_{name}")) for name in CALLS}
        self._service = _Service(None, *calls.values())

    def receive(self, message: bytes, *, capacity: int = BUFFER_BYTES) -> bytes:
        """What the board answers; empty: nothing. Behind `capacity` lies a canary."""
        canary = b"\x5a" * 64
        out = (c_uint8 * (capacity + len(canary)))(*bytes(capacity), *canary)
        receive = firmware.library().smp_receive
        receive.restype = c_size_t
        exact = (c_uint8 * len(message))(*message)
        size = receive(ctypes.byref(self._service), exact, c_size_t(len(message)), out, c_size_t(capacity))
        assert bytes(out[capacity:]) == canary
        return bytes(out[:size])

    def _failed(self, why: Any) -> int:
        if self.error and self.why is not None:
            why[0] = self.why
        return self.error

    def _reset(self, _app: object) -> int:
        self.said.append(("reset",))
        return self.error

    def _datetime(self, _app: object) -> int:
        return self.clock_ms

    def _set_datetime(self, _app: object, ms: int) -> None:
        self.clock_ms = ms

    def _task(self, _app: object, out: Any) -> None:
        out[0] = self.task

    def _hello(self, _app: object, out: Any) -> None:
        out[0] = self.hello

    def _subscribe(self, _app: object, lease_ms: int, has_from: int, first: int, granted: Any, why: Any) -> int:
        self.said.append(("subscribe", lease_ms, first if has_from else None))
        granted[0] = self.granted_ms
        return self._failed(why)

    def _answered(self, _app: object, command: int, sequence: int, rc: int) -> None:
        self.said.append(("answered", command, sequence, rc))

    def _heartbeat(self, _app: object, out: Any) -> None:
        out[0] = self.heartbeat

    def _slots(self, _app: object, out: Any) -> None:
        out[0] = self.slots

    def _upload(self, _app: object, given: Any, following: Any, match: Any, why: Any) -> int:
        one = given[0]
        first = (one.length, ctypes.string_at(one.sha256, 32)) if one.first else None
        self.said.append(("upload", one.offset, ctypes.string_at(one.data, one.size), first))
        following[0], match[0] = self.uploaded
        return self._failed(why)

    def _try_model(self, _app: object, sha256: int, trial_ms: int, why: Any) -> int:
        self.said.append(("try", ctypes.string_at(sha256, 32), trial_ms))
        return self._failed(why)

    def _confirm(self, _app: object, sha256: int, why: Any) -> int:
        self.said.append(("confirm", ctypes.string_at(sha256, 32)))
        return self._failed(why)

    def _revert(self, _app: object, why: Any) -> int:
        self.said.append(("revert",))
        return self._failed(why)

    def _inject_mode(self, _app: object, on: int, why: Any) -> int:
        self.said.append(("injection", bool(on)))
        return self._failed(why)

    def _inject(self, _app: object, offset: int, samples: int, size: int, out: Any, why: Any) -> int:
        self.said.append(("inject", offset, ctypes.string_at(samples, size)))
        out[0].offset, out[0].runs, outputs = self.injected
        assert out[0].outputs_bytes >= len(outputs)
        ctypes.memmove(out[0].outputs, outputs, len(outputs))
        out[0].outputs_bytes = len(outputs)
        return self._failed(why)

    def _selftest(self, _app: object, out: Any, why: Any) -> int:
        out[0] = self.tested
        return self._failed(why)

    def _record(self, _app: object, out: Any, why: Any) -> int:
        self.said.append(("record", out[0].first if out[0].has_first else None))
        out[0].first, samples = self.recorded
        assert out[0].data_bytes >= len(samples)
        ctypes.memmove(out[0].data, samples, len(samples))
        out[0].data_bytes = len(samples)
        return self._failed(why)


def _request(name: str, record: Structure, sequence: int, capacity: int) -> bytes:
    write: Callable[..., int] = getattr(firmware.library(), name)
    write.restype = c_size_t  # type: ignore[attr-defined]
    out = (c_uint8 * capacity)()
    return bytes(out[: write(ctypes.byref(record), c_uint8(sequence), out, c_size_t(capacity))])


def event(record: EventRecord, *, sequence: int, capacity: int = BUFFER_BYTES) -> bytes:
    """smp_event's message."""
    return _request("smp_event", record, sequence, capacity)


def heartbeat(record: HeartbeatRecord, *, sequence: int, capacity: int = BUFFER_BYTES) -> bytes:
    """smp_heartbeat's message."""
    return _request("smp_heartbeat", record, sequence, capacity)
