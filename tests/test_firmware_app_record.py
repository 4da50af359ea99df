"""The host board's microphone on tape: what it heard, sample by sample, as it listens; and what it could not keep."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from boards import HostBoard, Link
from gateway import RATE_HZ
from speech import write_wav

from edged.mcu import group
from edged.mcu.group import Error, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
TAPE_SAMPLES = 16_384
"""As boards/host/board.mk has it."""
WORTH_BYTES = 640
"""20 ms."""
NOISE = np.random.default_rng(50).integers(-30000, 30000, 60 * RATE_HZ).astype(np.int16)


def read(link: Link, first: int | None = None) -> Recorded:
    return group.read(Recorded, link.ask(group.record(first=first)).body)


def recorded(link: Link, *, samples: int) -> list[Recorded]:
    """Go on reading until so many samples are there."""
    deadline = time.monotonic() + 30
    found = [read(link)]
    while sum(len(each.samples) // 2 for each in found) < samples:
        assert time.monotonic() < deadline
        each = read(link, found[-1].first + len(found[-1].samples) // 2)
        if each.samples:
            found.append(each)
        if len(each.samples) < WORTH_BYTES:
            link.listen(0.02)  # who asks all the time gets a sample or two a time
    return found


def offset_in(noise: Pcm, samples: Pcm) -> int:
    """Where these were played."""
    starts = np.flatnonzero(noise[: len(noise) - len(samples)] == samples[0])
    (at,) = [at for at in starts if np.array_equal(noise[at : at + len(samples)], samples)]
    return int(at)


def offsets(found: list[Recorded]) -> set[int]:
    """How the numbers differ from where it was played, by each answer that is long enough to tell."""
    long = [each for each in found if len(each.samples) >= 64]
    assert long
    return {offset_in(NOISE, np.frombuffer(each.samples, "<i2")) - each.first for each in long}


@pytest.fixture
def noisy(tmp_path: Path) -> Iterator[HostBoard]:
    """A board that hears noise, a minute of it."""
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "noise.wav", NOISE, rate_hz=RATE_HZ)
    with HostBoard(folder, ("--wav", str(wav))) as made:
        yield made


def test_what_is_heard_comes_sample_by_sample(noisy: HostBoard) -> None:
    with noisy.open() as link:
        found = recorded(link, samples=RATE_HZ)
    numbers = [each.first for each in found]
    assert numbers == sorted(numbers)
    assert len(offsets(found)) == 1  # numbers and what was played go together, gaps or not
    assert max(len(each.samples) for each in found) <= 1240


def test_it_listens_all_the_while(tmp_path: Path, plan: bytes, sound: Pcm) -> None:
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "nabu.wav", np.tile(sound, 20), rate_hz=RATE_HZ)
    with HostBoard(folder, ("--wav", str(wav))) as board, board.open() as link:
        link.install(plan)
        link.subscribe()
        deadline = time.monotonic() + 40
        first: int | None = None
        while not link.events:
            assert time.monotonic() < deadline
            each = read(link, first)
            first = each.first + len(each.samples) // 2
            link.listen(0.01)
    assert link.events[0].label == "okay_nabu"


def test_a_late_reader_is_told_what_is_gone(noisy: HostBoard) -> None:
    with noisy.open() as link:
        first = read(link).first
        link.listen(2.5)
        late = read(link, first)
        kept = link.heartbeat()
    assert late.first > first + RATE_HZ // 2
    assert kept.heard + kept.missed - late.first >= TAPE_SAMPLES - RATE_HZ // 4
    samples = np.frombuffer(late.samples, "<i2")
    assert offset_in(NOISE, samples) > 0


def test_nothing_is_kept_when_nobody_has_read_for_long(tmp_path: Path) -> None:
    with HostBoard(tmp_path, ("--silence", "--speed", "8", "--watchdog-ms", "0")) as board, board.open() as link:
        first = read(link).first
        link.listen(6 / 8 + 0.3)
        late = read(link, first)
        assert late.samples == b""
        assert late.first > first + 5 * RATE_HZ
        assert read(link, late.first).first >= late.first


def test_what_was_not_heard_yet_is_refused(noisy: HostBoard) -> None:
    with noisy.open() as link:
        refusal = link.refusal(group.record(first=2**60))
        assert (refusal.rc, refusal.reason) == (Error.OFFSET, "that sample was not heard yet")


def test_without_a_microphone_there_is_nothing(board: HostBoard) -> None:
    with board.open() as link:
        refusal = link.refusal(group.record())
        assert (refusal.rc, refusal.reason) == (Error.INVALID, "there is no microphone")


def test_an_injection_is_not_on_the_tape(noisy: HostBoard, plan: bytes) -> None:
    with noisy.open() as link:
        link.install(plan)
        first = read(link).first
        link.ask(group.injection(on=True))
        for number in range(5):
            link.ask(group.inject(bytes(1024), offset=512 * number))
            link.listen(0.05)
        heard = read(link, first)
        link.ask(group.injection(on=False))
        after = read(link, heard.first + len(heard.samples) // 2)
    assert heard.samples
    assert np.frombuffer(heard.samples, "<i2").any()
    first_at = offset_in(NOISE, np.frombuffer(heard.samples, "<i2")) - heard.first
    assert offset_in(NOISE, np.frombuffer(after.samples, "<i2")) - after.first == first_at


def test_an_erase_is_a_gap_in_the_numbers(tmp_path: Path, plan: bytes) -> None:
    folder = tmp_path / "board"
    folder.mkdir()
    wav = write_wav(tmp_path / "noise.wav", NOISE, rate_hz=RATE_HZ)
    with HostBoard(folder, ("--wav", str(wav), "--erase-ms", "700")) as board, board.open() as link:
        first = read(link).first
        link.upload(plan)
        missed = link.heartbeat().missed
        found: list[Recorded] = []
        end = first
        deadline = time.monotonic() + 20
        while not found or found[-1].samples:
            assert time.monotonic() < deadline
            found.append(read(link, end))
            end = found[-1].first + len(found[-1].samples) // 2
            if len(found) > 40:
                break
    assert missed > 0
    assert len(offsets(found)) == 1
    gaps = sum(after.first - before.first - len(before.samples) // 2 for before, after in itertools.pairwise(found))
    assert gaps > 0
