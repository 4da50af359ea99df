"""Group 65 between the board's C and the gateway's Python: what one says the other understands, whatever the values."""

from __future__ import annotations

import random
from typing import Any

import proto_board
import pytest
from proto_board import Board, EventRecord, HeartbeatRecord, HelloRecord, SelftestRecord, SlotRecord, SlotsRecord
from smp import header as smp_header
from test_firmware_proto_smp import V1, ask, refused

from edged.mcu import group, smp
from edged.mcu.group import Error, Kind
from edged.mcu.smp import Message, Op, Refusal

SHA = bytes(range(100, 132))


def number(rng: random.Random, bits: int = 32) -> int:
    """One of any length."""
    return rng.getrandbits(rng.randrange(bits + 1))


def text(rng: random.Random) -> str:
    return "".join(rng.choice("abcdé€😀 ") for _ in range(rng.randrange(1, 8)))


def test_hello_arrives() -> None:
    rng, board = random.Random(20), Board()
    for _ in range(300):
        firmware, name, chip, reset = (text(rng) for _ in range(4))
        uid, boot, up, baud, following, first = (
            *(rng.randbytes(12), number(rng), number(rng, 64), number(rng), number(rng), number(rng)),
        )
        board.hello = HelloRecord(
            *(firmware.encode(), name.encode(), chip.encode(), uid, None, boot, reset.encode()),
            *(up, baud, following, first, rng.randrange(2)),
        )
        assert group.read(group.Hello, ask(board, group.hello()).body) == group.Hello(
            *(1, firmware, name, chip, uid, boot, reset, up, 1280, baud, following, first, bool(board.hello.microphone))
        )


def event_record(rng: random.Random) -> tuple[EventRecord, group.Event]:
    """As the board has it, and as the gateway."""
    label, model = text(rng), rng.randbytes(8)
    one, boot, kind, began, at, ms = (
        *(number(rng), number(rng), rng.randrange(4), number(rng, 64), number(rng, 64), number(rng, 64)),
    )
    scores = [rng.randrange(65537) for _ in range(3)]
    record = EventRecord(one, boot, kind, label.encode(), len(label.encode()), began, at, ms, *scores, model)
    score, peak, mean = (each / 65536 for each in scores)
    return record, group.Event(one, boot, Kind(kind), label, began, at, ms, score, peak, mean, model)


def test_an_event_arrives_and_its_answer_goes_back() -> None:
    rng, board = random.Random(21), Board()
    for _ in range(400):
        record, expected = event_record(rng)
        sequence = rng.randrange(256)
        raw = proto_board.event(record, sequence=sequence)
        message = smp.read(raw)
        assert smp.write(message) == raw
        head = smp_header.Header.loads(raw[:8])
        assert (head.op, head.version, head.group_id) == (smp_header.OP.WRITE, smp_header.Version.V2, 65)
        assert (message.command, message.sequence) == (group.Command.EVENT, sequence)
        assert group.read(group.Event, message.body) == expected
        assert board.receive(smp.write(message.response())) == b""
        assert board.said.pop() == ("answered", 2, sequence, 0)


def test_a_label_that_was_cut_in_a_character_arrives_without_it() -> None:
    record, _ = event_record(random.Random(22))
    surrogate = b"a\xed\xa0\x80"
    cut = {"aé".encode()[:2]: "a", "€uro".encode()[1:]: "", "😀".encode()[:3]: "", surrogate: "a"}
    for label, arrives in cut.items():
        record.label, record.label_bytes = label, len(label)
        assert smp.read(proto_board.event(record, sequence=0)).body["label"] == arrives


def test_a_heartbeat_arrives_asked_for_or_not() -> None:
    rng, board = random.Random(23), Board()
    for _ in range(300):
        boot, up, idle, following, first, dropped, heard, missed, runs, lost, bad, arena, stack = (
            *(number(rng), number(rng, 64), rng.randrange(1001), number(rng), number(rng), number(rng)),
            *(number(rng, 64), number(rng, 64), *(number(rng) for _ in range(5))),
        )
        slot, state = rng.choice((0, 1, None)), rng.choice(("listening", "trial", "injected", "empty"))
        board.heartbeat = HeartbeatRecord(
            *(boot, up, idle, following, first, dropped, heard, missed, runs, lost, bad, arena, stack),
            *(0xFF if slot is None else slot, state.encode()),
        )
        raw = proto_board.heartbeat(board.heartbeat, sequence=3)
        assert smp.write(smp.read(raw)) == raw
        for content in (smp.read(raw).body, ask(board, group.heartbeat()).body):
            assert group.read(group.Heartbeat, content) == group.Heartbeat(
                *(boot, up, idle, following, first, dropped, heard, missed, runs, lost, bad, arena, stack, slot, state)
            )


