"""Plans as tests want them: compiled from a `.tflite`, or damaged on purpose, their checksum repaired."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.compiler.compiled import Source, compile_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.classify.runtime import Library


def compiled(model: bytes, library: Library | None = None) -> bytes:
    """The plan that `edged compile` makes of a bare `.tflite`, to equal a library; None for the one it chooses."""
    return compile_model(Source(Path("made.tflite"), model), library=library).data


def section_at(data: bytes, tag: bytes) -> int:
    """Where a section begins."""
    return _entry(data, tag)[0]


def section_bytes(data: bytes, tag: bytes) -> int:
    """How long it is."""
    return _entry(data, tag)[1]


def _entry(data: bytes, tag: bytes) -> tuple[int, int]:
    (count,) = struct.unpack_from("<H", data, 6)
    entries = [struct.unpack_from("<4sII", data, 16 + 12 * i) for i in range(count)]
    ((at, size),) = [entry[1:] for entry in entries if entry[0] == tag]
    return int(at), int(size)


def records_at(data: bytes) -> Iterator[int]:
    """Where each record begins, those of the state's beginning first."""
    network = section_at(data, b"NETW")
    init, run, at, _ = struct.unpack_from("<HHII", data, network + 44)
    at += network
    for _ in range(init + run):
        yield at
        (size,) = struct.unpack_from("<H", data, at + 2)
        at += size


def repaired(data: bytes | bytearray) -> bytes:
    """The same, with the checksum that belongs to it."""
    made = bytearray(data)
    struct.pack_into("<I", made, 12, zlib.crc32(made[16:], zlib.crc32(made[:12])))
    return bytes(made)


def poked(data: bytes, at: int, layout: str, *values: Any) -> bytes:
    """The same with other values at a place, and the checksum repaired."""
    made = bytearray(data)
    struct.pack_into(layout, made, at, *values)
    return repaired(made)


def by_hand(
    record: bytes, *, arena_bytes: int, times: int = 1, init: int = 0, golden: bytes = b"", constants: int = 256
) -> bytes:
    """A plan of one record, so many times: zeros for constants, and the whole arena is input and output.

    The first `init` of them make the state as new.
    """
    constants_at = -(-(64 + times * len(record)) // 8) * 8
    places = struct.pack("<6I", arena_bytes, 0, 0, arena_bytes, 0, arena_bytes)
    kinds = struct.pack("<ififBBHHH", 0, 1.0, 0, 1.0, 0, 0, 0, init, times - init)
    header = places + kinds + struct.pack("<4I", 64, times * len(record), constants_at, constants)
    section = (header + record * times).ljust(constants_at, b"\0") + bytes(constants)
    golden = golden.ljust(-(-len(golden) // 8) * 8, b"\0")
    entries = struct.pack("<4sII4sII", b"NETW", 40, len(section), b"GOLD", 40 + len(section), len(golden))
    size = 40 + len(section) + len(golden)
    return repaired(struct.pack("<4sHHII", b"EDPL", 1, 2, size, 0) + entries + section + golden)
