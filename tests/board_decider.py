"""The firmware's decisions, called from Python as edged.decide's are."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edged.classify.bundle import Bundle
from edged.compiler.blob import Network, Plan, Port, write_plan
from edged.compiler.hearing import decisions_of
from edged.compiler.sections import Decisions, Golden, Names
from edged.features.spec import Micro

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.records import Policy

KINDS: Final = ("detection", "start", "update", "end")
ROOM: Final = 32
"""Twice DECIDE_MAX_LABELS."""
STATE_BYTES: Final = 8192
"""More than struct decide takes; it begins as garbage."""
BYTE: Final = Port(0, 1, 0, 1 / 256, "uint8")
"""A posterior is the byte's value of 256."""


class BoardDecision(ctypes.Structure):
    """struct decision."""

    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("column", ctypes.c_uint8),
        ("score", ctypes.c_uint32),
        ("peak", ctypes.c_uint32),
        ("mean", ctypes.c_uint32),
        ("began", ctypes.c_uint64),
        ("at", ctypes.c_uint64),
    )


class _Plan(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_void_p), ("size", ctypes.c_uint32))


class BoardPlan:
    """A plan's bytes, 8-byte aligned, and opened; they must be sound."""

    def __init__(self, library: ctypes.CDLL, data: bytes) -> None:
        self._words = (ctypes.c_uint64 * (len(data) // 8 + 1))()
        ctypes.memmove(self._words, data, len(data))
        self.opened = _Plan()
        assert library.plan_open(ctypes.byref(self.opened), self._words, ctypes.c_size_t(len(data))) == 0


class BoardDecider:
    """mcu-firmware/app/decide.c, in a library that was built of it.

    Attributes:
        status: What decide_open gave.
        why: And what it said.
    """

    def __init__(self, library: ctypes.CDLL, data: bytes) -> None:
        library.decide_step.restype = library.decide_break.restype = ctypes.c_size_t
        self._library = library
        self._plan = BoardPlan(library, data)
        self._state = (ctypes.c_uint64 * (STATE_BYTES // 8))(*[0xA5A5A5A5A5A5A5A5] * (STATE_BYTES // 8))
        why = ctypes.c_char_p(b"untouched")
        self.status: int = library.decide_open(self._state, ctypes.byref(self._plan.opened), ctypes.byref(why))
        self.why = why.value.decode() if why.value is not None else ""
        assert self._state[-1] == 0xA5A5A5A5A5A5A5A5, "struct decide has outgrown STATE_BYTES"

    def step(self, outputs: bytes, ends: int, *, room: int = ROOM) -> list[BoardDecision]:
        """The next window."""
        return self._ask(self._library.decide_step, outputs, ends, room=room)

    def reset(self, ends: int, *, room: int = ROOM) -> list[BoardDecision]:
        """The stream broke."""
        return self._ask(self._library.decide_break, ends, room=room)

    def _ask(self, function: Any, *given: bytes | int, room: int) -> list[BoardDecision]:
        told = (BoardDecision * (room + 1))()
        told[room].at = 0xDEAD
        passed = [ctypes.c_uint64(one) if isinstance(one, int) else one for one in given]
        count = function(self._state, *passed, told, ctypes.c_size_t(room))
        assert count <= room
        assert told[room].at == 0xDEAD, "wrote beyond its room"
        return list(told[:count])


def bundle_of(policies: Mapping[str, Policy], labels: Sequence[str]) -> Bundle:
    """A bundle that is heard by the micro front end, without a model."""
    return Bundle(
        name="t", path=Path("t.edged"), kind="tflite", labels=tuple(labels), front_end=Micro(),
        window_frames=1, hop_frames=1, policies=policies, sha256="00" * 32,
    )  # fmt: skip


def decisions(policies: Mapping[str, Policy], labels: Sequence[str], port: Port = BYTE) -> Decisions:
    """The section DECI of such a bundle."""
    return decisions_of(bundle_of(policies, labels), port)


def plan_of(
    decisions: Decisions | None, *, outputs: int = 1, port: Port = BYTE, arena_bytes: int = 256, constants: bytes = b""
) -> bytes:
    """A plan whose network does nothing, with so many outputs of such a port."""
    network = Network(
        arena_bytes=arena_bytes,
        state_bytes=0,
        input=Port(0, 16, 0, 1.0, "uint8"),
        output=Port(16, outputs, port.zero, port.scale, port.dtype),
        init=(),
        run=(),
        constants=constants,
    )
    return write_plan(
        Plan(network=network, names=Names("00" * 32, "t"), golden=Golden(1, (b"\0",)), decisions=decisions)
    )
