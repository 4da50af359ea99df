"""PROTOCOL.md against what board and gateway really say: every message by its CDDL, every number by its table."""

from __future__ import annotations

import copy
import math
import random
import re
from typing import TYPE_CHECKING, Any

import firmware
import proto_board
import pytest
import test_firmware_proto_group as values
from cddl import Rules
from proto_board import Board, HeartbeatRecord, HelloRecord, SelftestRecord, SlotRecord, SlotsRecord

from edged.mcu import framing, group, smp
from edged.mcu.group import Command, Error
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (firmware.FIRMWARE / "PROTOCOL.md").read_text(encoding="utf-8")
RULES = Rules("\n".join(re.findall(r"```cddl\n(.*?)```", PAGE, re.DOTALL)))
SERVICE_H = (firmware.FIRMWARE / "proto" / "service.h").read_text(encoding="utf-8")
SHA = values.SHA

STANDARD = {
    "echo": Message(Op.WRITE, 0, 0, {"d": "é"}),
    "tasks": Message(Op.READ, 0, 2),
    "datetime-read": Message(Op.READ, 0, 4),
    "datetime-write": Message(Op.WRITE, 0, 4, {"datetime": "2026-11-22T18:40:00"}),
    "reset": Message(Op.WRITE, 0, 5, {"force": 1}),
    "parameters": Message(Op.READ, 0, 6),
    "information": Message(Op.READ, 0, 7, {"format": "a"}),
    "image-state": Message(Op.READ, 1, 0),
    "groups-count": Message(Op.READ, 10, 0),
    "groups-list": Message(Op.READ, 10, 1),
    "groups-single": Message(Op.READ, 10, 2, {"index": 3}),
    "groups-details": Message(Op.READ, 10, 3, {"groups": [0, 65]}),
}
MAY_LACK = {
    *(("subscribe-request", "from"), ("upload-response", "match"), ("information-request", "format")),
    ("record-request", "from"),
    *(("groups-single-request", "index"), ("groups-single-response", "end"), ("groups-details-request", "groups")),
}
OURS = {
    "hello": [group.hello()],
    "subscribe": [group.subscribe(lease_ms=0), group.subscribe(lease_ms=2**32 - 1, first=2**32 - 1)],
    "heartbeat": [group.heartbeat()],
    "slots": [group.slots()],
    "upload": [group.begin_upload(b"", length=5, sha256=SHA), group.upload(bytes(900), offset=2**32 - 1)],
    "try": [group.try_model(SHA, trial_ms=60_000)],
    "confirm": [group.confirm(SHA)],
    "revert": [group.revert()],
    "inject": [group.injection(on=False), group.inject(bytes(1024), offset=2**64 - 1)],
    "selftest": [group.selftest()],
    "record": [group.record(), group.record(first=2**64 - 1)],
}


def boards() -> Iterator[Board]:
    """The least and the most that a board may have to say, and some between."""
    rng = random.Random(30)
    for bits in (0, 64, *(rng.randrange(65) for _ in range(20))):
        board, most = Board(), (1 << min(bits, 32)) - 1
        board.clock_ms = 1 + most
        board.hello = HelloRecord(
            *(b"1", b"b", b"c", bytes(12), rng.choice((None, SHA)), most, rng.choice((b"pin", b"fault"))),
            *((1 << bits) - 1, *(most,) * 3, bits % 2),
        )
        counts = (most, (1 << bits) - 1, bits % 1001, *(most,) * 3, *((1 << bits) - 1,) * 2, *(most,) * 5)
        board.heartbeat = HeartbeatRecord(*counts, rng.choice((0, 1, 0xFF)), rng.choice((b"trial", b"empty")))
        records = [values.slot_record(rng)[0] for _ in range(2)]
        board.slots = SlotsRecord((SlotRecord * 2)(*records), most, bits % 2, 0xFF, bits % 2, most)
        board.tested = SelftestRecord(most, rng.choice((-1, 0, 2**31 - 1)), most)
        board.injected = ((1 << bits) - 1, most, bytes(bits))
        board.uploaded = (most, bits % 2)
        board.recorded = ((1 << bits) - 1, bytes(2 * bits))
        board.granted_ms = most
        yield board


