"""The board's settings: what was written last is what a start finds, whatever became of the last write."""

from __future__ import annotations

import ctypes
import random
import subprocess

import pytest
from board_flash import NONE, SETTINGS_A, SETTINGS_B, BoardFlash, Settings, record
from firmware import FIRMWARE, make

RECORD = 48
"""Bytes of a record."""


def settings(number: int) -> Settings:
    return Settings(number, number % 3, number % 5, (0, 0), (ctypes.c_uint8 * 32)(*[number % 251] * 32))


def found(board: BoardFlash) -> bytes:
    board.start_store()
    assert not board.fault
    return bytes(board.store.settings)


def test_a_blank_board_has_the_defaults() -> None:
    board = BoardFlash()
    assert bytes(board.store.settings) == bytes(Settings(0, NONE, NONE))
    assert not board.flash.writes


def test_boots_are_counted() -> None:
    board = BoardFlash()
    for number in range(1, 300):
        assert board.boot() == 0
        assert board.store.settings.boot == number
        board.start_store()
        assert board.store.settings.boot == number


@pytest.mark.parametrize("program_bytes", [1, 2, 4, 8])
@pytest.mark.parametrize("area", [(48, 48), (128, 64), (512, 256), (4096, 4096), (16384, 16384)])
def test_the_last_settings_are_found(program_bytes: int, area: tuple[int, int]) -> None:
    board = BoardFlash(program_bytes=program_bytes, settings=area)
    for number in range(1, 4 * (area[0] // RECORD) + 2 if area[0] < 4096 else 200):
        assert board.write(settings(number)) == 0
        assert bytes(board.store.settings) == bytes(settings(number))
        assert found(board) == bytes(settings(number))


def test_wear() -> None:
    """A page of 4 kB takes 85 records."""
    board = BoardFlash()
    for number in range(850):
        assert board.write(settings(number)) == 0
    assert board.flash.erases == 10
    assert board.store.writes == 850
    assert not board.fault


def test_any_flipped_bit_gives_the_settings_before() -> None:
    board = BoardFlash()
    for number in range(1, 4):
        board.write(settings(number))
    whole = board.area(SETTINGS_A)
    for bit in range(8 * RECORD):
        torn = bytearray(whole)
        torn[2 * RECORD + bit // 8] ^= 1 << bit % 8
        board.lay(SETTINGS_A, bytes(torn))
        assert found(board) == bytes(settings(2)), bit
        assert board.write(settings(9)) == 0
        assert found(board) == bytes(settings(9)), bit
        board.lay(SETTINGS_A, whole)
        ctypes.memset(ctypes.byref(board.flash.written[SETTINGS_A], 3 * RECORD // 4), 0, RECORD // 4)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_settings(seed: int) -> None:
    board = BoardFlash()
    for area in (SETTINGS_A, SETTINGS_B):
        board.lay(area, random.Random(seed + area).randbytes(4096))
    assert found(board) == bytes(Settings(0, NONE, NONE))
    assert board.boot() == 0
    assert found(board)[:4] == b"\1\0\0\0"


def test_no_settings_areas_are_an_error() -> None:
    board = BoardFlash(settings=(32, 32))
    assert board.boot() == -1
    assert board.store.settings.boot == 1


def test_a_record_of_another_layout_does_not_count() -> None:
    board = BoardFlash()
    board.lay(
        SETTINGS_A,
        record(1, settings(1)) + record(2, settings(2), layout=b"edged settings 0\0") + record(3, settings(3)),
    )
    assert found(board) == bytes(settings(3))
    board.lay(SETTINGS_B, record(2**32 - 1, settings(4), layout=b""))
    assert found(board) == bytes(settings(3))
    board.lay(SETTINGS_B, record(4, settings(5)))
    assert found(board) == bytes(settings(5))


def test_flash_that_keeps_nothing_is_noticed() -> None:
    board = BoardFlash()
    assert board.write(settings(1)) == 0
    board.flash.deaf = 1
    assert board.write(settings(2)) == -1
    assert bytes(board.store.settings) == bytes(settings(1))


def test_what_could_not_be_written_is_not_so() -> None:
    board = BoardFlash()
    board.write(settings(1))
    board.cut(5, seed=2)
    assert board.write(settings(2)) == -1
    assert bytes(board.store.settings) == bytes(settings(1))
    assert found(board) == bytes(settings(1))
    assert board.write(settings(3)) == 0
    assert found(board) == bytes(settings(3))


def test_a_write_that_failed_does_not_stand_in_the_way() -> None:
    """Flash that fails once and goes on: the next write goes to the next place, and counts."""
    board = BoardFlash(settings=(96, 96))
    for number in range(1, 20):
        board.cut(1 + number % 12, seed=number)
        failed = board.write(settings(100 + number))
        board.cut(0, seed=0)
        assert failed == -1
        assert board.write(settings(number)) == 0
        assert found(board) == bytes(settings(number))


def test_power_cut_in_many_writes() -> None:
    """Of a model's upload as well, on seven kinds of flash; `tests/system/test_firmware_power.py` cuts each of them."""
    make("build/host/tests/test_power_cut")
    told = subprocess.run([FIRMWARE / "build/host/tests/test_power_cut"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert len(told.stdout.splitlines()) == 21
