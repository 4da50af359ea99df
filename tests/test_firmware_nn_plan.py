"""A plan that is not whole, or says what cannot be, is refused with its reason, and nothing is touched."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from engine import SENTINEL, Engine, Fenced, RefusedError, crc32, why
from nn_runner import SANITIZED, built, told
from planned import by_hand, compiled, poked, records_at, repaired, section_at
from single_op import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRUNCATED, MAGIC, VERSION, CHECKSUM, SECTION, OFFSET, OPERATOR, SHAPE, ARENA, ALIGNMENT, WORK = range(-1, -12, -1)


@cache
def plan(operator: str, kind: int = 0) -> bytes:
    """The smallest of a few plans of an operator, of those that have a record of that kind."""
    made = (compiled(KINDS[operator](np.random.default_rng([0, trial]))) for trial in range(7))
    return min((data for data in made if kind == 0 or any(data[at] == kind for at in records_at(data))), key=len)


def status(data: bytes, **told: int) -> int:
    """What opening it gives; 0 where it opens."""
    try:
        Engine(data, **told)
    except RefusedError as refused:
        return refused.status
    return 0


def entry(data: bytes, number: int) -> int:
    """Where the container's table tells of a section."""
    assert number < struct.unpack_from("<H", data, 6)[0]
    return 16 + 12 * number


def test_the_checksum_is_zlibs() -> None:
    for size in (0, 1, 2, 15, 1000):
        data = np.random.default_rng(size).bytes(size)
        assert crc32(data) == zlib.crc32(data)
    assert crc32(b"6789", crc32(b"12345")) == zlib.crc32(b"123456789")


def test_every_status_has_words() -> None:
    words = {why(code) for code in range(0, -12, -1)}
    assert len(words) == 12
    assert why(-12) == why(1) == why(-1000) == "it is wrong in an unknown way"


def test_a_good_one_opens() -> None:
    for operator in KINDS:
        assert status(plan(operator)) == 0
        assert Engine(plan(operator)).golden() == 0


def test_whatever_is_cut_off() -> None:
    data = plan("CONV_2D")
    assert {status(data[:size]) for size in range(len(data))} == {TRUNCATED}


def test_a_slot_may_be_longer_than_its_plan() -> None:
    assert status(plan("ADD") + bytes([0xFF]) * 1000) == 0


CONTAINER: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "magic": (lambda data: repaired(b"EDPM" + data[4:]), MAGIC),
    "version": (lambda data: poked(data, 4, "<H", 2), VERSION),
    "checksum": (lambda data: data[:-1] + bytes([data[-1] ^ 1]), CHECKSUM),
    "size not of eight": (lambda data: poked(data[:-4], 8, "<I", len(data) - 4), SECTION),
    "too many sections": (lambda data: poked(data + bytes(800), 6, "<HI", 17, len(data) + 800), SECTION),
    "more sections than bytes": (lambda data: poked(data[:24], 6, "<HI", 2, 24), SECTION),
    "no sections": (lambda data: poked(data, 6, "<H", 0), SECTION),
    "network missing": (lambda data: poked(data, entry(data, 0), "<4s", b"NETZ"), SECTION),
    "a section twice": (lambda data: poked(data, entry(data, 1), "<4s", b"NETW"), SECTION),
    "a section in the table": (lambda data: poked(data, entry(data, 1) + 4, "<II", 24, 0), SECTION),
    "a section at an odd place": (
        lambda data: poked(data, entry(data, 2) + 4, "<I", section_at(data, b"GOLD") + 4),
        SECTION,
    ),
    "a section outside": (lambda data: poked(data, entry(data, 2) + 4, "<I", len(data) + 8), SECTION),
    "a section too long": (lambda data: poked(data, entry(data, 2) + 8, "<I", 0xFFFF_FFF8), SECTION),
    "two in one place": (lambda data: poked(data, entry(data, 1) + 4, "<I", section_at(data, b"NETW")), SECTION),
}


@pytest.mark.parametrize("case", CONTAINER)
def test_the_container(case: str) -> None:
    spoil, expected = CONTAINER[case]
    assert status(spoil(plan("CONV_2D"))) == expected


