"""SMP in C: against the `smp` package byte for byte, over all it knows, and against any bytes at all."""

from __future__ import annotations

import ctypes
import datetime as dt
import random
from typing import Any

import cbor2
import cbor_soup
import firmware
import pytest
import test_mcu_smp as python
from proto_board import BUFFER_BYTES, BYTES_P, Board
from smp import enumeration_management as smp_enum
from smp import error as smp_error
from smp import header as smp_header
from smp import image_management as smp_image
from smp import os_management as smp_os

from edged.mcu import body, group, smp
from edged.mcu.body import Malformed
from edged.mcu.smp import Message, Op, Refusal

V1, V2 = smp.VERSION_1, smp.VERSION_2
MODERN = 1_795_372_800_000
"""A day in 2026, in milliseconds."""
RESPONSES = {
    smp_os.EchoWriteRequest: smp_os.EchoWriteResponse,
    smp_os.ResetWriteRequest: smp_os.ResetWriteResponse,
    smp_os.TaskStatisticsReadRequest: smp_os.TaskStatisticsReadResponse,
    smp_os.DateTimeReadRequest: smp_os.DateTimeReadResponse,
    smp_os.DateTimeWriteRequest: smp_os.DateTimeWriteResponse,
    smp_os.MCUMgrParametersReadRequest: smp_os.MCUMgrParametersReadResponse,
    smp_os.OSApplicationInfoReadRequest: smp_os.OSApplicationInfoReadResponse,
    smp_image.ImageStatesReadRequest: smp_image.ImageStatesReadResponse,
    smp_enum.GroupCountRequest: smp_enum.GroupCountResponse,
    smp_enum.ListOfGroupsRequest: smp_enum.ListOfGroupsResponse,
    smp_enum.GroupIdRequest: smp_enum.GroupIdResponse,
    smp_enum.GroupDetailsRequest: smp_enum.GroupDetailsResponse,
}


def ask(board: Board, asked: Message) -> Message:
    """The board's answer, which must be one to this."""
    answer = smp.read(board.receive(smp.write(asked)))
    assert answer.answers(asked)
    assert answer.version == asked.version
    return answer


def refused(board: Board, asked: Message) -> Refusal | None:
    return smp.refusal(ask(board, asked))


def test_a_thousand_answers_are_the_smp_packages_byte_for_byte() -> None:
    rng, board, images = random.Random(7), Board(), 0
    for _ in range(1300):
        board.clock_ms = rng.randrange(1, MODERN)
        board.hello.image = rng.choice((None, rng.randbytes(32)))
        asked = python.request(rng)
        answer = board.receive(asked.BYTES)
        if type(asked) is smp_image.ImageUploadWriteRequest:
            images += 1
            continue
        kind: Any = RESPONSES[type(asked)]
        theirs = kind.loads(answer)
        again = kind(header=theirs.header, **cbor2.loads(answer[8:]))
        assert answer == again.BYTES
        assert (theirs.version, theirs.sequence) == (asked.version, asked.sequence)
        if isinstance(asked, smp_os.EchoWriteRequest):
            assert theirs.r == asked.d
    assert images < 150


def test_what_the_operating_system_group_says() -> None:
    board = Board()
    read = [ask(board, Message(Op.READ, 0, command)).body for command in (2, 6)]
    app = {"prio": 0, "tid": 0, "state": 0, "stkuse": 251, "stksiz": 1024, "cswcnt": 55, "runtime": 66}
    assert read[0] == {"tasks": {"app": app | {"last_checkin": 0, "next_checkin": 0}}}
    assert read[1] == {"buf_size": BUFFER_BYTES, "buf_count": 1}
    assert ask(board, Message(Op.WRITE, 0, 5, {"force": 1})).body == {}
    assert board.said == [("reset",)]
    board.error = group.Error.BUSY
    assert refused(board, Message(Op.WRITE, 0, 5)) == Refusal(None, 10, None)


@pytest.mark.parametrize(
    ("asked", "output"),
    [
        ({}, "edged"),
        ({"format": ""}, "edged"),
        ({"format": "s"}, "edged"),
        ({"format": "irs"}, "edged 1.2.3 host"),
        ({"format": "n"}, "000102030405060708090a0b"),
        ({"format": "vpo"}, "protocol-1 chip, 1 MHz edged"),
    ],
)
def test_information_comes_in_its_own_order(asked: dict[str, str], output: str) -> None:
    assert ask(Board(), Message(Op.READ, 0, 7, asked)).body == {"output": output}


