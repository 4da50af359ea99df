"""Windows against the plain slice that each must equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.errors import ModelError
from edged.features.window import ROOM_FRAMES, Windower


@dataclass(frozen=True)
class Geometry:
    window: int = 480
    step: int = 160
    width: int = 2


def counted(frames: int, *, width: int = 2) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.arange(frames * width, dtype=np.float32).reshape(frames, width)


def test_the_first_window_comes_with_its_last_frame() -> None:
    windower = Windower(Geometry(), frames=3, hop=2)
    rows = counted(8)
    assert windower.push(rows[:2]) == []
    (first,) = windower.push(rows[2:3])
    assert first.ends == 480 + 2 * 160
    assert np.array_equal(first.frames, rows[:3])
    second, third = windower.push(rows[3:7])
    assert (second.ends, third.ends) == (480 + 4 * 160, 480 + 6 * 160)
    assert np.array_equal(third.frames, rows[4:7])


@settings(max_examples=200, deadline=None)
@given(
    frames=st.integers(1, 150),
    hop=st.integers(1, 150),
    pieces=st.lists(st.integers(0, 200), max_size=12),
)
def test_every_window_is_its_slice(frames: int, hop: int, pieces: list[int]) -> None:
    rows = counted(sum(pieces))
    windower = Windower(Geometry(), frames=frames, hop=hop)
    cut = np.split(rows, np.cumsum(pieces)[:-1]) if pieces else []
    got = [window for piece in cut for window in windower.push(piece)]
    starts = range(0, len(rows) - frames + 1, hop)
    assert [window.ends for window in got] == [480 + 160 * (start + frames - 1) for start in starts]
    for start, window in zip(starts, got, strict=True):  # compared last of all: later pushes must not have touched them
        assert np.array_equal(window.frames, rows[start : start + frames])


def test_a_window_given_out_cannot_be_written() -> None:
    (window,) = Windower(Geometry(), frames=1, hop=1).push(counted(1))
    with pytest.raises(ValueError, match="read-only"):
        window.frames[0, 0] = 1


def test_the_buffer_stays_bounded() -> None:
    windower = Windower(Geometry(), frames=10, hop=25)
    for _ in range(3000):
        windower.push(counted(3))
        assert len(windower._rows) <= 25 + 10 + 3 + ROOM_FRAMES


def test_a_small_hop_moves_little() -> None:
    """A window of 16,000 rows with a hop of one must not be copied for each row."""
    windower = Windower(Geometry(width=1), frames=16_000, hop=1)
    buffers = set()
    for _ in range(300):
        windows = windower.push(counted(320, width=1))
        buffers.add(id(windower._rows))
        assert all(window.frames.base is windower._rows for window in windows)
    assert len(buffers) <= 2 * 300 * 320 // 16_000


@pytest.mark.parametrize(("frames", "hop", "key"), [(0, 1, "frames"), (1, 0, "hop"), (1, -3, "hop")])
def test_an_empty_window_or_hop_is_refused(frames: int, hop: int, key: str) -> None:
    with pytest.raises(ModelError, match="must be at least 1 frame") as refused:
        Windower(Geometry(), frames=frames, hop=hop)
    assert refused.value.key == key
