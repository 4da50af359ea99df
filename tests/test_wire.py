"""Frames of the capture child, under any cutting."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.audio.wire import HEADER, KINDS, MAX_BODY, Decoder, Frame

frames = st.lists(
    st.builds(
        Frame,
        st.sampled_from(KINDS),
        st.binary(max_size=5000),
        stamp_ns=st.integers(0, 2**63),
        rate_hz=st.integers(0, 384_000),
        channels=st.integers(0, 255),
    ),
    max_size=8,
)


def fields(frame: Frame) -> tuple[object, ...]:
    return frame.kind, frame.body, frame.stamp_ns, frame.rate_hz, frame.channels


@given(frames, st.integers())
def test_any_cutting_gives_the_same_frames(sent: list[Frame], seed: int) -> None:
    data = b"".join(frame.encode() for frame in sent)
    rng = random.Random(seed)
    decoder, got, at = Decoder(), [], 0
    while at < len(data):
        step = rng.choice((1, 2, 23, 1000, 65536))
        got += decoder.feed(data[at : at + step])
        at += step
    assert [fields(frame) for frame in got] == [fields(frame) for frame in sent]


def test_an_unfinished_frame_is_not_given() -> None:
    data = Frame("absent", b"no such device", stamp_ns=1).encode()
    decoder = Decoder()
    assert decoder.feed(data[:-1]) == []
    assert decoder.feed(data[-1:])[0].text == "no such device"


@pytest.mark.parametrize(
    "garbage",
    [
        b"Traceback (most recent call last):",
        HEADER.pack(b"eA", len(KINDS), 1, 16000, 0, 0),
        HEADER.pack(b"eA", 0, 1, 16000, 0, MAX_BODY + 1),
    ],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        Decoder().feed(garbage)


@given(st.binary(max_size=200))
def test_noise_gives_frames_or_is_refused_but_nothing_else(data: bytes) -> None:
    try:
        frames = Decoder().feed(data)
    except ValueError:
        frames = []
    assert all(frame.kind in KINDS for frame in frames)
