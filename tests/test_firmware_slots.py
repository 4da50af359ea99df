"""The board's two slots: what an upload, a trial, a confirmation and a reset make of them."""

from __future__ import annotations

import random
import struct
import zlib
from typing import TYPE_CHECKING, Final

import pytest
from board_decider import plan_of
from board_flash import (
    ARENA_BYTES,
    BUSY,
    CHECKSUM,
    FLASH,
    HASH,
    INVALID,
    MAGIC,
    NO_MODEL,
    NONE,
    OFFSET,
    OK,
    PLAN,
    PLAN_ARENA,
    SECTION,
    SETTINGS_A,
    SLOT_0,
    SLOT_1,
    TOO_LARGE,
    TRUNCATED,
    VERSION,
    BoardFlash,
    Settings,
    record,
    sha256,
)
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator


def model(number: int, size: int = 5000, *, arena_bytes: int = 256) -> bytes:
    return plan_of(None, constants=random.Random(number).randbytes(size), arena_bytes=arena_bytes)


A, B, C = (model(number, 5000 + 8 * number) for number in range(3))
UPLOADED: Final = (OK, True)


@pytest.fixture
def board() -> Iterator[BoardFlash]:
    """Model A is confirmed, in slot 0."""
    made = BoardFlash()
    assert made.install(A) == 0
    yield made
    assert not made.fault


def put(board: BoardFlash, plan: bytes, *, piece: int = 1000) -> tuple[int, bool]:
    status, _, match = board.upload(plan, piece=piece)
    return status, match


# ---- the state ----


def test_a_blank_board_is_empty() -> None:
    board = BoardFlash()
    assert board.state() == (None, None, False)
    assert board.plan(0) == board.plan(1) == (MAGIC, b"")
    assert (board.try_slot(0), board.confirm(), board.revert()) == (NO_MODEL, NO_MODEL, OK)
    assert board.why == ""


def test_the_first_model_is_tried_and_confirmed_as_any() -> None:
    board = BoardFlash()
    assert put(board, A) == UPLOADED
    assert board.state() == (None, None, False)
    assert board.try_slot(0) == OK
    assert board.state() == (0, None, True)
    board.start()
    assert board.state() == (None, None, False)
    assert board.slots.interrupted == 0
    assert (board.try_slot(0), board.revert()) == (OK, OK)
    assert board.state() == (None, None, False)
    assert (board.try_slot(0), board.confirm()) == (OK, OK)
    assert board.state() == (0, 0, False)


def test_without_a_confirmed_one_an_upload_goes_beside_what_is_whole() -> None:
    board = BoardFlash()
    for plan in (A, B):
        assert put(board, plan) == UPLOADED
    assert (board.find(A), board.find(B)) == (0, 1)
    assert put(board, C) == UPLOADED
    assert (board.find(A), board.find(B), board.find(C)) == (None, 1, 0)


def test_confirmed_by_turns(board: BoardFlash) -> None:
    for turn, plan in enumerate([B, C, A, B, C]):
        slot = (turn + 1) % 2
        assert board.install(plan) == slot
        assert board.state() == (slot, slot, False)
        board.start()
        assert board.state() == (slot, slot, False)
        assert board.plan(slot) == (0, plan)


def test_a_trial_ends_with_a_reset(board: BoardFlash) -> None:
    assert put(board, B) == UPLOADED
    assert board.try_slot(1) == OK
    assert board.state() == (1, 0, True)
    board.start()
    assert board.state() == (0, 0, False)
    assert board.slots.interrupted == 1
    board.start()
    assert board.slots.interrupted == 0xFF
    assert board.find(B) == 1


def test_back_to_the_confirmed_one(board: BoardFlash) -> None:
    put(board, B)
    assert (board.try_slot(1), board.revert()) == (OK, OK)
    assert board.state() == (0, 0, False)
    board.start()
    assert board.state() == (0, 0, False)
    assert board.slots.interrupted == 0xFF


def test_what_is_said_twice_is_no_error(board: BoardFlash) -> None:
    put(board, B)
    writes = board.store.writes
    assert [
        board.try_slot(1),
        board.try_slot(1),
        board.confirm(),
        board.confirm(),
        board.revert(),
        board.try_slot(1),
    ] == [OK] * 6
    assert board.state() == (1, 1, False)
    assert board.store.writes == writes + 2


