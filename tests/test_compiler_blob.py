"""Plans as files: what is written is read, and nothing that was changed on the way is believed."""

from __future__ import annotations

import contextlib
import struct
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from nabu import NABU_PATH
from single_op import KINDS

from edged.compiler.blob import read_plan, write_plan
from edged.compiler.compiled import Source, compile_model, read_source
from edged.compiler.records import Pool, pack, unpack
from edged.errors import ModelError

SMALL = compile_model(Source(Path("pool.tflite"), KINDS["AVERAGE_POOL_2D"](np.random.default_rng(1)))).data


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(kind: str) -> None:
    made = compile_model(Source(Path("x.tflite"), KINDS[kind](np.random.default_rng(3))))
    assert read_plan(made.data) == made.plan
    assert write_plan(read_plan(made.data)) == made.data


def test_a_bundle_says_how_it_hears_and_what_it_is_called() -> None:
    made = compile_model(read_source(NABU_PATH))
    plan = read_plan(made.data)
    assert plan == made.plan
    assert (plan.names.name, plan.names.labels) == ("okay_nabu", ("okay_nabu",))
    assert plan.front_end is not None
    assert plan.decisions is not None
    assert (plan.front_end.window_frames, plan.front_end.hop_frames, plan.front_end.width) == (3, 3, 40)


def test_the_container_is_as_plan_md_has_it() -> None:
    magic, version, sections, size, crc = struct.unpack_from("<4sHHII", SMALL)
    assert (magic, version, size, size % 8) == (b"EDPL", 1, len(SMALL), 0)
    assert crc == zlib.crc32(SMALL[:12] + SMALL[16:])
    table = [struct.unpack_from("<4sII", SMALL, 16 + 12 * i) for i in range(sections)]
    assert [tag for tag, _, _ in table] == [b"NETW", b"NAME", b"GOLD"]
    end = 16 + 12 * sections
    for _, at, length in table:
        assert at % 8 == 0
        assert end <= at < at + length <= len(SMALL)
        end = at + length
    assert len(SMALL) - end < 8


def test_every_flipped_bit_and_every_truncation_is_refused() -> None:
    for at in range(len(SMALL)):
        flipped = bytearray(SMALL)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(ModelError):
            read_plan(bytes(flipped))
        with pytest.raises(ModelError):
            read_plan(SMALL[:at])


def test_a_repaired_checksum_ends_in_a_plan_or_in_a_reason() -> None:
    chance = np.random.default_rng(9)
    for _ in range(3000):
        data = bytearray(SMALL)
        for at in chance.integers(0, len(data), size=int(chance.integers(1, 4))):
            data[at] = chance.integers(0, 256)
        struct.pack_into("<I", data, 12, zlib.crc32(data[16:], zlib.crc32(data[:12])))
        with contextlib.suppress(ModelError):
            read_plan(bytes(data))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, b"ABCD", "is no plan"),
        (4, b"\2\0", "is a plan of version 2; this edged knows 1"),
        (8, b"\0\0\1\0", "truncated or damaged"),
        (200, b"?", "its checksum is wrong"),
    ],
)
def test_what_is_wrong_is_said(at: int, value: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_plan(SMALL[:at] + value + SMALL[at + len(value) :])


def test_a_number_too_large_for_its_field_is_refused_by_name() -> None:
    (pool,) = (record for record in read_plan(SMALL).network.run if isinstance(record, Pool))
    assert unpack(pack(pool)) == (pool,)
    told = {field.name: getattr(pool, field.name) for field in fields(pool)} | {"in_h": 65_536}
    with pytest.raises(ModelError, match="in_h is 65,536, more than a plan can say"):
        pack(Pool(**told))
