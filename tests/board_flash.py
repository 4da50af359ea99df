"""The firmware's settings and slots over flash in RAM, called from Python: `mcu-firmware/tests/ram_flash.h`."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Final

from firmware import library

if TYPE_CHECKING:
    from collections.abc import Sequence

AREA_BYTES: Final = 256 * 1024
ARENA_BYTES: Final = 4096
SETTINGS_A, SETTINGS_B, SLOT_0, SLOT_1 = range(4)
NONE: Final = 0xFF
OK, UNKNOWN, TOO_LARGE, OFFSET, HASH, PLAN, NO_MODEL, FLASH, BUSY, GOLDEN, INVALID = range(11)
"""enum service_error."""
TRUNCATED, MAGIC, VERSION, CHECKSUM, SECTION = -1, -2, -3, -4, -5
PLAN_ARENA: Final = -9
_Area = ctypes.c_uint8 * AREA_BYTES


class _Flash(ctypes.Structure):
    _fields_ = (
        ("bytes", _Area * 4),
        ("written", _Area * 4),
        ("worn", _Area * 4),
        ("program_bytes", ctypes.c_uint32),
        ("area_bytes", ctypes.c_uint32 * 4),
        ("unit_bytes", ctypes.c_uint32 * 4),
        ("writes", ctypes.c_uint64),
        ("cut_at", ctypes.c_uint64),
        ("programs", ctypes.c_uint64),
        ("erases", ctypes.c_uint64),
        ("noise", ctypes.c_uint64),
        ("tear", ctypes.c_uint),
        ("faults", ctypes.c_uint64),
        ("fault", ctypes.c_char_p),
        ("off", ctypes.c_int),
        ("deaf", ctypes.c_int),
        ("cut", ctypes.c_void_p),
    )


class Settings(ctypes.Structure):
    """struct settings."""

    _fields_ = (
        ("boot", ctypes.c_uint32),
        ("confirmed", ctypes.c_uint8),
        ("trial", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 2),
        ("sha256", ctypes.c_uint8 * 32),
    )


class _Store(ctypes.Structure):
    _fields_ = (
        ("board", ctypes.c_void_p),
        ("settings", Settings),
        ("area", ctypes.c_int),
        ("end", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("writes", ctypes.c_uint32),
    )


class _Slots(ctypes.Structure):
    _fields_ = (
        ("board", ctypes.c_void_p),
        ("store", ctypes.c_void_p),
        ("active", ctypes.c_uint8),
        ("confirmed", ctypes.c_uint8),
        ("trial", ctypes.c_uint8),
        ("interrupted", ctypes.c_uint8),
        ("target", ctypes.c_uint8),
        ("length", ctypes.c_uint32),
        ("have", ctypes.c_uint32),
        ("erased", ctypes.c_uint32),
        ("sha256", ctypes.c_uint8 * 32),
        ("pending", ctypes.c_uint8 * 8),
        ("pending_bytes", ctypes.c_uint8),
        ("known", (ctypes.c_uint8 * 32) * 2),
        ("whole", ctypes.c_uint8 * 2),
        ("refused", ctypes.c_int * 2),
    )


class _Upload(ctypes.Structure):
    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("data", ctypes.c_char_p),
        ("size", ctypes.c_uint32),
        ("first", ctypes.c_int),
        ("length", ctypes.c_uint32),
        ("sha256", ctypes.c_char_p),
    )


class _Plan(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_void_p), ("size", ctypes.c_uint32))


def record(sequence: int, settings: Settings, *, layout: bytes = b"edged settings 1\0") -> bytes:
    """A record of the settings' log, as store.c writes it."""
    told = struct.pack("<I", sequence) + bytes(settings)
    return told + struct.pack("<I", zlib.crc32(layout + told))


@functools.cache
def sha256(plan: bytes) -> bytes:
    """Of a plan."""
    return hashlib.sha256(plan).digest()