@pytest.mark.parametrize("asked", ["x", "sx", "b", "s\0", "é"])
def test_information_that_there_is_not_is_refused_in_both_versions(asked: str) -> None:
    request = {"format": asked}
    assert refused(Board(), Message(Op.READ, 0, 7, request)) == Refusal(0, 2, None)
    assert refused(Board(), Message(Op.READ, 0, 7, request, version=V1)) == Refusal(None, 3, None)


def test_everything_there_is_to_say_fits_into_one_information() -> None:
    board = Board()
    board.hello.chip = b"c" * 200
    output = ask(board, Message(Op.READ, 0, 7, {"format": "a"})).body["output"]
    assert len(output) == 192


def test_the_clock_is_set_and_read() -> None:
    board = Board()
    assert refused(board, Message(Op.READ, 0, 4)) == Refusal(0, 4, None)
    assert refused(board, Message(Op.READ, 0, 4, version=V1)) == Refusal(None, 5, None)
    for text, ms in (
        ("2026-11-22T18:40:00.123456", 1795372800123),
        ("2024-02-29T23:59:59", 1709251199000),
        ("2000-02-29T00:00:00.5", 951782400500),
        ("1970-01-01T00:00:00.001", 1),
        ("9999-12-31T23:59:59.999999Z", 253402300799999),
    ):
        assert ask(board, Message(Op.WRITE, 0, 4, {"datetime": text})).body == {}
        assert board.clock_ms == ms
        written = dt.datetime.fromtimestamp(ms // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        assert ask(board, Message(Op.READ, 0, 4)).body == {"datetime": f"{written}.{ms % 1000:03}000"}


def test_any_day_from_1970_to_9999_is_the_calendars() -> None:
    rng, board = random.Random(8), Board()
    for _ in range(1500):
        board.clock_ms = ms = rng.randrange(1, 253402300800000)
        moment = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=ms)
        text = ask(board, Message(Op.READ, 0, 4)).body["datetime"]
        assert text == moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0")
        board.clock_ms = 0
        ask(board, Message(Op.WRITE, 0, 4, {"datetime": text}))
        assert board.clock_ms == ms