def slot_record(rng: random.Random) -> tuple[SlotRecord, group.Slot]:
    state, size = rng.choice(("empty", "partial", "whole", "refused")), number(rng)
    sha = rng.choice((None, rng.randbytes(32)))
    name, why = rng.choice((None, text(rng))), rng.choice((None, text(rng)))
    name_bytes = None if name is None else name.encode()
    record = SlotRecord(
        *(state.encode(), size, sha, name_bytes, len(name_bytes or b""), None if why is None else why.encode())
    )
    return record, group.Slot(state, size, sha, name, why)


def test_slots_arrive() -> None:
    rng, board = random.Random(24), Board()
    for _ in range(300):
        (first, slot_0), (second, slot_1) = slot_record(rng), slot_record(rng)
        size, left, trial = number(rng), number(rng), rng.random() < 0.5
        active, confirmed = rng.choice((0, 1, None)), rng.choice((0, 1, None))
        numbers = [0xFF if each is None else each for each in (active, confirmed)]
        board.slots = SlotsRecord((SlotRecord * 2)(first, second), size, *numbers, trial, left)
        expected = group.Slots((slot_0, slot_1), size, active, confirmed, trial, left)
        assert group.read(group.Slots, ask(board, group.slots()).body) == expected


def test_a_subscription_arrives() -> None:
    board = Board()
    answer = ask(board, group.subscribe(lease_ms=12345, first=7))
    assert group.read(group.Subscribed, answer.body) == group.Subscribed(10_000)
    ask(board, group.subscribe(lease_ms=0))
    assert board.said == [("subscribe", 12345, 7), ("subscribe", 0, None)]


def test_an_upload_arrives() -> None:
    board = Board()
    answer = ask(board, group.begin_upload(b"abc", length=5, sha256=SHA))
    assert group.read(group.Uploaded, answer.body) == group.Uploaded(512, match=False)
    board.uploaded = (5, 1)
    answer = ask(board, group.upload(b"de", offset=3))
    assert group.read(group.Uploaded, answer.body) == group.Uploaded(5, match=True)
    assert board.said == [("upload", 0, b"abc", (5, SHA)), ("upload", 3, b"de", None)]


def test_what_is_done_to_models_arrives() -> None:
    board = Board()
    for asked in (group.try_model(SHA, trial_ms=60_000), group.confirm(SHA), group.revert()):
        assert ask(board, asked).body == {}
    assert board.said == [("try", SHA, 60_000), ("confirm", SHA), ("revert",)]


def test_injected_samples_arrive_and_their_outputs_come_back() -> None:
    rng, board = random.Random(25), Board()
    assert ask(board, group.injection(on=True)).body == {}
    assert ask(board, group.injection(on=False)).body == {}
    assert board.said == [("injection", True), ("injection", False)]
    for _ in range(200):
        offset, samples = number(rng, 64), rng.randbytes(2 * rng.randrange(513))
        board.injected = (number(rng, 64), number(rng), rng.randbytes(rng.randrange(1240)))
        answer = ask(board, group.inject(samples, offset=offset))
        assert group.read(group.Injected, answer.body) == group.Injected(*board.injected)
        assert board.said.pop() == ("inject", offset, samples)


def test_512_samples_fit_into_a_message() -> None:
    assert len(smp.write(group.inject(bytes(1024), offset=2**64 - 1))) <= proto_board.BUFFER_BYTES


def test_a_selftest_arrives() -> None:
    board = Board()
    for differs in (-1, 0, 3):
        board.tested = SelftestRecord(4, differs, 1234)
        expected = group.Selftest(4, None if differs < 0 else differs, 1234)
        assert group.read(group.Selftest, ask(board, group.selftest()).body) == expected


def test_what_the_microphone_heard_arrives() -> None:
    rng, board = random.Random(27), Board()
    for _ in range(200):
        first = rng.choice((None, number(rng, 64)))
        board.recorded = (number(rng, 64), rng.randbytes(2 * rng.randrange(621)))
        answer = ask(board, group.record(first=first))
        assert group.read(group.Recorded, answer.body) == group.Recorded(*board.recorded)
        assert board.said.pop() == ("record", first)


