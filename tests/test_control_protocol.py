"""The control socket's protocol: however bytes arrive, the same messages come out; none that comes raises."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.control.protocol import (
    MAX_ID,
    RESERVED,
    Done,
    Fault,
    Item,
    Lines,
    Refused,
    Request,
    audio,
    encode,
    parse_answer,
    parse_request,
    pcm_of,
)
from edged.errors import ConfigError, DaemonAway, Mistakes, SourceLost, StateError, Unavailable, UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.text().filter(lambda name: name not in RESERVED | {"verb"}), JSON, max_size=4)
IDS = st.integers(0, MAX_ID)
REQUESTS = st.builds(Request, IDS, st.text(), FIELDS)
ANSWERS = st.builds(Item, IDS, FIELDS) | st.builds(Done, IDS, FIELDS)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def fed(pieces: list[bytes], max_bytes: int = 8) -> tuple[list[bytes], bool, bool]:
    lines = Lines(max_bytes)
    found = [line for piece in pieces for line in lines.feed(piece)]
    return found, lines.overlong, lines.torn


@given(
    st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"\n", b"")), max_size=6),
    st.lists(st.integers(0, 300)),
)
def test_lines_are_the_same_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(parts)
    bounded = next((number for number, part in enumerate(parts) if len(part) > 8), None)
    whole, last = (parts[:-1], parts[-1:]) if bounded is None else (parts[:bounded], [])
    expected = (whole, bounded is not None, bool(last and last[0]))
    assert fed(split(data, cuts)) == expected
    assert fed([data[i : i + 1] for i in range(len(data))]) == expected


def test_a_line_may_be_as_long_as_the_bound_and_no_longer() -> None:
    assert fed([b"a" * 8 + b"\n"]) == ([b"a" * 8], False, False)
    assert fed([b"a" * 8]) == ([], False, True)
    assert fed([b"ok\n" + b"a" * 9, b"\nok\n"]) == ([b"ok"], True, False)


def test_a_stream_without_line_ends_holds_no_more_than_the_bound() -> None:
    lines = Lines(1000)
    for _ in range(100):
        lines.feed(b"x" * 999)
        assert len(lines._held) <= 1000
    assert lines.overlong


@given(REQUESTS)
def test_requests_survive_the_wire(request: Request) -> None:
    line = encode(request)
    assert line.count(b"\n") == 1
    assert parse_request(line[:-1]) == request


@given(ANSWERS)
def test_answers_survive_the_wire(answer: Item | Done) -> None:
    assert parse_answer(encode(answer)[:-1]) == answer


@given(IDS | st.none(), st.sampled_from(["user", "unavailable"]), st.text(), st.text() | st.none())
def test_refusals_survive_the_wire(number: int | None, kind: Any, what: str, way_out: str | None) -> None:
    refused = Refused(number, Fault(kind, what, way_out=way_out))
    assert parse_answer(encode(refused)[:-1]) == refused


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | FIELDS.map(lambda value: json.dumps(value).encode())
)
def test_no_line_makes_the_daemon_stumble(line: bytes) -> None:
    assert isinstance(parse_request(line), Request | Refused)
    try:
        parse_answer(line)
    except DaemonAway:
        return


@pytest.mark.parametrize(
    ("line", "number", "what"),
    [
        (b"", None, "is not JSON"),
        (b"{", None, "is not JSON"),
        (b"\xff", None, "is not JSON"),
        (b"[" * 100_000, None, "is nested too deeply"),
        (b"[]", None, "is not a JSON object"),
        (b'{"verb": "status"}', None, "has no usable id"),
        (b'{"id": true, "verb": "status"}', None, "has no usable id"),
        (b'{"id": -1, "verb": "status"}', None, "has no usable id"),
        (b'{"id": 1.0, "verb": "status"}', None, "has no usable id"),
        (b'{"id": 9007199254740992, "verb": "status"}', None, "has no usable id"),
        (b'{"id": 7}', 7, "has no verb"),
        (b'{"id": 7, "verb": 8}', 7, "has no verb"),
        (b'{"id": 7, "verb": "status", "ok": true}', 7, "belongs to answers"),
    ],
)
def test_what_is_no_request_is_refused_with_its_id(line: bytes, number: int | None, what: str) -> None:
    refused = parse_request(line)
    assert isinstance(refused, Refused)
    assert (refused.id, refused.fault.kind, refused.fault.what) == (number, "bad-request", what)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_field_cannot_take_the_protocols_own_name(name: str) -> None:
    for message in (Item(1, {name: 1}), Done(1, {name: 1}), Request(1, "status", {name: 1})):
        with pytest.raises(ValueError, match="protocol's own name"):
            encode(message)


def test_an_error_says_the_same_on_both_sides() -> None:
    wrong = ConfigError("is wrong", file="a.toml", key="mqtt.port", value=3, way_out="Mend it")
    told = Fault.of(wrong).error()
    assert isinstance(told, UserError)
    assert str(told) == str(wrong) == "a.toml: mqtt.port = 3: is wrong. Mend it."
    assert str(Fault.of(StateError("is held")).error()) == "is held."
    away = Fault.of(SourceLost("no such device")).error()
    assert isinstance(away, Unavailable)
    assert str(away) == "no such device"
    assert isinstance(Fault("too-many", "16 others are connected").error(), Unavailable)


def test_an_error_of_several_lines_is_told_whole() -> None:
    both = Mistakes([ConfigError("is wrong", key="a"), ConfigError("is missing", key="b")])
    assert str(Fault.of(both).error()) == str(both)


@given(st.binary(max_size=100))
def test_audio_comes_back_as_it_was(pcm: bytes) -> None:
    item = Item(1, audio(pcm, rate_hz=16_000, channels=1, ended_ns=5, fresh=True))
    back = parse_answer(encode(item)[:-1])
    assert isinstance(back, Item)
    assert pcm_of(back.fields) == pcm
    assert back.fields["rate_hz"] == 16_000


@pytest.mark.parametrize("fields", [{}, {"audio": 5}, {"audio": "?"}, {"audio": "é"}])
def test_audio_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(DaemonAway):
        pcm_of(fields)


def test_arguments_are_asked_for_by_name() -> None:
    request = Request(1, "tap", {"source": "kitchen", "n": 3})
    assert request.text("source") == "kitchen"
    with pytest.raises(UserError, match="model: is missing"):
        request.text("model")
    with pytest.raises(UserError, match="n = 3: is not a text"):
        request.text("n")
