"""SMP's header and body in Python: against the `smp` package byte for byte, and whatever else may come."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import cbor2
import cbor_soup
import pytest
from smp import enumeration_management as smp_enum
from smp import error as smp_error
from smp import header as smp_header
from smp import image_management as smp_image
from smp import os_management as smp_os

from edged.mcu import body, smp
from edged.mcu.body import Malformed
from edged.mcu.smp import Message, Op, Refusal

if TYPE_CHECKING:
    from smp.message import Request

VERSIONS = (smp_header.Version.V1, smp_header.Version.V2)


def request(rng: random.Random) -> Request:
    """Some request of the `smp` package."""
    text = "".join(rng.choice("abcdé€😀 ") for _ in range(rng.randrange(200)))
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (smp_os.EchoWriteRequest, {"d": text}),
        (smp_os.ResetWriteRequest, {}),
        (smp_os.ResetWriteRequest, {"force": 1, "boot_mode": 1}),
        (smp_os.TaskStatisticsReadRequest, {}),
        (smp_os.DateTimeReadRequest, {}),
        (smp_os.DateTimeWriteRequest, {"datetime": "2026-11-22T18:40:00.123456"}),
        (smp_os.MCUMgrParametersReadRequest, {}),
        (smp_os.OSApplicationInfoReadRequest, {}),
        (smp_os.OSApplicationInfoReadRequest, {"format": rng.choice(("s", "sv", "nrvm", "a", "oips"))}),
        (smp_image.ImageStatesReadRequest, {}),
        (smp_enum.GroupCountRequest, {}),
        (smp_enum.ListOfGroupsRequest, {}),
        (smp_enum.GroupIdRequest, {}),
        (smp_enum.GroupIdRequest, {"index": rng.randrange(4)}),
        (smp_enum.GroupDetailsRequest, {}),
        (smp_enum.GroupDetailsRequest, {"groups": tuple(rng.choices((0, 1, 10, 65, 3), k=3))}),
        (smp_image.ImageUploadWriteRequest, {"off": rng.randrange(1 << 20), "data": rng.randbytes(200)}),
    ]
    kind, values = rng.choice(kinds)
    made: Request = kind(version=rng.choice(VERSIONS), sequence=rng.randrange(256), **values)
    return made


def message(of: Any) -> Message:
    """Our record of a message of the `smp` package."""
    values = of.model_dump(exclude_unset=True, exclude={"header", "version", "sequence", "smp_data"}, exclude_none=True)
    head = of.header
    return Message(
        Op(head.op), head.group_id, head.command_id, values, sequence=head.sequence, version=int(head.version)
    )


def test_a_thousand_requests_are_the_smp_packages_byte_for_byte_and_back() -> None:
    rng = random.Random(4)
    for _ in range(1200):
        theirs = request(rng)
        ours = message(theirs)
        assert smp.write(ours) == theirs.BYTES
        again = smp.read(theirs.BYTES)
        assert body.write(again.body) == body.write(ours.body)
        assert (again.op, again.group, again.command) == (ours.op, ours.group, ours.command)
        assert (again.sequence, again.version) == (ours.sequence, ours.version)


def test_a_response_answers_its_request_and_no_other() -> None:
    asked = Message(Op.WRITE, 65, 2, {"n": 5}, sequence=9, version=smp.VERSION_1)
    answer = asked.response()
    assert answer == Message(Op.WRITE_RESPONSE, 65, 2, {}, sequence=9, version=smp.VERSION_1)
    assert answer.answers(asked)
    for other in ({"op": Op.READ}, {"group": 64}, {"command": 3}, {"sequence": 8}):
        fields = {"op": Op.WRITE, "group": 65, "command": 2, "sequence": 9} | other
        assert not answer.answers(Message(**fields))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="never answered"):
        answer.response()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, None),
        ({"rc": 0}, None),
        ({"r": "echo"}, None),
        ({"rc": 8}, Refusal(None, 8, None)),
        ({"rc": 3, "rsn": "why"}, Refusal(None, 3, "why")),
        ({"err": {"group": 65, "rc": 5}}, Refusal(65, 5, None)),
        ({"err": {"group": 65, "rc": 5}, "rsn": "an unknown operator"}, Refusal(65, 5, "an unknown operator")),
        ({"err": {"group": 0, "rc": 0}}, None),
    ],
)
def test_errors_of_both_versions_are_understood(content: dict[str, Any], expected: Refusal | None) -> None:
    assert smp.refusal(Message(Op.READ_RESPONSE, 65, 0, content)) == expected


@pytest.mark.parametrize("content", [{"err": 5}, {"err": {}}, {"err": {"group": 1, "rc": "x"}}, {"rc": "no"}])
def test_an_error_that_cannot_be_read_is_malformed(content: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        smp.refusal(Message(Op.READ_RESPONSE, 65, 0, content))


def test_the_smp_packages_errors_are_understood() -> None:
    old = smp_os.OSManagementErrorV1
    head = smp_header.Header(smp_header.OP.READ_RSP, smp_header.Version.V1, smp_header.Flag(0), 5, 0, 1, 0)
    assert smp.refusal(smp.read(old(header=head, rc=smp_error.MGMT_ERR.ENOTSUP).BYTES)) == Refusal(None, 8, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes.fromhex("0800000100000000"),  # a body is announced
        bytes.fromhex("0800000000000000a0"),  # none is
        bytes.fromhex("0c00000000000000"),  # operation 4
        bytes.fromhex("080000010000000080"),  # a list
    ],
)
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        smp.read(data)


def test_a_message_without_a_body_has_an_empty_one() -> None:
    assert smp.read(bytes.fromhex("0800000000000000")) == Message(Op.READ, 0, 0)


def test_a_body_longer_than_the_header_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="65544"):
        smp.write(Message(Op.WRITE, 65, 5, {"data": bytes(65535)}))


# Bodies.


def test_any_encoding_of_a_map_gives_its_values() -> None:
    rng = random.Random(5)
    for _ in range(500):
        value = {"x": cbor_soup.value(rng), 5: cbor_soup.value(rng), "": 1}
        data = cbor_soup.dump(value, rng)
        assert cbor2.dumps(body.read(data), canonical=True) == cbor2.dumps({"x": value["x"], "": 1}, canonical=True)


NOT_BODIES = {
    "a list": "80",
    "a number": "01",
    "two maps": "a0a0",
    "cut": "a16161",
    "no value": "bf6161ff",
    "no end": "bf616101",
    "an end too many": "a0ff",
    "more pairs than bytes": "bb00ffffffffffffff",
    "a longer text than there is": "a17a7fffffff61",
    "a text longer than 2^63": "a17bffffffffffffffff61",
    "a text in pieces": "a17f6161ff01",
    "bytes in pieces": "a161615f4101ff",
    "a tag": "a16161c11a514b67b0",
    "a fraction without end": "a16161c4821b7fffffffffffffff01",
    "a reserved head": "a161611c",
    "a reserved simple value": "a16161f810",
    "another": "a16161f81f",
    "2^63 pairs": "bb8000000000000000",
    "2^63 elements": "a161619b8000000000000000",
    "a break as a value": "a16161ff",
    "no UTF-8": "a161ff01",
    "half a character": "a161616182c3",
    "a surrogate": "a1616163eda080",
    "beyond Unicode": "a1616164f4908080",
    "far beyond": "a1616164f5808080",
    "longer than it need be": "a1616162c1bf",
    "of three": "a1616163e09fbf",
    "of four": "a1616164f08fbfbf",
    "too deep": "a16161" + "81" * 8 + "01",
}
DEEP = "a16161" + "81" * 7 + "01"


@pytest.mark.parametrize("data", NOT_BODIES.values(), ids=NOT_BODIES)
def test_what_is_no_body_is_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        body.read(bytes.fromhex(data))


def test_a_body_may_be_as_deep_as_is_said() -> None:
    assert body.read(bytes.fromhex(DEEP)) == {"a": [[[[[[[1]]]]]]]}


def test_of_equal_keys_the_last_counts() -> None:
    assert body.read(bytes.fromhex("a3616101616202616103")) == {"a": 3, "b": 2}


def test_a_thousand_levels_do_not_end_python() -> None:
    for opening in (b"\x81", b"\x9f", b"\xbf\x61a", b"\xc1"):
        with pytest.raises(Malformed):
            body.read(b"\xa1\x61a" + opening * 1_000_000)


def test_any_bytes_are_a_body_or_malformed() -> None:
    rng, read = random.Random(6), 0
    for _ in range(5000):
        data = cbor_soup.dump({"a": cbor_soup.value(rng)}, rng)
        try:
            body.read(cbor_soup.harmed(data, rng) if rng.random() < 0.8 else b"\xa1" + rng.randbytes(20))
            read += 1
        except Malformed:
            pass
    assert 1000 < read < 4000