def test_one_trial_at_a_time(board: BoardFlash) -> None:
    put(board, B)
    board.try_slot(1)
    assert (board.try_slot(0), board.why) == (BUSY, "another model is on trial")
    assert board.upload(C)[0] == BUSY
    assert board.why == "a model is on trial"
    assert board.state() == (1, 0, True)
    assert board.find(B) == 1


def test_there_is_no_third_slot(board: BoardFlash) -> None:
    assert board.try_slot(2) == board.try_slot(255) == NO_MODEL
    assert board.plan(2) == (MAGIC, b"")


@pytest.mark.parametrize("call", ["try", "confirm", "revert"])
@pytest.mark.parametrize("write", [1, 5, 12])
def test_flash_that_fails_changes_nothing(board: BoardFlash, call: str, write: int) -> None:
    put(board, B)
    if call != "try":
        board.try_slot(1)
    before = board.state()
    board.cut(write, seed=2)
    status = {"try": lambda: board.try_slot(1), "confirm": board.confirm, "revert": board.revert}[call]()
    assert (status, board.why) == (FLASH, "the settings could not be written")
    assert board.state() == ((0, 0, False) if call == "revert" else before)
    board.start()
    assert board.state() == (0, 0, False)


# ---- damage ----


def test_a_damaged_confirmed_slot_falls_back(board: BoardFlash) -> None:
    board.install(B)
    board.lay(SLOT_1, B[:3000] + bytes(8))
    assert board.start() == OK
    assert board.state() == (0, 0, False)
    assert board.plan(1)[0] == CHECKSUM
    assert board.install(C) == 1


def test_another_plan_than_the_confirmed_one_falls_back(board: BoardFlash) -> None:
    """It is whole, yet nobody confirmed it."""
    board.install(B)
    board.lay(SLOT_1, C)
    board.start()
    assert board.state() == (0, 0, False)


def test_nothing_runs_where_nothing_is_whole(board: BoardFlash) -> None:
    board.lay(SLOT_0, bytes(8))
    board.start()
    assert board.state() == (None, None, False)
    assert board.install(B) == 0


def test_settings_of_noise_leave_the_models_to_be_found(board: BoardFlash) -> None:
    for area in (0, 1):
        board.lay(area, random.Random(area).randbytes(4096))
    board.start()
    assert board.state() == (None, None, False)
    assert board.find(A) == 0
    assert (board.try_slot(0), board.confirm()) == (OK, OK)


def test_a_confirmed_slot_that_there_is_not() -> None:
    """With models in both: whatever memory is read by a number that is too large, some of it is not zero."""
    for slot in range(2, NONE):
        board = BoardFlash()
        board.lay(SLOT_0, A)
        board.lay(SLOT_1, B)
        board.lay(SETTINGS_A, record(1, Settings(1, slot, slot)))
        board.start()
        assert board.state() == (None, None, False), slot
        assert board.slots.interrupted == NONE


# ---- uploads ----


