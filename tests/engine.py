"""The board's engine in Python's hands: a plan opened by `nn_open`, in an arena with guards before and behind it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from firmware import library

if TYPE_CHECKING:
    from collections.abc import Iterable

Array = np.ndarray[Any, Any]

GUARD: Final = 64
"""Bytes on both sides of what an engine may touch."""
SENTINEL: Final = 0xC5
ALIGNMENT: Final = 16


class RefusedError(Exception):
    """`plan_open` or `nn_open` gave an error."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.why = why(status)
        super().__init__(f"{status}: {self.why}")


class _Plan(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_void_p), ("size", ctypes.c_uint32))


class _Network(ctypes.Structure):
    _fields_ = (
        ("network", ctypes.c_void_p),
        ("constants", ctypes.c_void_p),
        ("arena", ctypes.c_void_p),
        ("work", ctypes.c_uint32),
    )


class Fenced:
    """Memory, aligned, whose neighbours are watched. `shift` moves it off the alignment."""

    def __init__(self, size: int, *, shift: int = 0) -> None:
        self.size = size
        self._all = np.full(size + 2 * GUARD + ALIGNMENT, SENTINEL, np.uint8)
        self._at = GUARD + (-(self._all.ctypes.data + GUARD)) % ALIGNMENT + shift
        self.bytes = self._all[self._at : self._at + size]
        self.bytes[:] = 0

    @property
    def address(self) -> int:
        """Where it begins."""
        return self._all.ctypes.data + self._at

    def check(self) -> None:
        """Nobody wrote beside it."""
        assert (self._all[: self._at] == SENTINEL).all(), "something was written before the memory"
        assert (self._all[self._at + self.size :] == SENTINEL).all(), "something was written behind the memory"


def _c() -> ctypes.CDLL:
    lib = library()
    lib.plan_why.restype = ctypes.c_char_p
    lib.plan_crc32.restype = ctypes.c_uint32
    lib.plan_crc32.argtypes = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t)
    lib.plan_open.argtypes = (ctypes.POINTER(_Plan), ctypes.c_void_p, ctypes.c_size_t)
    lib.nn_open.argtypes = (ctypes.POINTER(_Network), ctypes.POINTER(_Plan), ctypes.c_void_p, ctypes.c_size_t)
    lib.nn_arena_wanted.restype = ctypes.c_uint32
    for name in ("nn_input", "nn_output"):
        getattr(lib, name).restype = ctypes.c_void_p
    for name in ("nn_input_bytes", "nn_output_bytes", "nn_arena_bytes"):
        getattr(lib, name).restype = ctypes.c_uint32
    return lib


def why(status: int) -> str:
    """A status in words."""
    told: bytes = _c().plan_why(status)
    return told.decode()


def crc32(data: bytes, crc: int = 0) -> int:
    """The engine's own."""
    return int(_c().plan_crc32(crc, data, len(data)))


class Engine:
    """A plan, opened.

    Args:
        plan: The file.
        arena_bytes: How much it gets; None for as much as it wants.
        plan_shift: So far off its alignment does the plan lie.
        arena_shift: So far off its alignment does the arena lie.

    Raises:
        RefusedError: `plan_open` or `nn_open` did.
    """

    def __init__(
        self, plan: bytes, *, arena_bytes: int | None = None, plan_shift: int = 0, arena_shift: int = 0
    ) -> None:
        self._lib, self._plan, self._nn = _c(), _Plan(), _Network()
        self._file = Fenced(len(plan), shift=plan_shift)
        self._file.bytes[:] = np.frombuffer(plan, np.uint8)
        self._original = plan
        self._must(self._lib.plan_open(self._plan, self._file.address, len(plan)))
        wanted = int(self._lib.nn_arena_wanted(ctypes.byref(self._plan)))
        self.arena = Fenced(wanted if arena_bytes is None else arena_bytes, shift=arena_shift)
        self._must(self._lib.nn_open(self._nn, self._plan, self.arena.address, self.arena.size))
        self.arena_bytes, self.work = wanted, int(self._nn.work)
        self.input_bytes, self.output_bytes = self._ask("nn_input_bytes"), self._ask("nn_output_bytes")

    def _must(self, status: int) -> None:
        if status != 0:
            raise RefusedError(status)

    def _ask(self, name: str) -> int:
        return int(getattr(self._lib, name)(ctypes.byref(self._nn)))

    def run(self, window: bytes) -> bytes:
        """One inference: input bytes to output bytes. Neither the plan nor anything beside the arena was changed."""
        assert len(window) == self.input_bytes
        ctypes.memmove(self._ask("nn_input"), window, len(window))
        self._lib.nn_run(ctypes.byref(self._nn))
        self.arena.check()
        return ctypes.string_at(self._ask("nn_output"), self.output_bytes)

    def run_all(self, windows: Iterable[bytes]) -> list[bytes]:
        """One inference after another; the plan is what it was, afterwards."""
        outputs = [self.run(window) for window in windows]
        self._file.check()
        assert self._file.bytes.tobytes() == self._original, "the plan was written to"
        return outputs

    def reset(self) -> None:
        """The state as new."""
        self._lib.nn_reset(ctypes.byref(self._nn))
        self.arena.check()

    def open_again(self, plan: Fenced, arena: Fenced) -> int:
        """What `nn_open` gives for another plan in another arena; the network is zeroed when it fails."""
        assert self._lib.plan_open(self._plan, plan.address, plan.size) == 0
        status = int(self._lib.nn_open(self._nn, self._plan, arena.address, arena.size))
        assert status == 0 or bytes(self._nn) == bytes(ctypes.sizeof(_Network))
        return status

    def golden(self) -> int:
        """What nn_golden says."""
        return int(self._lib.nn_golden(ctypes.byref(self._nn), ctypes.byref(self._plan)))
