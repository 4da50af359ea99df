"""Group 65 in Python: a record has all that the protocol says, or is refused by the key's name."""

from __future__ import annotations

from typing import Any

import pytest

from edged.mcu import group, smp
from edged.mcu.body import Malformed
from edged.mcu.smp import Message, Op

EVENT = {
    "n": 5,
    "boot": 2,
    "kind": 1,
    "label": "dög",
    "began": 100,
    "at": 200,
    "ms": 12,
    "score": 65536,
    "peak": 32768,
    "mean": 0,
    "model": bytes(8),
}
SLOT = {"state": "whole", "bytes": 9, "sha": bytes(32), "name": "m"}
SLOTS = {
    "slots": [SLOT, {"state": "empty", "bytes": 0}],
    "size": 9,
    "active": None,
    "confirmed": 0,
    "trial": True,
    "left": 1,
}


def test_a_record_is_read_whatever_else_there_is() -> None:
    event = group.read(group.Event, EVENT | {"new": "in a later version"})
    assert event == group.Event(5, 2, group.Kind.START, "dög", 100, 200, 12, 1.0, 0.5, 0.0, bytes(8))
    slots = group.read(group.Slots, SLOTS)
    assert slots.slots == (group.Slot("whole", 9, bytes(32), "m"), group.Slot("empty", 0))
    assert (slots.active, slots.confirmed) == (None, 0)


@pytest.mark.parametrize("key", EVENT)
def test_a_key_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(Malformed, match=f"^{key} is missing$"):
        group.read(group.Event, {name: value for name, value in EVENT.items() if name != key})


@pytest.mark.parametrize("key", EVENT)
@pytest.mark.parametrize("wrong", [-1, None, True, 1.5, [], {}])
def test_a_value_of_another_kind_is_named(key: str, wrong: object) -> None:
    with pytest.raises(Malformed, match=f"^{key} = "):
        group.read(group.Event, EVENT | {key: wrong})


@pytest.mark.parametrize(
    ("record", "body"),
    [
        (group.Event, EVENT | {"kind": 4}),
        (group.Slots, SLOTS | {"slots": [5]}),
        (group.Slots, SLOTS | {"slots": [{}]}),
        (group.Slots, SLOTS | {"slots": {}}),
        (group.Slots, SLOTS | {"active": "0"}),
        (group.Slots, SLOTS | {"trial": 1}),
        (group.Slot, SLOT | {"sha": "text"}),
        (group.Slot, SLOT | {"why": 5}),
        (group.Uploaded, {"off": 5, "match": 1}),
        (group.Selftest, {"windows": 1, "us": 2}),
    ],
)
def test_what_the_protocol_does_not_allow_is_malformed(record: type[Any], body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        group.read(record, body)


def test_requests_carry_only_what_they_must() -> None:
    assert group.subscribe(lease_ms=10_000).body == {"lease": 10_000}
    assert group.subscribe(lease_ms=10_000, first=0).body == {"lease": 10_000, "from": 0}
    assert group.hello() == Message(Op.READ, 65, 0)
    assert smp.write(group.revert()).hex() == "0a00000100410008a0"
