"""What is said about boards fits its schemas and topics, and what a board tells again can be known again."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.board_schemas import BoardHealth, BoardSound
from edged.clock import Moment
from edged.mcu.board import BoardEvent, BoardState, BoardVitals, Identity, LinkCounts, Placed, Pulse
from edged.mcu.health import State
from edged.messages import LATE_NS, Messages
from edged.published import schemas
from edged.records import Stored
from edged.schemas import Sound

if TYPE_CHECKING:
    from edged.records import Draft

BOOT = "0b6a4b2c-0000-4000-8000-000000000000"
MOMENT = Moment(utc_ns=1_795_341_600_250_999_999, monotonic_ns=90_000_000_000, synchronised=True)
MESSAGES = Messages(gateway="kitchen", boot_id=BOOT, version="0.1.0")
UID = "6a3f19c20b47d05e11223344"
IDENTITY = Identity(
    speaks="edged", board="stm32f405", chip="STM32F405RG", firmware="0.1.0", uid=UID, boot=12, reset="pin"
)
EVENT = BoardEvent(
    kind="end", label="Dog bark/woof", score=0.40004, peak=0.97, mean=0.81, model="ab" * 8, boot=12, number=37,
    at_ms=9000, duration_ms=1500, began_sample=120_000,
)  # fmt: skip
WHEN = Placed(89_500_000_000, 2.2071)
SCHEMAS = schemas()


def check(payload: bytes, schema: str) -> dict[str, Any]:
    """Hold a payload against its schema, and against fields that the schema does not know."""
    body: dict[str, Any] = json.loads(payload)
    jsonschema.Draft202012Validator(SCHEMAS[schema]).validate(body)
    assert body.keys() == SCHEMAS[schema]["properties"].keys()
    return body


def drafted(event: BoardEvent = EVENT, when: Placed = WHEN, *, uid: str = UID, messages: Messages = MESSAGES) -> Draft:
    return messages.board_event("cellar", uid, event, when, moment=MOMENT)


def delivered(draft: Draft, moment: Moment = MOMENT, *, messages: Messages = MESSAGES) -> dict[str, Any]:
    stored = Stored(
        number=7, outbox="0f", stream=draft.stream, sequence=3, topic=draft.topic, body=draft.body, again=False
    )
    return check(messages.deliver(stored, moment=moment).payload, "board_event")


def test_how_a_board_is() -> None:
    said = MESSAGES.board_state("cellar", "stale", why="has not answered", moment=MOMENT, identity=IDENTITY)
    assert (said.topic, said.retain, said.qos) == ("edged/kitchen/mcu/cellar/state", True, 1)
    body = check(said.payload, "board")
    assert (body["state"], body["since"]) == ("stale", "2026-11-22T10:00:00.250Z")
    assert (body["identity"]["hardware"], body["identity"]["uid"]) == ("stm32f405", UID)
    unknown = MESSAGES.board_state("cellar", "absent", why="", moment=MOMENT, identity=None)
    assert check(unknown.payload, "board")["identity"] is None
    untold = MESSAGES.board_state("cellar", "up", why="", moment=MOMENT, identity=Identity(speaks="lines"))
    assert check(untold.payload, "board")["identity"] | {"uid": None, "microphone": None, "chip": ""} == {
        "speaks": "lines", "hardware": "", "chip": "", "firmware": "", "uid": None, "microphone": None,
    }  # fmt: skip


def test_every_state_of_the_supervisor_can_be_said() -> None:
    assert {state.value for state in State} == set(get_args(BoardState))


def test_how_a_board_is_in_numbers() -> None:
    pulse = Pulse(round_trip_ms=2.4, boot=13, up_ms=86_400_250, idle=0.61, dropped=4, link_lost=9, state="listening")
    link = LinkCounts(bytes_in=100, bad=2, foreign={"too long": 1})
    vitals = BoardVitals(state="up", identity=IDENTITY, pulse=pulse, link=link, duplicates=5, text_dropped=6)
    said = MESSAGES.board_health("cellar", vitals, moment=MOMENT, every_s=30)
    assert (said.topic, said.retain, said.expiry_s) == ("edged/kitchen/mcu/cellar/health", True, 90)
    body = check(said.payload, "board_health")
    told = {name: body[name] for name in ("boot", "reset", "uptime_s", "idle", "dropped", "doing", "log_dropped")}
    assert told == {
        "boot": 13, "reset": "pin", "uptime_s": 86400.25, "idle": 0.61, "dropped": 4, "doing": "listening",
        "log_dropped": 6,
    }  # fmt: skip
    assert body["link"] | {"bytes_out": 0} == {
        "bytes_in": 100, "bytes_out": 0, "bad": 2, "text_lines": 0, "foreign": {"too long": 1},
        "board_lost": 9, "board_bad": None,
    }  # fmt: skip


def test_a_board_that_has_never_answered_has_no_numbers() -> None:
    said = MESSAGES.board_health("cellar", BoardVitals(state="absent"), moment=MOMENT, every_s=30)
    body = check(said.payload, "board_health")
    assert [name for name, value in body.items() if value is None] == [
        field.name for field in fields(BoardHealth) if field.type in {"int | None", "float | None", "str | None"}
    ]
    known = MESSAGES.board_health("cellar", BoardVitals(state="stale", identity=IDENTITY), moment=MOMENT, every_s=30)
    assert [json.loads(known.payload)[name] for name in ("boot", "reset", "uptime_s")] == [12, "pin", None]


def test_all_that_a_board_tells_of_itself_is_published() -> None:
    elsewhere = {"answered_ns", "up_ms", "link_lost", "link_bad", "state"}
    assert {field.name for field in fields(Pulse)} - elsewhere <= {field.name for field in fields(BoardHealth)}


def test_an_event_as_delivered() -> None:
    draft = drafted()
    assert (draft.stream, draft.topic) == ("mcu/cellar/event", "edged/kitchen/mcu/cellar/event")
    body = delivered(draft)
    assert (body["id"], body["sequence"], body["late"]) == ("0f-7", 3, False)
    assert (body["at"], body["began"], body["duration_s"]) == (
        "2026-11-22T09:59:59.750Z",
        "2026-11-22T09:59:58.250Z",
        1.5,
    )
    assert (body["score"], body["error_ms"], body["model"]) == (0.4, 2.207, {"sha256": "ab" * 8})
    assert (body["uid"], body["board_boot"], body["number"], body["monotonic_ns"]) == (UID, 12, 37, 89_500_000_000)
    assert body["episode"] == f"{UID}-12-Dog bark/woof-120000"


def test_what_a_board_does_not_know_is_null() -> None:
    told = BoardEvent(kind="detection", label="dog", score=0.7, peak=0.7, mean=0.7)
    draft = drafted(told, Placed(89_500_000_000), uid="")
    body = delivered(draft)
    assert draft.once is None, "what is not numbered cannot be told again"
    assert [name for name, value in body.items() if value is None] == [
        "uid",
        "episode",
        "error_ms",
        "board_boot",
        "number",
    ]
    assert body["model"] == {"sha256": None}


def test_an_event_has_the_fields_of_a_sources_under_the_same_names() -> None:
    theirs, ours = ({field.name: field.type for field in fields(shape)} for shape in (Sound, BoardSound))
    assert theirs.keys() - ours.keys() == {"source", "level_dbfs", "began_sample", "at_sample", "rate_hz"}
    other = {name for name in theirs.keys() & ours.keys() if theirs[name] != ours[name]}
    assert other == {"model", "episode"}
    same = ("kind", "label", "peak", "mean", "began", "began_ns", "at_ns", "clock_synchronised")
    for name in same:
        words = [SCHEMAS[shape]["properties"][name].get("description") for shape in ("event", "board_event")]
        assert words[0] == words[1], name


@given(later=st.integers(0, 10**15), step=st.integers(-(10**18), 10**18))
def test_late_is_as_for_a_source(later: int, step: int) -> None:
    moved = replace(MOMENT, utc_ns=MOMENT.utc_ns + step, monotonic_ns=MOMENT.monotonic_ns + later)
    first, second = delivered(drafted()), delivered(drafted(), moved)
    assert second == first | {"late": moved.monotonic_ns - WHEN.monotonic_ns > LATE_NS}
    rebooted = Messages(gateway="kitchen", boot_id="f" * 36, version="0.1.0")
    assert delivered(drafted(), messages=rebooted)["late"]


def test_told_again_it_has_the_same_token_though_it_came_later() -> None:
    again = drafted(replace(EVENT, arrived_ns=91_000_000_000), Placed(91_000_000_000))
    assert again.once == drafted().once
    assert again.once is not None
    assert again.once[0] == f"mcu/{UID}"
    assert drafted(uid="").once == ("mcu/cellar", again.once[1])


@pytest.mark.parametrize(
    "otherwise",
    [
        {"boot": 13}, {"number": 38}, {"kind": "start"}, {"label": "Cat"}, {"score": 0.5}, {"peak": 0.98},
        {"mean": 0.8}, {"model": "cd" * 8}, {"at_ms": 9001}, {"duration_ms": 1501}, {"began_sample": 1},
    ],
)  # fmt: skip
def test_another_event_has_another_token(otherwise: dict[str, Any]) -> None:
    assert drafted(replace(EVENT, **otherwise)).once != drafted().once


def test_every_field_of_an_event_is_in_its_token_but_when_it_came() -> None:
    """A field that is left out by mistake could hide an event from the outbox."""
    changes: dict[str, Any] = {
        "kind": "update", "label": "x", "score": 0.1, "peak": 0.1, "mean": 0.1, "model": "x", "boot": 1, "number": 1,
        "at_ms": 1, "duration_ms": 1, "began_sample": 1, "arrived_ns": 1,
    }  # fmt: skip
    assert changes.keys() == {field.name for field in fields(BoardEvent)}
    blind = [name for name, value in changes.items() if drafted(replace(EVENT, **{name: value})).once == drafted().once]
    assert blind == ["arrived_ns"]


@given(at_ns=st.integers(-(2**80), 2**80), duration_ms=st.integers(0, 2**70), label=st.text())
def test_no_nonsense_of_a_board_is_more_than_an_odd_event(at_ns: int, duration_ms: int, label: str) -> None:
    event = replace(EVENT, duration_ms=duration_ms, label=label)
    delivered(drafted(event, Placed(at_ns)))


def test_a_line_of_a_boards_log() -> None:
    said = MESSAGES.board_log("cellar", "it's \ud800 wörse\x07", moment=MOMENT)
    assert (said.topic, said.retain, said.qos) == ("edged/kitchen/mcu/cellar/log", False, 0)
    assert check(said.payload, "board_log")["line"] == "it's ? wörse\x07"


def test_what_the_broker_keeps_of_boards_may_be_left_over() -> None:
    assert MESSAGES.outlives("edged/kitchen/mcu/cellar/state")
    assert MESSAGES.outlives("edged/kitchen/mcu/cellar/health")
    assert not MESSAGES.outlives("edged/kitchen/mcu2/cellar/state")
    assert not MESSAGES.outlives("edged/cellar/mcu/cellar/state")