def exchanges() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every message of every group, there and back."""
    named = [(name, each) for name, all_of in OURS.items() for each in all_of] + list(STANDARD.items())
    for board in boards():
        for name, asked in named:
            raw = smp.write(asked)
            yield f"{name}-request", dict(smp.read(raw).body)
            yield f"{name}-response", dict(smp.read(board.receive(raw)).body)
        yield "heartbeat-request", dict(smp.read(proto_board.heartbeat(board.heartbeat, sequence=1)).body)
    rng = random.Random(31)
    for _ in range(50):
        event = smp.read(proto_board.event(values.event_record(rng)[0], sequence=1))
        yield "event-request", dict(event.body)
        yield "event-response", dict(smp.read(smp.write(event.response())).body)


ALL = list(exchanges())


def test_every_message_is_what_the_page_says() -> None:
    for rule, content in ALL:
        assert RULES.matches(rule, content), (rule, content)


def test_every_message_on_the_page_was_said() -> None:
    said = {rule for rule, _ in ALL}
    assert said == {name for name in RULES.types if name.endswith(("-request", "-response"))}


def test_a_message_that_lacks_a_key_or_has_another_is_not_what_the_page_says() -> None:
    for rule, content in ALL:
        if rule == "reset-request":
            continue
        assert not RULES.matches(rule, content | {"other": 1}), rule
        for key in content:
            less = {name: each for name, each in content.items() if name != key}
            assert (rule, key) in MAY_LACK or not RULES.matches(rule, less), (rule, key)
            wrong = copy.copy(content) | {key: -1}
            assert not RULES.matches(rule, wrong), (rule, key)


def test_every_refusal_is_what_the_page_says() -> None:
    board = Board()
    board.why = b"because"
    for board.error in Error:
        for version, rule in ((smp.VERSION_1, "refusal"), (smp.VERSION_2, "group-refusal")):
            asked = Message(Op.WRITE, 65, Command.REVERT, version=version)
            assert RULES.matches(rule, smp.read(board.receive(smp.write(asked))).body)
    for asked in (Message(Op.READ, 99, 0), Message(Op.WRITE, 65, Command.CONFIRM)):
        assert RULES.matches("refusal", smp.read(board.receive(smp.write(asked))).body)
    too_far = smp.write(Message(Op.READ, 10, 2, {"index": 9}))
    assert RULES.matches("group-refusal", smp.read(board.receive(too_far)).body)


def test_the_page_the_header_and_the_gateway_number_commands_and_errors_alike() -> None:
    in_c = {name: int(number) for name, number in re.findall(r"SERVICE_(\w+) = (\d+),", SERVICE_H)}
    ours = {each.name: each.value for each in (*Command, *Error)}
    assert in_c == ours | {"OK": 0}
    headings = dict(re.findall(r"(?:### |, )(\d+) (\w+)(?= \(|,)", PAGE))
    commands = {each.name: each.value for each in Command}
    assert {name.upper(): int(number) for number, name in headings.items()} == commands
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| .* \| (\d+) \|$", PAGE, re.MULTILINE)
    assert {name: int(number) for number, name, _ in rows} == {each.name: each.value for each in Error}
    assert {Error[name]: int(older) for _, name, older in rows} == values.IN_VERSION_1


@pytest.mark.parametrize("baud", [115200, 460800, 921600, 1000000])
def test_the_table_of_links_is_what_the_bytes_say(baud: int) -> None:
    row = re.search(rf"^\| {baud} \| (\d+) \| (\d+) ms \| (yes|no).* \| (\d+) s \|$", PAGE, re.MULTILINE)
    assert row is not None
    board = Board()
    board.injected = (16000 * 60, 2, b"ab")

    def seconds(asked: Message) -> float:
        raw = smp.write(asked)
        return (len(framing.write(raw)) + len(framing.write(board.receive(raw)))) * 10 / baud

    hearing = seconds(group.inject(bytes(1024), offset=2**40))
    assert int(row[1]) == baud // 10
    assert int(row[2]) == round(1000 * hearing)
    assert (row[3] == "yes") == (hearing < 512 / 16000)
    assert int(row[4]) == round(math.ceil(60000 / 1024) * seconds(group.upload(bytes(1024), offset=30000)))
    injection = len(framing.write(smp.write(group.inject(bytes(1024), offset=2**40))))
    assert f"{injection} in frames" in PAGE
    assert round(injection / 0.032 / 1000) == 45