NO_TIMES = [
    *("", "2026", "2026-11-22", "2026-11-22 18:40:00", "2026-13-01T00:00:00", "2026-00-01T00:00:00"),
    *(
        "2026-02-30T00:00:00",
        "2023-02-29T00:00:00",
        "2100-02-29T00:00:00",
        "1900-01-01T00:00:00",
        "1969-12-31T23:59:59",
    ),
    *("2026-01-01T24:00:00", "2026-01-01T00:60:00", "2026-01-01T00:00:60", "2026-1-1T0:0:0"),
    *("2026-01-01T00:00:00.", "2026-01-01T00:00:00.1234567", "2026-01-01T00:00:00+01:00"),
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_leaves_the_clock(text: str) -> None:
    board = Board()
    board.clock_ms = 5
    refusal = refused(board, Message(Op.WRITE, 0, 4, {"datetime": text}))
    assert refusal == Refusal(None, 3, "datetime: yyyy-MM-ddTHH:mm:ss.SSSSSS, from 1970 on")
    assert board.clock_ms == 5


def test_the_groups_are_enumerated() -> None:
    board = Board()
    assert ask(board, Message(Op.READ, 10, 0)).body == {"count": 4}
    assert ask(board, Message(Op.READ, 10, 1)).body == {"groups": [0, 1, 10, 65]}
    singles = [ask(board, Message(Op.READ, 10, 2, {"index": index})).body for index in range(4)]
    assert singles == [{"group": 0}, {"group": 1}, {"group": 10}, {"group": 65, "end": True}]
    assert ask(board, Message(Op.READ, 10, 2)).body == {"group": 0}
    assert refused(board, Message(Op.READ, 10, 2, {"index": 4})) == Refusal(10, 4, None)
    assert refused(board, Message(Op.READ, 10, 2, {"index": 4}, version=V1)) == Refusal(None, 3, None)
    details = ask(board, Message(Op.READ, 10, 3)).body["groups"]
    assert [(each["group"], each["name"], each["handlers"]) for each in details] == [
        *((0, "os mgmt", 6), (1, "img mgmt", 1), (10, "enum mgmt", 4), (65, "edged", 11)),
    ]
    some = ask(board, Message(Op.READ, 10, 3, {"groups": [65, 7, 0]})).body["groups"]
    assert [each["group"] for each in some] == [0, 65]
    assert ask(board, Message(Op.READ, 10, 3, {"groups": []})).body == {"groups": []}
    assert refused(board, Message(Op.READ, 10, 3, {"groups": ["x"]})) == Refusal(None, 3, "groups: a list of numbers")


def test_the_firmware_is_its_own_only_image() -> None:
    board = Board()
    board.hello.image = bytes(range(32))
    image = ask(board, Message(Op.READ, 1, 0)).body["images"]
    assert image == [
        {"slot": 0, "version": "1.2.3", "hash": bytes(range(32)), "active": True, "confirmed": True, "bootable": True}
        | {"pending": False, "permanent": False}
    ]


UNKNOWN = [
    *(Message(Op.READ, 0, 8), Message(Op.READ, 0, 99), Message(Op.WRITE, 0, 2), Message(Op.READ, 0, 0)),
    *(Message(Op.WRITE, 1, 0), Message(Op.WRITE, 1, 1), Message(Op.WRITE, 1, 5), Message(Op.READ, 2, 0)),
    *(Message(Op.READ, 64, 0), Message(Op.READ, 66, 0), Message(Op.READ, 65, 2), Message(Op.WRITE, 65, 2)),
]


@pytest.mark.parametrize("asked", UNKNOWN)
def test_what_the_board_does_not_know_is_not_supported_in_both_versions(asked: Message) -> None:
    answer = ask(Board(), asked)
    assert answer.body == {"rc": smp.ENOTSUP}
    older = Message(asked.op, asked.group, asked.command, version=V1)
    assert ask(Board(), older).body == {"rc": smp.ENOTSUP}


def test_the_smp_package_reads_our_errors() -> None:
    for version in (smp_header.Version.V1, smp_header.Version.V2):
        raw = Board().receive(smp_os.DateTimeWriteRequest(datetime="no", version=version).BYTES)
        old = smp_os.OSManagementErrorV1.loads(raw)
        assert (old.rc, old.version) == (smp_error.MGMT_ERR.EINVAL, version)
    raw = Board().receive(smp_os.DateTimeReadRequest().BYTES)
    new = smp_os.OSManagementErrorV2.loads(raw)
    assert new.err.rc == smp_os.OS_MGMT_RET_RC.RTC_NOT_SET
    assert raw == smp_os.OSManagementErrorV2(header=new.header, err=new.err).BYTES


def test_a_version_yet_to_come_is_refused() -> None:
    for first in (0x10, 0x18):
        answer = smp.read(Board().receive(bytes([first, 0, 0, 0, 0, 0, 9, 6])))
        assert (answer.version, answer.body) == (V2, {"rc": 13})


def test_a_body_of_another_length_than_the_header_says_is_corrupt() -> None:
    asked = smp.write(Message(Op.WRITE, 0, 0, {"d": "x"}))
    for wrong in (asked[:-1], asked + b"\0", asked[:8]):
        assert smp.read(Board().receive(wrong)).body == {"rc": 9}


def test_a_response_is_never_answered_nor_what_is_no_message() -> None:
    board = Board()
    for op in (1, 3, 4, 5, 6, 7):
        for number in (0, 1, 10, 65, 3):
            for command in range(12):
                assert board.receive(bytes([8 | op, 0, 0, 0, 0, number, 1, command])) == b""
    for size in range(8):
        assert board.receive(bytes(size)) == b""
    assert {call[:2] for call in board.said} == {("answered", 2), ("answered", 3)}


def test_an_answer_that_does_not_fit_says_so() -> None:
    asked = Message(Op.READ, 65, 0)
    whole = len(Board().receive(smp.write(asked)))
    for capacity in range(whole + 1):
        raw = Board().receive(smp.write(asked), capacity=capacity)
        if capacity == whole:
            assert len(raw) == whole
        elif raw:
            assert smp.read(raw).body == {"rc": 7}
        else:
            assert capacity < 13


def test_any_encoding_of_a_request_is_understood_and_more_keys_are_skipped() -> None:
    rng, board = random.Random(9), Board()
    for sequence in range(400):
        values = {"off": rng.randrange(2**32), "data": rng.randbytes(20), "ms": cbor_soup.value(rng), -1: None}
        content = cbor_soup.dump(values, rng)
        header = bytes([0x0A, 0, *len(content).to_bytes(2, "big"), 0, 65, sequence % 256, 5])
        answer = smp.read(board.receive(header + content))
        assert smp.refusal(answer) is None
        assert board.said.pop() == ("upload", values["off"], values["data"], None)


def test_of_equal_keys_the_last_counts() -> None:
    board = Board()
    content = bytes.fromhex("a3656c6561736501656c656173650264") + b"from\x09"
    board.receive(bytes([0x0A, 0, 0, len(content), 0, 65, 0, 1]) + content)
    assert board.said == [("subscribe", 2, 9)]


# Any bytes at all.

SAMPLES = [
    smp.write(each)
    for each in (
        *(group.hello(), group.slots(), group.heartbeat(), group.selftest(), group.revert(), group.injection(on=True)),
        *(group.subscribe(lease_ms=9000, first=3), group.inject(bytes(20), offset=70000), group.confirm(bytes(32))),
        *(group.begin_upload(b"abc", length=3, sha256=bytes(32)), group.try_model(bytes(32), trial_ms=1)),
        *(Message(Op.WRITE, 0, 0, {"d": "echo"}), Message(Op.READ, 10, 3, {"groups": [0, 65]})),
        *(Message(Op.WRITE_RESPONSE, 65, 2, {"err": {"group": 65, "rc": 1}}), Message(Op.READ, 0, 7, {"format": "a"})),
    )
]


def survives(board: Board, message: bytes) -> None:
    """Silence, or a message that answers the header's."""
    raw = board.receive(message)
    if raw:
        answer = smp.read(raw)
        assert answer.op == (message[0] & 7) + 1
        assert raw[4:8] == message[4:8]
        assert cbor2.dumps(cbor2.loads(raw[8:]), canonical=True) == raw[8:]


def test_every_cut_and_every_flipped_bit_is_survived() -> None:
    board = Board()
    for sample in SAMPLES:
        for cut in range(len(sample)):
            survives(board, sample[:cut])
        for bit in range(8 * len(sample)):
            flipped = bytearray(sample)
            flipped[bit // 8] ^= 1 << bit % 8
            survives(board, bytes(flipped))


def test_soup_behind_a_right_header_is_survived() -> None:
    rng, board = random.Random(10), Board()
    for _ in range(4000):
        sample = rng.choice(SAMPLES)
        content = cbor_soup.harmed(sample[8:], rng)
        for _ in range(rng.randrange(3)):
            content = cbor_soup.harmed(content, rng)
        survives(board, sample[:2] + len(content).to_bytes(2, "big") + sample[4:8] + content)


class _Body(ctypes.Structure):
    _fields_ = (("bytes", BYTES_P), ("end", BYTES_P))


def opens(data: bytes) -> bool:
    exact = (ctypes.c_uint8 * len(data))(*data)
    return int(firmware.library().body_open(ctypes.byref(_Body()), exact, ctypes.c_size_t(len(data)))) == 0


def reads(data: bytes) -> bool:
    try:
        body.read(data)
    except Malformed:
        return False
    return True


@pytest.mark.parametrize("data", [*python.NOT_BODIES.values(), python.DEEP, "", "a0"])
def test_both_twins_take_and_refuse_the_same_bodies(data: str) -> None:
    assert opens(bytes.fromhex(data)) == reads(bytes.fromhex(data))


def test_both_twins_take_and_refuse_the_same_soup() -> None:
    rng, taken = random.Random(11), 0
    for _ in range(6000):
        data = cbor_soup.dump({"a": cbor_soup.value(rng), "b": cbor_soup.value(rng)}, rng)
        for _ in range(rng.randrange(3)):
            data = cbor_soup.harmed(data, rng)
        assert opens(data) == reads(data), data.hex()
        taken += opens(data)
    assert 2000 < taken < 5500