NETWORK = {
    "arena not of sixteen": (0, "<I", (24,), SECTION),
    "arena beyond 31 bits": (0, "<I", (0x8000_0000,), SECTION),
    "state not of sixteen": (4, "<I", (8,), SECTION),
    "state larger than the arena": (4, "<I", (0x1000,), OFFSET),
    "input outside": (8, "<I", (0xFFFF_FFFF,), OFFSET),
    "input too long": (12, "<I", (0x1000,), OFFSET),
    "output outside": (16, "<I", (0x1_0000,), OFFSET),
    "output too long": (20, "<I", (0xFFFF_FFFF,), OFFSET),
    "no such input type": (40, "<B", (2,), SECTION),
    "no such output type": (41, "<B", (2,), SECTION),
    "reserved": (42, "<H", (1,), SECTION),
    "a record too many": (46, "<H", (2,), OFFSET),
    "a record too few": (46, "<H", (0,), SECTION),
    "records at an odd place": (48, "<I", (66,), OFFSET),
    "records in the header": (48, "<I", (60,), OFFSET),
    "records outside": (48, "<I", (0xFFFF_FFFC,), OFFSET),
    "records too long": (52, "<I", (0xFFFF_FFFC,), OFFSET),
    "constants at an odd place": (56, "<I", (68,), OFFSET),
    "constants outside": (56, "<I", (0xFFFF_FFF8,), OFFSET),
    "constants too long": (60, "<I", (0x7FFF_FFFF,), OFFSET),
}


@pytest.mark.parametrize("case", NETWORK)
def test_the_network(case: str) -> None:
    at, layout, values, expected = NETWORK[case]
    data = plan("CONV_2D")
    assert status(poked(data, section_at(data, b"NETW") + at, layout, *values)) == expected


CONV = {
    "kind of none": (0, "<B", 0, OPERATOR),
    "unknown kind": (0, "<B", 9, OPERATOR),
    "rounding": (1, "<B", 2, SHAPE),
    "size": (2, "<H", 76, SHAPE),
    "input in no arena": (4, "<I", 0x0100_0000, OFFSET),
    "input in no constants": (4, "<I", 0x8100_0000, OFFSET),
    "output in the constants": (8, "<I", 0x8000_0000, OFFSET),
    "no height": (12, "<H", 0, SHAPE),
    "tall input": (12, "<H", 0xFFFF, OFFSET),
    "no channels": (16, "<H", 0, SHAPE),
    "no outputs": (18, "<H", 0, SHAPE),
    "wide output": (20, "<H", 0xFFFF, SHAPE),
    "no output channels": (22, "<H", 0, SHAPE),
    "many output channels": (22, "<H", 0xFFFF, OFFSET),
    "no kernel": (24, "<H", 0, SHAPE),
    "no stride": (28, "<H", 0, SHAPE),
    "no dilation": (34, "<H", 0, SHAPE),
    "padding beyond the kernel": (36, "<h", 20, SHAPE),
    "padding below nothing": (38, "<h", -1, SHAPE),
    "weights outside": (40, "<I", 0x7FFF_FFFF, OFFSET),
    "bias outside": (44, "<I", 0x7FFF_FFF0, OFFSET),
    "bias at an odd place": (44, "<I", 2, OFFSET),
    "multiplier outside": (48, "<I", 0xFFFF_FFFC, OFFSET),
    "shift outside": (52, "<I", 0x7FFF_FFFF, OFFSET),
    "activation below": (64, "<i", -129, SHAPE),
    "activation above": (68, "<i", 128, SHAPE),
}


@pytest.mark.parametrize("case", CONV)
def test_a_convolution(case: str) -> None:
    at, layout, value, expected = CONV[case]
    data = plan("CONV_2D")
    (record,) = records_at(data)
    if layout.endswith("H") and value == 0xFFFF:  # the shapes fit one another: what is wrong is where they reach
        data = poked(data, record + 28, "<2H", 1, 1)
    assert status(poked(data, record + at, layout, value)) == expected


def test_an_output_over_its_input() -> None:
    for operator in ("CONV_2D", "AVERAGE_POOL_2D", "SOFTMAX"):
        data = plan(operator)
        (record,) = records_at(data)
        assert status(poked(data, record + 8, "<I", *struct.unpack_from("<I", data, record + 4))) == SHAPE


