"""The firmware's front end gives, bit for bit, what the gateway's gives."""

from __future__ import annotations

import runpy
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from firmware import FIRMWARE, library
from hypothesis import given
from hypothesis import strategies as st
from micro_board import BoardFrontEnd, gateway

if TYPE_CHECKING:
    from pathlib import Path

    from edged.records import Pcm

SECOND = 16_000
FRONTEND = FIRMWARE / "frontend"


def same(samples: Pcm) -> int:
    """How many frames both front ends made, all of them equal."""
    board, host = BoardFrontEnd(library()).push(samples), gateway(samples)
    np.testing.assert_array_equal(board, host)
    return len(board)


def noise(seed: int, *, loudness: float, samples: int = SECOND) -> Pcm:
    drawn = np.random.default_rng(seed).standard_normal(samples) * loudness
    clipped: Pcm = np.clip(np.rint(drawn), -32768, 32767).astype(np.int16)
    return clipped


def test_the_tables_are_those_of_the_script() -> None:
    made = runpy.run_path(str(FRONTEND / "make_tables.py"))
    assert (FRONTEND / "tables.h").read_text() == made["header"]()
    assert (FRONTEND / "tables.c").read_text() == made["source"]()


@pytest.mark.parametrize("loudness", [0.3, 1, 3, 30, 300, 3000, 10_000, 60_000])
def test_noise(loudness: float) -> None:
    assert same(noise(1, loudness=loudness)) == 98


def test_words_that_swell_and_fade() -> None:
    swell = 10 ** (4.5 * np.abs(np.sin(np.arange(5 * SECOND) / 9000)))
    assert same(np.clip(noise(2, loudness=1, samples=5 * SECOND) * swell, -32768, 32767).astype(np.int16)) == 498


@pytest.mark.parametrize("period", [2, 3, 4, 7, 8, 16, 32, 33, 64, 100, 320, 512])
def test_square_waves_of_full_scale(period: int) -> None:
    same(np.where(np.arange(SECOND) % period < period / 2, 32767, -32768).astype(np.int16))


@pytest.mark.parametrize("value", [0, 1, -1, 32767, -32767, -32768])
def test_constants(value: int) -> None:
    same(np.full(SECOND, value, dtype=np.int16))


def test_impulses_of_powers_of_two() -> None:
    """Where the bits of an amplitude change, its sign matters; and -32768 has no amplitude in 16 bits."""
    random = np.random.default_rng(3)
    values = np.array([s << b for b in range(16) for s in (1, -1) if s << b < 32768])
    for _ in range(60):
        samples = np.zeros(1600, dtype=np.int16)
        samples[random.integers(0, 1600, 12)] = random.choice(values, 12)
        same(samples)


def test_the_lowest_sample_at_the_windows_top_among_quiet_ones() -> None:
    for quiet in (1, 5, 100, 3000, 20_000):
        samples = noise(4, loudness=quiet, samples=480)
        samples[237:243] = -32768
        assert same(samples) == 1


def test_sums_that_leave_16_bits() -> None:
    """Square waves which the window leaves square: their transform wraps, on both sides alike."""
    hann = np.maximum(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(480) + 0.5) / 480), 1e-6)
    random = np.random.default_rng(5)
    for bin_ in range(0, 256, 3):
        turning = np.exp(1j * (2 * np.pi * bin_ * np.arange(240) / 256 + random.uniform(0, 6.28)))
        signs = np.sign(np.stack([turning.real, turning.imag], axis=1).ravel())
        for loudness in (100, 1020):
            samples = np.clip(signs * np.ceil(loudness / hann), -32768, 32767).astype(np.int16)
            same(np.concatenate([samples, noise(bin_, loudness=900, samples=480)]))


@pytest.mark.shared
def test_real_recordings(shared: Path) -> None:
    files = [
        *(shared / "models" / "wav").glob("*.wav"),
        *sorted((shared / "data" / "wakewords").rglob("*.flac"))[::150],
    ]
    frames = sum(same(soundfile.read(path, frames=10 * SECOND, dtype="int16")[0]) for path in files)
    assert frames > 1500


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_any_chunking(pieces: list[int], seed: int) -> None:
    samples = noise(seed, loudness=2000, samples=sum(pieces))
    board = BoardFrontEnd(library())
    frames = np.concatenate([board.push(piece) for piece in np.split(samples, np.cumsum(pieces)[:-1])])
    np.testing.assert_array_equal(frames, gateway(samples))


@given(st.lists(st.integers(-32768, 32767), min_size=480, max_size=700))
def test_any_samples(samples: list[int]) -> None:
    same(np.array(samples, dtype=np.int16))


@pytest.mark.parametrize("heard", [1, 159, 160, 479, 480, 481, 5000])
def test_after_a_reset_it_is_new(heard: int) -> None:
    board, after = BoardFrontEnd(library()), noise(7, loudness=500)
    board.push(noise(6, loudness=9000, samples=heard))
    board.reset()
    np.testing.assert_array_equal(board.push(after), gateway(after))


def test_nothing_pushed_is_nothing_heard() -> None:
    board = BoardFrontEnd(library())
    assert board.push(np.empty(0, dtype=np.int16)).shape == (0, 40)
    assert len(board.push(noise(8, loudness=5, samples=480))) == 1


def test_it_needs_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    """Compiled for a bare machine: no variable but in the caller's struct, and no function of others but two."""
    for source in FRONTEND.glob("*.c"):
        built = tmp_path / f"{source.stem}.o"
        subprocess.run(["gcc", "-std=c11", "-O2", "-ffreestanding", "-c", source, "-o", built], check=True)
        told = subprocess.run(["nm", built], capture_output=True, text=True, check=True).stdout
        symbols = [line.split()[-2:] for line in told.splitlines()]
        assert not [name for kind, name in symbols if kind in "BbDdCcSs"]
        wanted = {name for kind, name in symbols if kind == "U"}
        assert {n for n in wanted if not n.startswith("frontend_")} <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
