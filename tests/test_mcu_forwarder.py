"""The data forwarder's lines: rate, axes, torn lines and lost ones, and the CSV file that becomes of them."""

from __future__ import annotations

import asyncio
import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial_soup import pieces
from text_rig import Heard, Sketch, lines, until

from edged.errors import ConfigError
from edged.mcu import forwarder as forwarding
from edged.mcu.forwarder import Forwarded, Forwarder


def sample(number: int) -> str:
    return f"{number},{-number / 4},{number % 7}"


def recorded(*said: str, rate_hz: float = 100.0, axes: tuple[str, ...] = (), end: str = "\r\n") -> Forwarded:
    """What a sketch said, a line every so often."""
    forwarder = Forwarder()
    for number, line in enumerate(said):
        forwarder.feed((line + end).encode(), now_s=number / rate_hz)
    return forwarder.finish(axes=axes)


def test_rate_axes_and_rows() -> None:
    found = recorded(*(sample(number) for number in range(301)), rate_hz=62.5)
    assert found.rate_hz == 62.5
    assert found.axes == ("axis1", "axis2", "axis3")
    assert found.rows == tuple((number, -number / 4, number % 7) for number in range(1, 301)), "the first may be torn"
    assert found.lost == 0


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", ";"])
def test_separators(separator: str) -> None:
    said = [separator.join(("1", "-2.5", ".5e1")) for _ in range(5)]
    if separator == ";":
        with pytest.raises(ConfigError, match="prints no samples"):
            recorded(*said)
    else:
        assert recorded(*said).rows[0] == (1.0, -2.5, 5.0)


def test_torn_ends_are_left_out_without_a_loss() -> None:
    whole = "".join(f"{sample(number)}\n" for number in range(1, 101))
    for first in range(12):
        for last in range(1, 12):
            forwarder = Forwarder()
            data = whole[first:-last].encode()
            for at in range(0, len(data), 50):
                forwarder.feed(data[at : at + 50], now_s=at / 50)
            found = forwarder.finish()
            assert found.lost == 0
            assert {len(row) for row in found.rows} == {3}
            assert found.rows[0][0] >= 2
            assert found.rows[-1][0] <= 99
            assert list(found.places) == list(range(len(found.rows)))


def test_what_is_lost_in_the_middle_leaves_its_place_free() -> None:
    said = [sample(number) for number in range(101)]
    for at, damage in (
        (20, "20,-5"),
        (21, "21,-5,x"),
        (50, "50.1.2"),
        (70, "1,2,3,4"),
        (80, "nan,1,2"),
        (90, "1_0,1,2"),
    ):
        said[at] = damage
    found = recorded(*said, axes=("x", "y", "z"))
    assert found.lost == 6
    assert found.rate_hz == 100.0
    assert len(found.rows) == 94
    assert [place for place in range(100) if place not in found.places] == [19, 20, 49, 69, 79, 89]
    file = io.StringIO()
    found.write(file)
    header, *rows = csv.reader(io.StringIO(file.getvalue()))
    assert header == ["timestamp", "x", "y", "z"]
    assert rows[0] == ["0", "1.0", "-0.25", "1.0"]
    assert [float(row[0]) for row in rows[17:20]] == [170.0, 180.0, 210.0]
    assert all(float(row[0]) == (float(row[1]) - 1) * 10 for row in rows)


def test_blank_lines_and_talk_before_and_after_cost_nothing() -> None:
    said = [each for number in range(20) for each in (sample(number), "", "ok: 1")]
    found = recorded("boot", "sensor ready", *said, "bye", rate_hz=30.0)
    assert (len(found.rows), found.lost, found.rate_hz) == (20, 0, 10.0)
    assert found.places == tuple(range(20))


@pytest.mark.parametrize(
    ("said", "axes", "what"),
    [
        ([], (), "prints no samples"),
        (["boot", "hello", "dog: 0.9"], (), "prints no samples"),
        (["boot", "1,2", "1,2"], (), "2 samples do not tell their rate"),
        (["boot", *["1,2"] * 9], ("x", "y", "z"), "prints 2 axes"),
        (["boot", *["1"] * 9], ("x", "y"), "prints 1 axis"),
        (["boot", *["1,2"] * 9, "ERR: failed to start IMU"], (), "ERR: failed to start IMU"),
        (["boot", "<err imu>", *["1,2"] * 9], (), "<err imu>"),
    ],
)
def test_what_is_no_recording_is_refused(said: list[str], axes: tuple[str, ...], what: str) -> None:
    with pytest.raises(ConfigError, match=what) as refused:
        recorded(*said, axes=axes)
    assert refused.value.way_out or axes


def test_a_rate_that_is_known_is_taken() -> None:
    forwarder = Forwarder()
    forwarder.feed(b"1,2\n1,2\n1,2\n", now_s=0.0)
    with pytest.raises(ConfigError, match="do not tell their rate"):
        forwarder.finish()
    found = forwarder.finish(rate_hz=0.1)
    assert (found.rate_hz, found.rows) == (0.1, ((1.0, 2.0), (1.0, 2.0)))


def test_more_than_finds_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MAX_LINES", 50)
    found = recorded(*(sample(number) for number in range(101)))
    assert (len(found.rows), found.lost, found.rate_hz) == (50, 50, 100.0)


STREAM = "".join(f"{sample(number)}\r\n" for number in range(200)).encode()


@given(st.integers(0, 2**32))
def test_any_pieces_give_the_same_recording(seed: int) -> None:
    one, other = Forwarder(), Forwarder()
    one.feed(STREAM, now_s=0.0)
    for piece in pieces(STREAM, random.Random(seed)):
        other.feed(piece, now_s=0.0)
    assert one.finish(rate_hz=100) == other.finish(rate_hz=100)


@given(st.binary(max_size=3000))
def test_whatever_comes_never_raises_but_what_a_user_is_told(data: bytes) -> None:
    forwarder = Forwarder()
    for at in range(0, len(data), 100):
        forwarder.feed(data[at : at + 100], now_s=at)
    try:
        found = forwarder.finish()
    except ConfigError:
        return
    assert {len(row) for row in found.rows} == {len(found.axes)}
    assert found.lost >= 0


def test_a_sketch_is_recorded_while_it_is_listened_to() -> None:
    async def session() -> None:
        heard, seen = Heard(), list[int]()
        with Sketch() as sketch:
            async with lines(sketch.path, heard) as driver:
                await sketch.print("boot", "0,0,0")
                recording = asyncio.create_task(
                    driver.forward(1.0, axes=("x", "y", "z"), ask=True, progress=seen.append)
                )
                await until(lambda: sketch.heard() == forwarding.START)
                number = 0
                while not recording.done():
                    number += 1
                    await sketch.print(sample(number))
                    await asyncio.sleep(0.01)
                found = await recording
                assert sketch.heard() == forwarding.STOP
                assert [row[0] for row in found.rows] == list(range(int(found.rows[0][0]), int(found.rows[-1][0]) + 1))
                assert found.axes == ("x", "y", "z")
                assert 0 < found.rate_hz <= 110
                assert 5 < seen[-1] <= len(found.rows)
                await sketch.print('{"event": "dog"}', "done")
                await until(lambda: "done" in heard.texts)
        assert heard.labels == ["dog"]
        assert heard.texts == ["done"], "samples are no log"

    asyncio.run(session())