def test_the_padding_must_be_there_where_it_is_read() -> None:
    found = set()
    for trial in range(12):
        data = compiled(KINDS["CONV_2D"](np.random.default_rng([2, trial])))
        (record,) = records_at(data)
        (end,) = struct.unpack_from("<I", data, section_at(data, b"NETW") + 60)
        top, left = struct.unpack_from("<2h", data, record + 36)
        found.add(status(poked(data, record + 56, "<I", end)))
        assert (top, left) == (0, 0) or status(poked(data, record + 56, "<I", end)) == OFFSET
        assert status(poked(data, record + 56, "<I", end + 1)) == OFFSET
    assert found == {0, OFFSET}


def test_a_negative_multiplier() -> None:
    data = plan("CONV_2D")
    (record,) = records_at(data)
    (multiplier,) = struct.unpack_from("<I", data, record + 48)
    network = section_at(data, b"NETW")
    (constants,) = struct.unpack_from("<I", data, network + 56)
    assert status(poked(data, network + constants + multiplier, "<i", -1)) == SHAPE


OTHERS = {
    "depthwise: multiplier": ("DEPTHWISE_CONV_2D", 72, "<I", 5, SHAPE),
    "depthwise: rounding": ("DEPTHWISE_CONV_2D", 1, "<B", 1, SHAPE),
    "pool: reserved": ("AVERAGE_POOL_2D", 30, "<H", 1, SHAPE),
    "pool: no stride": ("AVERAGE_POOL_2D", 26, "<H", 0, SHAPE),
    "pool: input": ("AVERAGE_POOL_2D", 4, "<I", 0x1_0000, OFFSET),
    "add: empty": ("ADD", 16, "<I", 0, SHAPE),
    "add: huge": ("ADD", 16, "<I", 0xFFFF_FFFF, SHAPE),
    "add: output": ("ADD", 12, "<I", 0x1_0000, OFFSET),
    "add: strides": ("ADD", 44, "<i", -0x8000_0000, OFFSET),
    "add: left shift": ("ADD", 72, "<i", 32, SHAPE),
    "add: shift": ("ADD", 80, "<i", -32, SHAPE),
    "add: multiplier": ("ADD", 92, "<i", -1, SHAPE),
    "mul: shift": ("MUL", 76, "<i", 32, SHAPE),
    "mul: activation": ("MUL", 84, "<2i", (5, 4), SHAPE),
    "softmax: no rows": ("SOFTMAX", 12, "<I", 0, SHAPE),
    "softmax: rows": ("SOFTMAX", 12, "<I", 0xFFFF_FFFF, OFFSET),
    "softmax: table": ("SOFTMAX", 20, "<I", 4, OFFSET),
    "softmax: diff_min": ("SOFTMAX", 24, "<i", 1, SHAPE),
    "lut: nothing": ("LOGISTIC", 12, "<I", 0, SHAPE),
    "lut: too much": ("LOGISTIC", 12, "<I", 0xFFFF_FFFF, OFFSET),
    "lut: table": ("LOGISTIC", 16, "<I", 8, OFFSET),
    "copy: shape": ("READ_VARIABLE", 12, "<4I", (1 << 16, 1 << 16, 1 << 16, 1 << 16), SHAPE),
    "copy: empty": ("READ_VARIABLE", 24, "<I", 0, SHAPE),
    "copy: to the constants": ("READ_VARIABLE", 8, "<I", 0x8000_0000, OFFSET),
    "copy: over itself": ("READ_VARIABLE", 12, "<4I8i", (1, 1, 2, 2, 0, 0, 2, 1, 0, 0, 2, 1), SHAPE),
    "copy: one byte for ever": ("READ_VARIABLE", 12, "<4I8i", (1, 1, 1, 1 << 28, 0, 0, 0, 0, 0, 0, 0, 0), SHAPE),
}


KIND = {"DEPTHWISE_CONV_2D": 2, "READ_VARIABLE": 8}
"""Of plans whose records are of several kinds: which one is spoiled."""


@pytest.mark.parametrize("case", OTHERS)
def test_other_records(case: str) -> None:
    operator, at, layout, value, expected = OTHERS[case]
    data = plan(operator, KIND.get(operator, 0))
    values = value if isinstance(value, tuple) else (value,)
    record = next(each for each in records_at(data) if data[each] == KIND.get(operator, data[each]))
    if case == "copy: over itself":
        data = poked(data, record + 4, "<II", 0, 1)
    assert status(poked(data, record + at, layout, *values)) == expected