class BoardFlash:
    """A board that has just come from the factory: blank flash, settings and slots started.

    There is one flash for all: a new one wipes the old.
    """

    def __init__(
        self, *, program_bytes: int = 4, settings: Sequence[int] = (4096, 4096), slots: Sequence[int] = (16384, 4096)
    ) -> None:
        self._library = library()
        self._board = (ctypes.c_uint64 * 64)()
        two = ctypes.c_uint32 * 2
        self._library.ram_flash_start(self._board, program_bytes, two(*settings), two(*slots))
        self.flash = _Flash.in_dll(self._library, "ram_flash")
        self.why = ""
        self.start()

    def start(self) -> int:
        """Power, and a start: what slots_start gives."""
        self.start_store()
        self.slots = _Slots()
        ctypes.memset(ctypes.byref(self.slots), 0xA5, ctypes.sizeof(self.slots))
        return int(self._library.slots_start(ctypes.byref(self.slots), self._board, ctypes.byref(self.store)))

    # ---- settings ----

    def start_store(self) -> None:
        """Power, and a start of the settings alone."""
        self.cut(0, seed=0)
        self.store = _Store()
        ctypes.memset(ctypes.byref(self.store), 0xA5, ctypes.sizeof(self.store))
        assert self._library.store_start(ctypes.byref(self.store), self._board) == 0

    def boot(self) -> int:
        """Count the boot."""
        return int(self._library.store_boot(ctypes.byref(self.store)))

    def write(self, settings: Settings) -> int:
        """Append settings."""
        return int(self._library.store_write(ctypes.byref(self.store), ctypes.byref(settings)))

    # ---- slots ----

    def state(self) -> tuple[int | None, int | None, bool]:
        """The slot that runs, the one that is confirmed, and whether a trial is on."""
        active, confirmed = (None if slot == NONE else slot for slot in (self.slots.active, self.slots.confirmed))
        return active, confirmed, bool(self.slots.trial)

    def message(
        self, offset: int, data: bytes = b"", *, of: bytes | None = None, hash_of: bytes | None = None
    ) -> tuple[int, int, bool]:
        """One message of an upload, the first one where it says of which plan: error, next, match."""
        hashed = None if of is None else sha256(hash_of or of)
        told = _Upload(offset, data, len(data), of is not None, 0 if of is None else len(of), hashed)
        following, match, why = ctypes.c_uint32(77), ctypes.c_int(77), ctypes.c_char_p()
        status = self._library.slots_upload(
            ctypes.byref(self.slots),
            ctypes.byref(told),
            ctypes.byref(following),
            ctypes.byref(match),
            ctypes.byref(why),
        )
        self.why = why.value.decode() if why.value else ""
        assert bool(status) == bool(self.why)
        assert match.value in {0, 1}
        return status, following.value, bool(match.value)

    def upload(
        self, plan: bytes, *, piece: int = 1000, upto: int | None = None, hash_of: bytes | None = None
    ) -> tuple[int, int, bool]:
        """All of an upload, or so many bytes; what the last message gave."""
        at, upto = 0, len(plan) if upto is None else upto
        while True:
            first = plan if at == 0 else None
            status, following, match = self.message(at, plan[at : min(at + piece, upto)], of=first, hash_of=hash_of)
            if status != BUSY or self.why != "erasing":
                if status or match or following >= upto:
                    return status, following, match
                at = following

    def try_slot(self, slot: int) -> int:
        """Put a slot on trial."""
        return self._call(self._library.slots_try, ctypes.c_uint8(slot))

    def confirm(self) -> int:
        """The trial went well."""
        return self._call(self._library.slots_confirm)

    def revert(self) -> int:
        """It did not."""
        return self._call(self._library.slots_revert)

    def _call(self, function: ctypes._NamedFuncPointer, *given: ctypes.c_uint8) -> int:
        why = ctypes.c_char_p()
        status = int(function(ctypes.byref(self.slots), *given, ctypes.byref(why)))
        self.why = why.value.decode() if why.value else ""
        assert bool(status) == bool(self.why)
        return status

    def find(self, plan: bytes) -> int | None:
        """Which slot holds it, whole."""
        slot = self._library.slots_find(ctypes.byref(self.slots), sha256(plan)) & 0xFF
        return None if slot == NONE else slot

    def plan(self, slot: int) -> tuple[int, bytes]:
        """What slots_plan gives: an enum plan_status, and the plan's bytes."""
        plan = _Plan(77, 77)
        status = int(self._library.slots_plan(ctypes.byref(self.slots), ctypes.c_uint8(slot), ctypes.byref(plan)))
        return status, ctypes.string_at(plan.bytes, plan.size) if plan.bytes else b""

    def install(self, plan: bytes) -> int:
        """Upload, try and confirm it; its slot."""
        assert self.upload(plan) == (OK, len(plan), True), self.why
        slot = self.find(plan)
        assert slot is not None
        assert self.try_slot(slot) == self.confirm() == OK
        return slot

    # ---- flash ----

    def area(self, area: int) -> bytes:
        """What lies there."""
        return bytes(self.flash.bytes[area][: self.flash.area_bytes[area]])

    def lay(self, area: int, data: bytes) -> None:
        """Put it there, past all rules."""
        ctypes.memmove(self.flash.bytes[area], data, len(data))

    def cut(self, write: int, seed: int) -> None:
        """Power goes in that write from now (from 1), and all that is asked of flash fails until the next start."""
        self._library.ram_flash_power(ctypes.c_uint64(write), ctypes.c_uint64(seed))

    @property
    def fault(self) -> str:
        """What was done to flash that one does not do; empty: nothing."""
        return str(self.flash.fault.decode()) if self.flash.faults else ""
