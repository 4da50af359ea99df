"""Every message fits its schema and a legal topic, and redelivery changes nothing that tells events apart."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.clock import Moment
from edged.messages import LATE_NS, Heard, Messages, Stream, topic_level, utc
from edged.published import schemas
from edged.records import Condition, Decision, Stored
from edged.schemas import ModelHealth, MqttHealth, OutboxHealth, SourceHealth, Vitals

if TYPE_CHECKING:
    from edged.records import Draft, Publication

BOOT = "0b6a4b2c-0000-4000-8000-000000000000"
MOMENT = Moment(utc_ns=1_795_341_600_250_999_999, monotonic_ns=90_000_000_000, synchronised=True)
MESSAGES = Messages(gateway="kitchen", boot_id=BOOT, version="0.1.0")
STREAM = Stream(source="usb-mic", model="alexa", version="2", sha256="ab" * 32, rate_hz=16_000)
DECISION = Decision(kind="end", label="Dog bark/woof", score=0.4, peak=0.97, mean=0.81, began=16_000, at=40_000)
HEARD = Heard(at_ns=89_500_000_000, stream_ns=5_000, level_dbfs=-31.26)
VITALS = Vitals(
    uptime_s=3.5,
    temperature_c=51.2,
    throttled=(),
    load=0.3,
    rss_bytes=61_000_000,
    outbox=OutboxHealth(state="ok", depth=0, waiting=0, lost=0, duplicates=0, set_aside=None),
    mqtt=MqttHealth(connected_since=None, reconnects=0, unheard=0, unsendable=0, unsaid=0),
    sources={"usb-mic": SourceHealth(state="hearing", heard_s=3.0, missed_s=0.5, dropped=0)},
    models={"usb-mic/alexa": ModelHealth(state="running", windows=100, dropped_s=0.0)},
)
SCHEMAS = schemas()


def stored(draft: Draft, *, number: int = 7, sequence: int = 3, again: bool = False) -> Stored:
    return Stored(
        number=number,
        outbox="0f0f",
        stream=draft.stream,
        sequence=sequence,
        topic=draft.topic,
        body=draft.body,
        again=again,
    )


def an_event(decision: Decision = DECISION, heard: Heard = HEARD, moment: Moment = MOMENT) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(MESSAGES.event(STREAM, decision, heard, moment=moment).body)
    return event


def check(publication: Publication, schema: str) -> dict[str, Any]:
    """Hold a payload against its schema, and against fields that the schema does not know."""
    body: dict[str, Any] = json.loads(publication.payload)
    jsonschema.Draft202012Validator(SCHEMAS[schema]).validate(body)
    assert body.keys() == SCHEMAS[schema]["properties"].keys()
    return body


def test_status() -> None:
    online = MESSAGES.online(reason="started", moment=MOMENT)
    offline = MESSAGES.offline(reason="stopped", moment=MOMENT)
    assert online.topic == offline.topic == MESSAGES.will().topic == "edged/kitchen/status"
    assert all(said.retain and said.qos == 1 for said in (online, offline, MESSAGES.will()))
    assert check(online, "status")["since"] == "2026-11-22T10:00:00.250Z"
    assert (check(offline, "status")["state"], check(offline, "status")["reason"]) == ("offline", "stopped")
    assert check(MESSAGES.will(), "status")["reason"] == "connection lost"


def test_health() -> None:
    said = MESSAGES.health(VITALS, moment=MOMENT, every_s=30)
    body = check(said, "health")
    assert (said.topic, said.retain, said.expiry_s) == ("edged/kitchen/health", True, 90)
    assert body["outbox"] == {"state": "ok", "depth": 0, "waiting": 0, "lost": 0, "duplicates": 0, "set_aside": None}
    assert body["models"]["usb-mic/alexa"]["windows"] == 100


def test_conditions() -> None:
    source = MESSAGES.source_state("usb-mic", Condition(state="absent", why="no such device"), moment=MOMENT)
    model = MESSAGES.model_state("alexa", "failed", why="died", moment=MOMENT)
    assert (source.topic, source.retain) == ("edged/kitchen/sound/usb-mic/state", True)
    assert (model.topic, model.retain) == ("edged/kitchen/model/alexa/state", True)
    assert check(source, "source")["why"] == "no such device"
    assert check(model, "model")["state"] == "failed"


def test_label_state() -> None:
    on = MESSAGES.label_state(STREAM, "Dog bark/woof", "ON")
    assert (on.topic, on.payload, on.retain) == ("edged/kitchen/sound/usb-mic/alexa/Dog bark%2Fwoof", b"ON", True)
    assert MESSAGES.label_state(STREAM, "Dog", "OFF").payload == b"OFF"


@pytest.mark.parametrize("label", ["event", "%65vent", "Event"])
def test_no_label_speaks_on_the_topic_of_the_events(label: str) -> None:
    assert (
        MESSAGES.label_state(STREAM, label, "ON").topic != MESSAGES.event(STREAM, DECISION, HEARD, moment=MOMENT).topic
    )


def test_event_as_delivered() -> None:
    draft = MESSAGES.event(STREAM, DECISION, HEARD, moment=MOMENT)
    said = MESSAGES.deliver(stored(draft), moment=MOMENT)
    body = check(said, "event")
    assert draft.stream == "usb-mic/alexa"
    assert (said.topic, said.retain, said.qos) == ("edged/kitchen/sound/usb-mic/alexa/event", False, 1)
    assert (body["id"], body["sequence"], body["again"], body["late"]) == ("0f0f-7", 3, False, False)
    assert (body["at"], body["began"], body["duration_s"]) == (
        "2026-11-22T09:59:59.750Z",
        "2026-11-22T09:59:58.250Z",
        1.5,
    )
    assert body["at_ns"] - body["began_ns"] == 1_500_000_000
    assert body["model"] == {"name": "alexa", "version": "2", "sha256": "ab" * 32}
    assert dict(said.properties) == {"id": "0f0f-7", "kind": "end"}


@given(again=st.booleans(), later=st.integers(0, 10**15), step=st.integers(-(10**18), 10**18))
def test_redelivery_changes_only_what_is_about_delivery(*, again: bool, later: int, step: int) -> None:
    draft = MESSAGES.event(STREAM, DECISION, HEARD, moment=MOMENT)
    first = json.loads(MESSAGES.deliver(stored(draft), moment=MOMENT).payload)
    moved = replace(MOMENT, utc_ns=MOMENT.utc_ns + step, monotonic_ns=MOMENT.monotonic_ns + later)
    second = json.loads(MESSAGES.deliver(stored(draft, again=again), moment=moved).payload)
    assert second == first | {"again": again, "late": moved.monotonic_ns - HEARD.at_ns > LATE_NS}


def test_an_event_of_an_earlier_boot_is_late_whatever_the_clocks_say() -> None:
    draft = MESSAGES.event(STREAM, DECISION, HEARD, moment=MOMENT)
    rebooted = Messages(gateway="kitchen", boot_id="f" * 36, version="0.1.0")
    assert json.loads(rebooted.deliver(stored(draft), moment=MOMENT).payload)["late"] is True


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{", b'"x"'])
def test_a_damaged_body_is_a_value_error(body: bytes) -> None:
    draft = replace(MESSAGES.event(STREAM, DECISION, HEARD, moment=MOMENT), body=body)
    with pytest.raises(ValueError, match=r".*"):
        MESSAGES.deliver(stored(draft), moment=MOMENT)


def test_start_update_and_end_share_an_episode_that_no_other_sound_has() -> None:
    decided = [replace(DECISION, kind="start", at=17_000), replace(DECISION, kind="update", at=30_000), DECISION]
    start, update, end = (
        an_event(decision, replace(HEARD, at_ns=HEARD.at_ns + decision.at * 62_500 + jitter))
        for decision, jitter in zip(decided, (0, 4_321, 99_999), strict=True)
    )
    assert start["episode"] == update["episode"] == end["episode"]
    others = [
        an_event(replace(DECISION, began=DECISION.began + 1)),
        an_event(replace(DECISION, label="Cat")),
        an_event(heard=replace(HEARD, stream_ns=HEARD.stream_ns + 1)),
    ]
    assert start["episode"] not in [other["episode"] for other in others]


def test_what_is_no_json_number_does_not_get_in() -> None:
    silent = replace(DECISION, score=cast("float", np.float32(0.5)))
    event = an_event(silent, replace(HEARD, level_dbfs=float("-inf")))
    assert (event["score"], event["level_dbfs"]) == (0.5, None)
    assert an_event(heard=replace(HEARD, level_dbfs=None))["level_dbfs"] is None


@given(st.text(min_size=1))
def test_any_name_is_one_legal_level_and_can_be_read_back(name: str) -> None:
    level = topic_level(name)
    assert level
    assert not set(level) & set("+#/\x00\x7f\x85")
    level.encode()
    assert unquote(level, errors="surrogatepass") == name


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        topic_level("")


@pytest.mark.parametrize(
    ("utc_ns", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999_999, "1970-01-01T00:00:00.000Z"),
        (1_000_000_000_001_000_000, "2001-09-09T01:46:40.001Z"),
    ],
)
def test_utc_is_cut_to_milliseconds(utc_ns: int, written: str) -> None:
    assert utc(utc_ns) == written


def test_every_field_that_is_not_plain_is_described() -> None:
    undescribed = [
        name
        for name, field in SCHEMAS["event"]["properties"].items()
        if "description" not in field and "$ref" not in field
    ]
    assert undescribed == ["schema", "gateway", "source", "label", "rate_hz", "boot_id"]


def test_the_daemon_does_not_pay_for_pydantic() -> None:
    code = "import sys, edged.messages; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
