"""However samples are cut into pushes, the frames and windows are the same, bit for bit; and reset is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.features.frontend import FrontEnd, open_front_end
from edged.features.spec import FrontEndSpec, Lfbe, LogMel, Mfcc, Micro, RawPcm
from edged.features.window import Windower

if TYPE_CHECKING:
    from edged.records import Frames, Pcm, Window

SPECS: list[FrontEndSpec] = [
    Micro(),
    Micro(every=2),
    LogMel(),
    LogMel(rate_hz=8000, window_ms=20, step_ms=20, bands=33, high_hz=4000),
    Mfcc(),
    Mfcc(window_ms=30),
    Lfbe(),
    RawPcm(),
    RawPcm(scale=1 / 32768),
]
by_spec = pytest.mark.parametrize("spec", SPECS, ids=repr)
MAX_SAMPLES = 6000

samples = st.builds(
    lambda seed, loud, count: (
        (np.random.default_rng(seed).standard_normal(count) * loud).clip(-32768, 32767).astype(np.int16)
    ),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1, 30, 3000, 60_000]),
    st.integers(0, MAX_SAMPLES),
)
cuts = st.one_of(
    st.lists(st.integers(0, MAX_SAMPLES), max_size=12).map(sorted),
    st.integers(1, 400).map(lambda every: list(range(every, MAX_SAMPLES, every))),
)


def pushed(front_end: FrontEnd, audio: Pcm, at: list[int]) -> Frames:
    pieces = np.split(audio, [cut for cut in at if cut <= len(audio)])
    return np.concatenate([front_end.push(piece) for piece in pieces])


def windows(front_end: FrontEnd, windower: Windower, audio: Pcm, at: list[int]) -> list[tuple[int, bytes]]:
    pieces = np.split(audio, [cut for cut in at if cut <= len(audio)])
    got: list[Window] = [window for piece in pieces for window in windower.push(front_end.push(piece))]
    return [(window.ends, window.frames.tobytes()) for window in got]


@by_spec
@settings(max_examples=40, deadline=None)
@given(audio=samples, at=cuts)
def test_any_chunking_gives_the_same_frames(spec: FrontEndSpec, audio: Pcm, at: list[int]) -> None:
    whole = open_front_end(spec).push(audio)
    cut = pushed(open_front_end(spec), audio, at)
    assert cut.shape == whole.shape
    assert cut.tobytes() == whole.tobytes()


@by_spec
@settings(max_examples=25, deadline=None)
@given(before=samples, audio=samples, at=cuts)
def test_reset_is_fresh(spec: FrontEndSpec, before: Pcm, audio: Pcm, at: list[int]) -> None:
    front_end = open_front_end(spec)
    pushed(front_end, before, at)
    front_end.reset()
    assert pushed(front_end, audio, at).tobytes() == open_front_end(spec).push(audio).tobytes()


@by_spec
@settings(max_examples=25, deadline=None)
@given(before=samples, audio=samples, at=cuts, shape=st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_windows_are_the_same_under_any_chunking_and_after_reset(
    spec: FrontEndSpec, before: Pcm, audio: Pcm, at: list[int], shape: tuple[int, int]
) -> None:
    frames, hop = shape
    whole = open_front_end(spec)
    expected = windows(whole, Windower(whole, frames=frames, hop=hop), audio, [])
    front_end = open_front_end(spec)
    windower = Windower(front_end, frames=frames, hop=hop)
    windows(front_end, windower, before, at)
    front_end.reset()
    windower.reset()
    assert windows(front_end, windower, audio, at) == expected


@by_spec
def test_a_minute_at_once_equals_a_minute_in_pieces(spec: FrontEndSpec) -> None:
    """Long pushes go through in blocks; their seams must not show."""
    audio = (np.random.default_rng(5).standard_normal(60 * 16_000) * 4000).astype(np.int16)
    whole = open_front_end(spec).push(audio)
    assert pushed(open_front_end(spec), audio, list(range(997, len(audio), 997))).tobytes() == whole.tobytes()