def test_more_work_than_any_board_ends() -> None:
    """65,535 records of a table over 16 kB each: every one is good."""
    lut = struct.pack("<BBH4I", 7, 0, 20, 0, 0, 1 << 14, 0)
    assert status(by_hand(lut, arena_bytes=1 << 14, times=65535)) == WORK
    assert status(by_hand(lut, arena_bytes=1 << 14, times=100)) == 0


def test_a_state_that_takes_too_long_to_make() -> None:
    lut = struct.pack("<BBH4I", 7, 0, 20, 0, 0, 1 << 14, 0)
    assert status(by_hand(lut, arena_bytes=1 << 14, times=40, init=31)) == 0
    assert status(by_hand(lut, arena_bytes=1 << 14, times=40, init=32)) == WORK


def test_a_self_test_that_would_outlast_the_watchdog_is_not_begun() -> None:
    """Each window is good and small, and they are as many as a plan can say; the outputs are there."""
    lut = struct.pack("<BBH4I", 7, 0, 20, 0, 0, 16, 0)
    golden = struct.pack("<IHH", 1, 0xFFFF, 16) + bytes(0xFFFF * 16)
    for times, expected in ((1, 0), (10, 0), (11, WORK)):
        data = by_hand(lut, arena_bytes=16, times=times, golden=golden)
        assert Engine(data).golden() == expected


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 17, 40])
def test_a_run_is_moved_as_memmove_does_it(length: int) -> None:
    content = bytes(range(1, 65))
    for source in range(0, 24, 3):
        for target in range(24):
            record = struct.pack("<BBH2I4I8i", 8, 0, 60, source, target, 1, 1, 1, length, 0, 0, 0, 1, 0, 0, 0, 1)
            expected = bytearray(content)
            expected[target : target + length] = content[source : source + length]
            assert Engine(by_hand(record, arena_bytes=64)).run(content) == expected


def test_an_arena_too_small() -> None:
    data = plan("MUL")
    wanted = Engine(data).arena_bytes
    assert status(data, arena_bytes=wanted - 1) == ARENA
    assert status(data, arena_bytes=0) == ARENA
    assert status(data, arena_bytes=wanted + 5) == 0


def test_odd_addresses() -> None:
    assert status(plan("MUL"), plan_shift=4) == ALIGNMENT
    assert status(plan("MUL"), arena_shift=8) == ALIGNMENT


def test_a_wrong_answer_is_told_by_its_window() -> None:
    data = plan("READ_VARIABLE")
    at = section_at(data, b"GOLD")
    windows, size = struct.unpack_from("<HH", data, at + 4)
    for window in (0, windows - 1):
        place = at + 8 + window * size
        assert Engine(poked(data, place, "<B", data[place] ^ 1)).golden() == window + 1
    assert Engine(poked(data, at + 4, "<H", 0)).golden() == SECTION
    assert Engine(poked(data, at + 4, "<H", 0xFFFF)).golden() == SECTION
    assert Engine(poked(data, at + 6, "<H", size + 1)).golden() == SECTION


def test_what_is_refused_leaves_the_arena_alone() -> None:
    data = plan("CONV_2D")
    (record,) = records_at(data)
    engine = Engine(data)
    arena = Fenced(engine.arena_bytes)
    arena.bytes[:] = SENTINEL
    spoiled = Fenced(len(data))
    spoiled.bytes[:] = np.frombuffer(poked(data, record + 68, "<i", 128), np.uint8)
    assert engine.open_again(spoiled, arena) == SHAPE
    assert (arena.bytes == SENTINEL).all()


def test_a_reset_forgets_everything() -> None:
    remembered = 0
    for trial in range(4):
        engine = Engine(compiled(KINDS["READ_VARIABLE"](np.random.default_rng([3, trial]))))
        inputs = [bytes([value]) * engine.input_bytes for value in (3, 200, 7, 99)]
        first = engine.run_all(inputs)
        remembered += engine.run_all(inputs) != first
        engine.reset()
        assert engine.run_all(inputs) == first
    assert remembered > 0


def test_no_single_bit_can_turn_unseen_and_none_leads_astray(tmp_path: Path) -> None:
    """Under address and undefined-behaviour sanitizers, in memory of exactly the size that each plan asks for."""
    program = built(tmp_path, "gcc", *SANITIZED)
    for operator in KINDS:
        file = tmp_path / "small.plan"
        file.write_bytes(plan(operator))
        bits = 8 * len(plan(operator))
        assert told(program, "flips", file).startswith(f"bits {bits} refused {bits}; repaired: refused ")
