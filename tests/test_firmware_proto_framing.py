"""Console framing in C: against the `smp` package byte for byte, and against its twin in Python over anything."""

from __future__ import annotations

import random

import pytest
import serial_soup
import test_mcu_framing as python
from proto_board import Reader, lines

from edged.mcu import framing
from edged.mcu.framing import Frame

SIZES = (*range(12), 88, 89, 90, 91, 181, 182, 183, 1279, 1280)
"""Those at which a line ends, among others: a line carries 93 bytes, 4 of all are length and CRC."""


def messages(count: int) -> list[bytes]:
    rng = random.Random(65)
    return [rng.randbytes(size) for size in (*SIZES, *(rng.randrange(1281) for _ in range(count)))]


def test_lines_are_those_of_the_smp_package_and_of_the_twin() -> None:
    for message in messages(1200):
        assert lines(message) == serial_soup.frame(message)
        assert b"".join(lines(message)) == framing.write(message)


@pytest.mark.parametrize("line_bytes", [128, 127, 64, 8])
def test_whatever_lines_the_smp_package_makes_are_read(line_bytes: int) -> None:
    reader = Reader()
    for message in messages(100):
        assert reader.feed(b"".join(serial_soup.frame(message, line_bytes=line_bytes))) == [message]
    assert reader.bad == 0


def test_text_between_lines_does_no_harm() -> None:
    rng, reader = random.Random(1), Reader()
    for message in messages(100):
        stream = b"".join(serial_soup.text(rng) + b"\r\n" + serial_soup.text(rng) + line for line in lines(message))
        assert reader.feed(stream) == [message]
    assert reader.bad == 0


@pytest.mark.parametrize("stream", python.LOST.values(), ids=python.LOST)
def test_what_is_no_frame_is_lost_once_and_the_next_one_arrives(stream: bytes) -> None:
    reader = Reader(capacity=1024)
    assert (reader.feed(stream + python.NEXT_ONE), reader.bad) == ([b"next"], 1)


def test_a_message_of_exactly_the_buffer_fits() -> None:
    for capacity in (0, 1, 90, 1024):
        reader = Reader(capacity=capacity)
        assert reader.feed(framing.write(bytes(capacity))) == [bytes(capacity)]
        assert reader.feed(framing.write(bytes(capacity + 1))) == []
        assert reader.bad == 1


def test_a_flood_is_survived() -> None:
    rng, reader = random.Random(2), Reader()
    for flood in (b"\x06\x09" * 5000, b"\x06\x09AA" * 5000, b"x" * 20000, b"\n" * 5000, rng.randbytes(200_000)):
        assert reader.feed(flood + b"\n") == []
        assert reader.feed(framing.write(b"next")) == [b"next"]


def test_both_twins_find_the_same_in_any_stream() -> None:
    rng, found, lost = random.Random(3), 0, 0
    for _ in range(1500):
        stream = serial_soup.soup(rng) + b"\n"
        capacity = rng.choice((1280, 100))
        board, gateway = Reader(capacity=capacity), framing.Reader(capacity=capacity)
        items = [each for piece in serial_soup.pieces(stream, rng, most=400) for each in gateway.feed(piece)]
        frames = [each.message for each in items if isinstance(each, Frame)]
        assert board.feed(stream) == frames, stream
        assert board.bad == gateway.bad, stream
        found, lost = found + len(frames), lost + board.bad
    assert found > 1500
    assert lost > 1500