@pytest.mark.parametrize("program_bytes", [1, 2, 4, 8])
@pytest.mark.parametrize("piece", [1, 3, 7, 8, 100, 1000, 4096, 16384])
@pytest.mark.parametrize("slots", [(16384, 4096), (131072, 131072), (6144, 512)])
def test_it_lies_there_as_it_was_sent(program_bytes: int, piece: int, slots: tuple[int, int]) -> None:
    board = BoardFlash(program_bytes=program_bytes, slots=slots)
    assert put(board, A, piece=piece) == UPLOADED
    assert board.plan(0) == (OK, A)
    assert set(board.area(SLOT_0)[len(A) :]) <= {0xFF}
    assert board.flash.erases == -(-len(A) // slots[1])
    assert not board.fault


@given(st.lists(st.integers(1, 3000), min_size=1), st.sampled_from([1, 2, 4, 8]))
def test_pieces_of_any_size(pieces: list[int], program_bytes: int) -> None:
    board, at = BoardFlash(program_bytes=program_bytes), 0
    while True:
        size = pieces[at % len(pieces)]
        status, following, match = board.message(at, A[at : at + size], of=None if at else A)
        assert status in {OK, BUSY}
        if match:
            break
        at = following
    assert board.plan(0) == (OK, A)
    assert not board.fault


def test_the_same_again_goes_on_from_where_it_was(board: BoardFlash) -> None:
    board.upload(B, upto=2000)
    assert board.message(0, B[:1000], of=B) == (OK, 2000, False)
    assert board.message(0, of=B) == (OK, 2000, False)
    assert board.message(2000, B[2000:2100]) == (OK, 2100, False)
    assert board.upload(B) == (OK, len(B), True)


def test_another_one_begins_anew(board: BoardFlash) -> None:
    board.upload(B, upto=2000)
    assert put(board, C) == UPLOADED
    assert (board.find(B), board.find(C)) == (None, 1)


def test_what_is_being_overwritten_is_no_model(board: BoardFlash) -> None:
    assert put(board, B) == UPLOADED
    board.upload(C, upto=100)
    assert board.find(B) is None
    assert board.plan(1) == (MAGIC, b"")
    assert board.try_slot(1) == NO_MODEL


def test_what_fills_no_piece_is_filled_up(board: BoardFlash) -> None:
    board.upload(b"abcde" * 201)
    assert board.area(SLOT_1)[:1008] == b"abcde" * 201 + b"\xff" * 3


def test_flash_that_keeps_nothing_is_noticed(board: BoardFlash) -> None:
    board.flash.deaf = 1
    assert board.upload(B)[0] == HASH
    assert board.state() == (0, 0, False)


def test_the_same_hash_with_another_length_is_another_one(board: BoardFlash) -> None:
    board.upload(B, upto=2000)
    status, following, _ = board.message(0, B[:8], of=B + bytes(8), hash_of=B)
    assert (status, board.why, following) == (BUSY, "erasing", 0)


def test_a_reset_begins_anew(board: BoardFlash) -> None:
    board.upload(B, upto=5000)
    board.start()
    assert board.message(5000, B[5000:]) == (OFFSET, 0, False)
    assert put(board, B) == UPLOADED


def test_what_is_there_is_not_sent_twice(board: BoardFlash) -> None:
    erases = board.flash.erases
    assert board.message(0, A[:100], of=A) == (OK, len(A), True)
    assert board.upload(B) == board.message(0, B[:100], of=B) == (OK, len(B), True)
    board.try_slot(1)
    assert board.message(0, B[:100], of=B) == (OK, len(B), True)
    assert board.flash.erases == erases + 2


def test_lost_answers(board: BoardFlash) -> None:
    board.upload(B, upto=1000)
    assert board.message(0, B[:1000], of=B) == (OK, 1000, False)
    board.message(1000, B[1000:1500])
    assert board.message(1000, B[1000:1500]) == (OK, 1500, False)
    assert board.message(1400, B[1400:1600]) == (OK, 1500, False)
    assert put(board, B) == UPLOADED
    assert board.message(len(B) - 8, B[-8:]) == (OFFSET, 0, False)
    assert board.message(0, of=B) == (OK, len(B), True)


def test_what_lies_beyond_is_an_error(board: BoardFlash) -> None:
    assert board.message(0, B[:100]) == (OFFSET, 0, False)
    assert board.message(8, B[8:100], of=B) == (OFFSET, 0, False)
    board.upload(B, upto=1000)
    assert board.message(1001, B[1001:1100]) == (OFFSET, 1000, False)
    assert board.message(1000, bytes(len(B) - 999)) == (INVALID, 1000, False)
    assert board.message(2**32 - 1, b"1") == (OFFSET, 1000, False)
    assert put(board, B) == UPLOADED


def test_lengths_that_cannot_be(board: BoardFlash) -> None:
    board.upload(B, upto=1000)
    assert board.message(0, b"", of=b"")[0] == INVALID
    assert board.message(0, b"1", of=bytes(16385))[0] == TOO_LARGE
    assert board.message(1000, B[1000:2000]) == (OK, 2000, False), "what was on goes on"


def test_a_plan_as_large_as_a_slot() -> None:
    board = BoardFlash(slots=(8192, 4096))
    plan = model(1, 8192 - (len(model(1, 8000)) - 8000))
    assert len(plan) == 8192
    assert put(board, plan) == UPLOADED


def test_another_hash_is_no_model(board: BoardFlash) -> None:
    status, following, match = board.upload(B, hash_of=C)
    assert (status, following, match) == (HASH, len(B), False)
    assert board.plan(1) == (MAGIC, b"")
    assert board.find(B) is None
    assert board.try_slot(1) == NO_MODEL
    assert put(board, B) == UPLOADED


def changed(plan: bytes, at: int, value: bytes, *, crc: bool = True) -> bytes:
    told = plan[:at] + value + plan[at + len(value) :]
    return told[:12] + struct.pack("<I", zlib.crc32(told[16:], zlib.crc32(told[:12]))) + told[16:] if crc else told


NO_PLANS: Final = [
    ("noise", random.Random(1).randbytes(1001), MAGIC, "it is no plan"),
    ("a byte", b"E", TRUNCATED, "it is cut short"),
    ("cut short", B[:-8], TRUNCATED, "it is cut short"),
    ("longer", B + bytes(8), SECTION, ""),
    ("a flipped bit", changed(B, 1000, b"?", crc=False), CHECKSUM, "its checksum is wrong"),
    ("another version", changed(B, 4, b"\2"), VERSION, "it is a plan of another version"),
    ("no network", changed(B, 16, b"WENT"), SECTION, ""),
    (
        "too large an arena",
        model(1, arena_bytes=ARENA_BYTES + 16),
        PLAN_ARENA,
        "it needs more memory than this board has",
    ),
]


@pytest.mark.parametrize(("plan", "status", "why"), [row[1:] for row in NO_PLANS], ids=[row[0] for row in NO_PLANS])
def test_what_this_board_cannot_run(board: BoardFlash, plan: bytes, status: int, why: str) -> None:
    assert put(board, plan) == (PLAN, False)
    assert why in board.why
    assert board.plan(1) == (status, b"")
    assert bytes(board.slots.known[1]) == sha256(plan)
    assert board.try_slot(1) == NO_MODEL
    board.start()
    assert board.state() == (0, 0, False)
    assert board.find(plan) is None
    assert put(board, B) == UPLOADED


def test_the_largest_arena_is_taken() -> None:
    board = BoardFlash()
    assert put(board, model(1, arena_bytes=ARENA_BYTES)) == UPLOADED


@pytest.mark.parametrize("write", [1, 2, 900, 1026])
def test_flash_that_fails_ends_the_upload(board: BoardFlash, write: int) -> None:
    confirmed = board.area(SLOT_0)
    board.cut(write, seed=2)
    assert board.upload(B)[0] == FLASH
    assert board.message(1000, B[1000:1001])[0] == OFFSET
    assert (board.state(), board.area(SLOT_0)) == ((0, 0, False), confirmed)
    board.cut(0, seed=0)
    assert put(board, B) == UPLOADED


# ---- all of it, against the table at the top of slots.c ----

CALLS = st.one_of(
    st.tuples(st.just("upload"), st.integers(0, 2)),
    st.tuples(st.just("begin"), st.integers(0, 2)),
    st.tuples(st.just("try"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["confirm", "revert", "start"]), st.just(0)),
)


class Table:
    """The state table, with what lies in each slot."""

    def __init__(self) -> None:
        self.slot: list[bytes | None] = [None, None]
        self.active: int | None = None
        self.confirmed: int | None = None
        self.trial = False

    def upload(self, plan: bytes) -> int:
        if self.begin(plan) == BUSY:
            return BUSY
        if plan not in self.slot:
            self.slot[self._free] = plan
        return OK

    def begin(self, plan: bytes) -> int:
        if plan in self.slot:
            return OK
        if self.trial:
            return BUSY
        self._free = self._target()
        self.slot[self._free] = None
        return OK

    def _target(self) -> int:
        if self.confirmed is not None:
            return 1 - self.confirmed
        return 1 if self.slot[0] and not self.slot[1] else 0

    def try_slot(self, slot: int) -> int:
        if self.slot[slot] is None:
            return NO_MODEL
        if slot != self.active:
            if self.trial:
                return BUSY
            self.active, self.trial = slot, True
        return OK

    def confirm(self) -> int:
        if self.active is None:
            return NO_MODEL
        self.confirmed, self.trial = self.active, False
        return OK

    def revert(self) -> int:
        self.active, self.trial = self.confirmed, False
        return OK


@given(st.lists(CALLS, max_size=30))
def test_any_calls_keep_to_the_table(calls: list[tuple[str, int]]) -> None:
    board, table, plans = BoardFlash(), Table(), [model(number, 200) for number in range(3)]
    for call, which in calls:
        match call:
            case "upload":
                assert board.upload(plans[which])[0] == table.upload(plans[which])
            case "begin":
                said = board.upload(plans[which], upto=100)[0]
                assert said == table.begin(plans[which])
            case "try":
                assert board.try_slot(which) == table.try_slot(which)
            case "confirm":
                assert board.confirm() == table.confirm()
            case "revert":
                assert board.revert() == table.revert()
            case "start":
                board.start()
                table.revert()
        assert board.state() == (table.active, table.confirmed, table.trial)
        assert [board.plan(slot)[1] or None for slot in (0, 1)] == table.slot
        assert not board.fault
