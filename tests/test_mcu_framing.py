"""Console framing in Python, against the `smp` package: in any pieces, with text between, and torn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import serial_soup
from hypothesis import given, settings
from hypothesis import strategies as st
from smp import packet

from edged.mcu import framing
from edged.mcu.framing import Frame, Reader, Text

if TYPE_CHECKING:
    import random

MESSAGES = st.binary(max_size=1300)


@given(MESSAGES)
def test_the_smp_package_reads_what_is_written(message: bytes) -> None:
    written = framing.write(message)
    assert written == b"".join(serial_soup.frame(message))
    assert max(len(line) for line in written.splitlines(keepends=True)) <= 127
    decoder = packet.decode()
    next(decoder)
    *lines, last = written.splitlines(keepends=True)
    for line in lines:
        decoder.send(line)
    with pytest.raises(StopIteration) as done:
        decoder.send(last)
    assert done.value.value == message


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=4), st.integers(8, 128), st.randoms(use_true_random=False))
def test_any_pieces_of_any_lines_give_the_same_messages(
    messages: list[bytes], line_bytes: int, rng: random.Random
) -> None:
    stream = b"".join(b"".join(serial_soup.frame(each, line_bytes=line_bytes)) for each in messages)
    for data in ([stream], [bytes([byte]) for byte in stream], serial_soup.pieces(stream, rng)):
        reader = Reader()
        found = [each for piece in data for each in reader.feed(piece)]
        assert found == [Frame(message) for message in messages]
        assert reader.bad == 0


def test_text_comes_line_by_line_and_does_not_break_a_frame() -> None:
    first, second, last = serial_soup.frame(bytes(250))
    reader = Reader()
    found = reader.feed(b"boot\r\n\r\nuart:~$ " + first + b"[00:01] <inf> app: h\xc3\xb6rt\r\n" + second + b"\n" + last)
    assert found == [Text("boot"), Text("uart:~$ "), Text("[00:01] <inf> app: hört"), Frame(bytes(250))]
    assert reader.feed(b"not yet") == []
    assert reader.feed(b"\xff\n") == [Text("not yet\ufffd")]
    assert reader.bad == 0


def crlf(message: bytes) -> bytes:
    return framing.write(message).replace(b"\n", b"\r\n")


LONG = bytes(range(250))
LINES = serial_soup.frame(LONG)
NEXT_ONE = framing.write(b"next")

LOST = {
    "a line is missing": LINES[0] + LINES[2],
    "the last line is missing": LINES[0] + LINES[1],
    "only a continuation": LINES[1],
    "all continuations and no beginning": LINES[1] + LINES[2],
    "a byte is another": LINES[0][:50] + bytes([LINES[0][50] ^ 1]) + LINES[0][51:] + LINES[1] + LINES[2],
    "a character that is not base64": LINES[0][:50] + b"!" + LINES[0][51:] + LINES[1] + LINES[2],
    "a line is cut": LINES[0][:50] + b"\n" + LINES[1] + LINES[2],
    "a line is torn by the next frame": LINES[0][:49],
    "a line of 128": LINES[0][:-1] + b"AAAA\n" + LINES[1] + LINES[2],
    "more than was announced": LINES[0] + LINES[1] + LINES[2][:-1] + b"AAAA\n",
    "padding in the middle": LINES[0][:46] + b"AA==" + LINES[0][50:] + LINES[1] + LINES[2],
    "a length that holds no CRC": b"\x06\x09AAEA\n",
    "a first line of nothing": b"\x06\x09\n",
    "larger than the buffer": framing.write(bytes(1025)),
    "the largest length there is": b"\x06\x09//8A\n",
}


@pytest.mark.parametrize("stream", LOST.values(), ids=LOST)
def test_what_is_no_frame_is_lost_once_and_the_next_one_arrives(stream: bytes) -> None:
    reader = Reader(capacity=1024)
    frames = [each for each in reader.feed(stream + NEXT_ONE) if isinstance(each, Frame)]
    assert (frames, reader.bad) == ([Frame(b"next")], 1)


def test_each_of_two_lost_frames_counts() -> None:
    reader = Reader()
    assert reader.feed(LINES[0] + LINES[0] + LINES[2] + NEXT_ONE) == [Frame(b"next")]
    assert reader.bad == 2


def test_a_return_before_the_newline_is_no_harm_and_in_a_line_it_is() -> None:
    reader = Reader()
    assert reader.feed(crlf(LONG)) == [Frame(LONG)]
    assert reader.feed(LINES[0][:49] + b"\r" + LINES[0][49:] + NEXT_ONE) == [Frame(b"next")]
    assert reader.bad == 1


def test_a_message_of_exactly_the_capacity_fits() -> None:
    assert Reader(capacity=1024).feed(framing.write(bytes(1024))) == [Frame(bytes(1024))]
    largest = bytes(framing.MAX_MESSAGE_BYTES)
    assert Reader().feed(framing.write(largest)) == [Frame(largest)]
    with pytest.raises(ValueError, match="65534"):
        framing.write(largest + b"\0")


def test_a_flood_without_a_newline_is_given_out_and_not_kept() -> None:
    reader = Reader()
    for _ in range(1000):
        found = reader.feed(b"x" * 1000)
        assert all(isinstance(each, Text) for each in found)
        assert len(reader._pending) <= framing.MAX_PENDING_BYTES
    found = reader.feed(b"x" * 30 + NEXT_ONE)
    assert found[-1] == Frame(b"next")
    assert reader.bad == 0


def test_a_flood_of_frames_that_never_end_keeps_one_message_at_most() -> None:
    reader = Reader(capacity=1024)
    for _ in range(200):
        reader.feed(LINES[0])
        assert len(reader._frame) <= 1024
    for _ in range(200):
        reader.feed(LINES[1])
        assert len(reader._frame) <= 1024
    assert reader.feed(NEXT_ONE) == [Frame(b"next")]
    assert reader.bad == 200