CAN_FAIL = [
    *(group.subscribe(lease_ms=1), group.begin_upload(b"", length=1, sha256=SHA), group.try_model(SHA, trial_ms=1)),
    *(group.confirm(SHA), group.revert(), group.injection(on=True), group.inject(b"", offset=0), group.selftest()),
    group.record(),
]
IN_VERSION_1 = {
    Error.UNKNOWN: 1,
    Error.TOO_LARGE: 7,
    Error.OFFSET: 3,
    Error.HASH: 9,
    Error.PLAN: 9,
    Error.NO_MODEL: 5,
    Error.FLASH: 1,
    Error.BUSY: 10,
    Error.GOLDEN: 9,
    Error.INVALID: 3,
}


@pytest.mark.parametrize("asked", CAN_FAIL, ids=lambda asked: group.Command(asked.command).name)
def test_every_error_comes_back_with_its_reason(asked: Message) -> None:
    board = Board()
    for board.error in Error:
        board.why = None
        assert refused(board, asked) == Refusal(65, board.error, None)
        board.why = b"because"
        assert refused(board, asked) == Refusal(65, board.error, "because")
        older = Message(asked.op, 65, asked.command, asked.body, version=V1)
        assert refused(board, older) == Refusal(None, IN_VERSION_1[board.error], "because")
    board.error = -5
    assert refused(board, asked) == Refusal(65, Error.UNKNOWN, "because")


MALFORMED: list[tuple[group.Command, dict[str, Any]]] = [
    (group.Command.SUBSCRIBE, {}),
    (group.Command.SUBSCRIBE, {"lease": -1}),
    (group.Command.SUBSCRIBE, {"lease": 2**32}),
    (group.Command.SUBSCRIBE, {"lease": "x"}),
    (group.Command.SUBSCRIBE, {"lease": 1, "from": None}),
    (group.Command.UPLOAD, {"off": 0}),
    (group.Command.UPLOAD, {"data": b""}),
    (group.Command.UPLOAD, {"off": 0, "data": "text"}),
    (group.Command.UPLOAD, {"off": 0, "data": b"", "len": 3}),
    (group.Command.UPLOAD, {"off": 0, "data": b"", "sha": SHA}),
    (group.Command.UPLOAD, {"off": 0, "data": b"", "len": 3, "sha": SHA[1:]}),
    (group.Command.UPLOAD, {"off": 2**32, "data": b""}),
    (group.Command.TRY, {"sha": SHA}),
    (group.Command.TRY, {"ms": 1}),
    (group.Command.TRY, {"sha": SHA + b"x", "ms": 1}),
    (group.Command.CONFIRM, {}),
    (group.Command.CONFIRM, {"sha": "text"}),
    (group.Command.INJECT, {}),
    (group.Command.INJECT, {"on": 1}),
    (group.Command.INJECT, {"on": True, "data": b"", "off": 0}),
    (group.Command.INJECT, {"data": b""}),
    (group.Command.INJECT, {"data": b"odd", "off": 0}),
]


@pytest.mark.parametrize(("command", "content"), MALFORMED)
def test_a_request_that_lacks_something_is_refused_before_anything_is_done(
    command: group.Command, content: dict[str, Any]
) -> None:
    board = Board()
    refusal = refused(board, Message(Op.WRITE, 65, command, content))
    assert refusal is not None
    assert (refusal.group, refusal.rc) == (None, 3)
    assert refusal.reason
    assert board.said == []


@pytest.mark.parametrize(
    ("content", "rc"),
    [
        ({}, 0),
        ({"rc": 0}, 0),
        ({"rc": 10}, 10),
        ({"err": {"group": 65, "rc": 8}}, 8),
        ({"err": {}}, None),
        ({"rc": "x"}, None),
        ({"rc": 2**40}, None),
        ({"err": 3}, None),
    ],
)
def test_the_gateways_answer_is_understood(content: dict[str, Any], rc: int | None) -> None:
    for command in (2, 3):
        board = Board()
        assert board.receive(smp.write(Message(Op.WRITE_RESPONSE, 65, command, content, sequence=5))) == b""
        assert board.said == ([] if rc is None else [("answered", command, 5, rc)])


def test_other_answers_are_none_of_ours() -> None:
    board = Board()
    for asked in (Message(Op.WRITE, 65, 5), Message(Op.WRITE, 64, 2), Message(Op.READ, 65, 3), Message(Op.WRITE, 0, 5)):
        assert board.receive(smp.write(asked.response())) == b""
    assert board.receive(smp.write(Message(Op.WRITE, 65, 2).response()) + b"x") == b""
    assert board.said == []


def test_a_request_of_ours_that_does_not_fit_is_none() -> None:
    record, _ = event_record(random.Random(26))
    whole = len(proto_board.event(record, sequence=0))
    for capacity in range(whole):
        assert proto_board.event(record, sequence=0, capacity=capacity) == b""
    assert len(proto_board.event(record, sequence=0, capacity=whole)) == whole
