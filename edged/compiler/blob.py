"""A plan as a file: `mcu-firmware/nn/PLAN.md`, written and read.

Whoever reads one here gets what was written, or a ModelError: the checksum is looked at before anything else is
believed. What the records do is not checked; that is the engine's work, which has to do it anyway.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edged.compiler.records import pack, unpack
from edged.compiler.sections import Decisions, FrontEnd, Golden, Names
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.compiler.records import Record

MAGIC: Final = b"EDPL"
VERSION: Final = 1
SUFFIX: Final = ".plan"
ALIGNMENT: Final = 8
"""Of sections in the file, of the constants in the network, and of the file's end."""
MAX_SECTIONS: Final = 16
TYPES: Final = ("int8", "uint8")

_HEADER: Final = struct.Struct("<4sHHII")
_SECTION: Final = struct.Struct("<4sII")
_NETWORK: Final = struct.Struct("<6IififBBHHH4I")
_ANEW: Final = "Compile it anew"


@dataclass(frozen=True, slots=True)
class Port:
    """Where inputs are put, or outputs found, and what their numbers mean."""

    at: int
    bytes: int
    zero: int
    scale: float
    """A float32 value."""
    dtype: str


@dataclass(frozen=True, slots=True)
class Network:
    """The section NETW."""

    arena_bytes: int
    state_bytes: int
    input: Port
    output: Port
    init: tuple[Record, ...]
    """They make the state as new."""
    run: tuple[Record, ...]
    constants: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a plan."""

    network: Network
    names: Names
    golden: Golden
    front_end: FrontEnd | None = None
    decisions: Decisions | None = None


def write_plan(plan: Plan) -> bytes:
    """The bytes of a plan.

    Raises:
        ModelError: Something in it is too large for its field.
    """
    sections = {b"NETW": _network(plan.network), b"NAME": plan.names.packed(), b"GOLD": plan.golden.packed()}
    if plan.front_end is not None:
        sections[b"FRNT"] = plan.front_end.packed()
    if plan.decisions is not None:
        sections[b"DECI"] = plan.decisions.packed()
    at = _padded(_HEADER.size + _SECTION.size * len(sections))
    table, body = b"", b""
    for tag, data in sections.items():
        table += _SECTION.pack(tag, at + len(body), len(data))
        body += data.ljust(_padded(len(data)), b"\0")
    rest = (table.ljust(at - _HEADER.size, b"\0")) + body
    head = _HEADER.pack(MAGIC, VERSION, len(sections), _HEADER.size + len(rest), 0)[:12]
    return head + struct.pack("<I", zlib.crc32(rest, zlib.crc32(head))) + rest


def read_plan(data: bytes) -> Plan:
    """What a file says.

    Raises:
        ModelError: It is no plan, or damaged; the caller knows the file, and adds it.
    """
    sections = _sections(data)
    if missing := [tag for tag in ("NETW", "NAME", "GOLD") if tag not in sections]:
        raise ModelError(f"damaged: it has no section {missing[0]}", way_out=_ANEW)
    try:
        return Plan(
            network=_read_network(sections["NETW"]),
            names=Names.unpacked(sections["NAME"]),
            golden=Golden.unpacked(sections["GOLD"]),
            front_end=FrontEnd.unpacked(sections["FRNT"]) if "FRNT" in sections else None,
            decisions=Decisions.unpacked(sections["DECI"]) if "DECI" in sections else None,
        )
    except (struct.error, IndexError, UnicodeDecodeError) as why:
        raise ModelError(f"damaged: {why}", way_out=_ANEW) from None


def _sections(data: bytes) -> Mapping[str, bytes]:
    if len(data) < _HEADER.size or data[:4] != MAGIC:
        raise ModelError(f"is no plan: {MAGIC.decode()!r} is not at its beginning", way_out="Name what edged compiled")
    _, version, count, size, crc = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ModelError(f"is a plan of version {version}; this edged knows {VERSION}", way_out=_ANEW)
    if size != len(data) or count > MAX_SECTIONS:
        raise ModelError(f"truncated or damaged: it has {len(data)} bytes, not {size}", way_out=_ANEW)
    if zlib.crc32(data[16:], zlib.crc32(data[:12])) != crc:
        raise ModelError("damaged: its checksum is wrong", way_out=_ANEW)
    found = {}
    for index in range(count):
        tag, at, length = _SECTION.unpack_from(data, _HEADER.size + _SECTION.size * index)
        if at + length > len(data):
            raise ModelError("damaged: a section lies outside", way_out=_ANEW)
        found[tag.decode("ascii", "replace")] = data[at : at + length]
    return found


def _network(network: Network) -> bytes:
    init, run = b"".join(map(pack, network.init)), b"".join(map(pack, network.run))
    constants_at = _padded(_NETWORK.size + len(init) + len(run))
    head = _NETWORK.pack(
        *(network.arena_bytes, network.state_bytes),
        *(network.input.at, network.input.bytes, network.output.at, network.output.bytes),
        *(network.input.zero, network.input.scale, network.output.zero, network.output.scale),
        *(TYPES.index(network.input.dtype), TYPES.index(network.output.dtype), 0),
        *(len(network.init), len(network.run)),
        *(_NETWORK.size, len(init) + len(run), constants_at, len(network.constants)),
    )
    return (head + init + run).ljust(constants_at, b"\0") + network.constants


def _read_network(data: bytes) -> Network:
    arena, state, *numbers = _NETWORK.unpack_from(data)
    in_at, in_bytes, out_at, out_bytes, in_zero, in_scale, out_zero, out_scale, in_type, out_type, _, *rest = numbers
    init, run, records_at, records_bytes, constants_at, constants_bytes = rest
    records = unpack(data[records_at : records_at + records_bytes])
    constants = data[constants_at : constants_at + constants_bytes]
    if len(records) != init + run or len(constants) != constants_bytes:
        raise ModelError("damaged: its network is not as long as it says", way_out=_ANEW)
    return Network(
        arena_bytes=arena,
        state_bytes=state,
        input=Port(in_at, in_bytes, in_zero, in_scale, TYPES[in_type]),
        output=Port(out_at, out_bytes, out_zero, out_scale, TYPES[out_type]),
        init=records[:init],
        run=records[init:],
        constants=constants,
    )


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
