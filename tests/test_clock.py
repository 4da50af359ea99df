"""The clock: cheap readings, one offset for every time in a message, and what the kernel says of its own clock."""

from __future__ import annotations

import ctypes
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged import clock

if TYPE_CHECKING:
    from pathlib import Path

NS = st.integers(min_value=0, max_value=2**62)


def test_a_moment_reads_both_clocks_between_two_readings_of_ours() -> None:
    before = time.time_ns(), time.monotonic_ns()
    moment = clock.now()
    after = time.time_ns(), time.monotonic_ns()
    assert before[0] <= moment.utc_ns <= after[0]
    assert before[1] <= moment.monotonic_ns <= after[1]


@given(utc=NS, here=NS, times=st.lists(NS, min_size=2))
def test_a_step_of_the_wall_clock_moves_all_times_of_one_moment_alike(utc: int, here: int, times: list[int]) -> None:
    moment = clock.Moment(utc_ns=utc, monotonic_ns=here, synchronised=False)
    assert moment.utc_of(here) == utc
    utcs = [moment.utc_of(at) for at in times]
    assert [b - a for a, b in pairwise(utcs)] == [b - a for a, b in pairwise(times)]


def test_the_boot_id_is_the_kernels() -> None:
    assert clock.boot_id() == clock.BOOT_ID.read_text(encoding="ascii").strip()
    assert len(clock.boot_id()) == 36


def test_synchronised_is_the_flag_the_kernel_keeps() -> None:
    class Timex(ctypes.Structure):
        _fields_ = [("modes", ctypes.c_uint), *[(n, ctypes.c_long) for n in ("offset", "freq", "maxerror", "esterror")]]
        _fields_ += [("status", ctypes.c_int), ("rest", ctypes.c_char * 400)]

    timex = Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        pytest.skip("adjtimex is forbidden here")
    unsynchronised = bool(timex.status & 0x40)
    assert clock.synchronised() is not unsynchronised


@pytest.mark.parametrize("answer", [0, 5])
def test_every_answer_of_the_kernel_is_understood(monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    monkeypatch.setattr(clock, "_adjtimex", lambda _: answer)
    assert clock.synchronised() is (answer == 0)


@pytest.mark.parametrize("there", [True, False])
def test_where_the_kernel_may_not_be_asked_timesyncd_is(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    there: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    said = tmp_path / "synchronized"
    if there:
        said.touch()
    monkeypatch.setattr(clock, "_adjtimex", lambda _: -1)
    monkeypatch.setattr(clock, "TIMESYNCD_SAYS", said)
    assert clock.synchronised() is there
