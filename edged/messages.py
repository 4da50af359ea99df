"""What subscribers read: the only place where a topic or a JSON shape is made. The contract is docs/MQTT.md.

    PREFIX/GATEWAY/status                          retained, and the will     Status
    PREFIX/GATEWAY/health                          retained, periodic         Health
    PREFIX/GATEWAY/sound/SOURCE/state              retained                   SourceCondition
    PREFIX/GATEWAY/sound/SOURCE/MODEL/event        never retained             Event
    PREFIX/GATEWAY/sound/SOURCE/MODEL/LABEL        retained                   ON or OFF
    PREFIX/GATEWAY/model/MODEL/state               retained                   ModelCondition
    PREFIX/GATEWAY/mcu/BOARD/state                 retained                   BoardCondition
    PREFIX/GATEWAY/mcu/BOARD/health                retained, periodic         BoardHealth
    PREFIX/GATEWAY/mcu/BOARD/event                 never retained             BoardEvent
    PREFIX/GATEWAY/mcu/BOARD/log                   never retained, QoS 0      BoardLine

There is one topic per source and model: a shared one lets one microphone reset what another has said. Time is an
argument; all times in one message come from one reading of the clocks (`edged.clock.Moment`).

An event is written in two steps. `event` says what was heard, when it is heard; that is what the outbox keeps.
`deliver` adds what is known only once it is stored and sent: its id, its sequence number, and whether it is late.
What is said about boards is written in `edged.board_messages`; how any message is written, in `edged.writer`.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from edged.board_messages import BoardMessages
from edged.records import Condition, Decision, Draft, ModelState, Publication, Stored
from edged.schemas import (
    SCHEMA,
    Health,
    ModelCondition,
    ModelNamed,
    Sound,
    SourceCondition,
    Status,
    Vitals,
)
from edged.writer import HEALTH_OUTLIVES, as_json, escaped, rounded, topic_level, utc

if TYPE_CHECKING:
    from edged.clock import Moment

__all__ = ["LATE_NS", "Heard", "Messages", "Stream", "topic_level", "utc"]

LATE_NS = 10_000_000_000
"""An event delivered longer after it happened is late: whoever would ring a bell for it should not."""
BOOT_DIGITS = 8
"""Of the boot id, in an episode."""

_EVENT_LEVEL = "event"


@dataclass(frozen=True, slots=True)
class Stream:
    """One source heard by one model: what is the same in all of its events."""

    source: str
    model: str
    version: str
    sha256: str
    """Of the model file."""
    rate_hz: int
    """The model's own rate, in which its decisions count samples."""

    def __str__(self) -> str:
        """Name the stream as the outbox numbers it."""
        return f"{self.source}/{self.model}"


@dataclass(frozen=True, slots=True)
class Heard:
    """When and how loud: what the road knows of a decision beyond the decision."""

    at_ns: int
    """CLOCK_MONOTONIC of the last sample the decision rests on (`Decision.at`)."""
    stream_ns: int
    """CLOCK_MONOTONIC at which the source's present unbroken stream began: sample counts are unique within it."""
    level_dbfs: float | None
    """Level of the audio, minus infinity for digital silence, None where it was not measured."""


class Messages(BoardMessages):
    """Writes every message of one gateway in one run of edged."""

    def outlives(self, topic: str) -> bool:
        """Tell whether a topic is about a source, model or board, and may be left when that is gone; status stays."""
        return topic.startswith(tuple(self._topic(kind, "") for kind in ("sound", "model", "mcu")))

    def online(self, *, reason: str, moment: Moment) -> Publication:
        """Say that the gateway is connected."""
        return self._status("online", reason, utc(moment.utc_ns))

    def offline(self, *, reason: str, moment: Moment) -> Publication:
        """Say that the gateway is about to go, on purpose."""
        return self._status("offline", reason, utc(moment.utc_ns))

    def will(self) -> Publication:
        """Write what the broker shall say when the connection is lost."""
        return self._status("offline", "connection lost", None)

    def _status(self, state: Literal["online", "offline"], reason: str, since: str | None) -> Publication:
        return self._retained(
            Status(
                schema=SCHEMA, gateway=self._gateway, state=state, reason=reason, version=self._version, since=since
            ),
            "status",
        )

    def health(self, vitals: Vitals, *, moment: Moment, every_s: float) -> Publication:
        """Say how the gateway is.

        Args:
            vitals: What was measured.
            moment: When.
            every_s: The period at which health is published.
        """
        shape = Health(
            schema=SCHEMA,
            gateway=self._gateway,
            version=self._version,
            at=utc(moment.utc_ns),
            at_ns=moment.utc_ns,
            monotonic_ns=moment.monotonic_ns,
            boot_id=self._boot_id,
            clock_synchronised=moment.synchronised,
            **{name: getattr(vitals, name) for name in Vitals.__dataclass_fields__},
        )
        return self._retained(shape, "health", expiry_s=math.ceil(HEALTH_OUTLIVES * every_s))

    def source_state(self, source: str, condition: Condition, *, moment: Moment) -> Publication:
        """Say how a source is, since `moment`."""
        shape = SourceCondition(
            schema=SCHEMA,
            gateway=self._gateway,
            source=source,
            state=condition.state,
            why=condition.why,
            since=utc(moment.utc_ns),
            clock_synchronised=moment.synchronised,
        )
        return self._retained(shape, "sound", topic_level(source), "state")

    def model_state(self, model: str, state: ModelState, *, why: str, moment: Moment) -> Publication:
        """Say how a model is, since `moment`."""
        shape = ModelCondition(
            schema=SCHEMA,
            gateway=self._gateway,
            model=model,
            state=state,
            why=why,
            since=utc(moment.utc_ns),
            clock_synchronised=moment.synchronised,
        )
        return self._retained(shape, "model", topic_level(model), "state")

    def label_state(self, stream: Stream, label: str, state: Literal["ON", "OFF"]) -> Publication:
        """Say whether a lasting sound is heard now: ON at its start, OFF at its end and when edged starts."""
        return Publication(topic=self._label_topic(stream, label), payload=state.encode(), retain=True)

    def event(self, stream: Stream, decision: Decision, heard: Heard, *, moment: Moment) -> Draft:
        """Write what was heard.

        Args:
            stream: Who heard it.
            decision: What was decided.
            heard: When, and how loud.
            moment: The reading of the clocks by which its times become UTC.
        """
        duration_ns = (decision.at - decision.began) * 1_000_000_000 // stream.rate_hz
        at_ns = moment.utc_of(heard.at_ns)
        sound = Sound(
            schema=SCHEMA,
            gateway=self._gateway,
            source=stream.source,
            model=ModelNamed(name=stream.model, version=stream.version, sha256=stream.sha256),
            kind=decision.kind,
            label=decision.label,
            episode=self._episode(stream, decision, heard),
            score=rounded(decision.score, 4),
            peak=rounded(decision.peak, 4),
            mean=rounded(decision.mean, 4),
            level_dbfs=_level(heard.level_dbfs),
            began=utc(at_ns - duration_ns),
            began_ns=at_ns - duration_ns,
            at=utc(at_ns),
            at_ns=at_ns,
            duration_s=round(duration_ns / 1e9, 3),
            began_sample=decision.began,
            at_sample=decision.at,
            rate_hz=stream.rate_hz,
            monotonic_ns=heard.at_ns,
            boot_id=self._boot_id,
            clock_synchronised=moment.synchronised,
        )
        topic = self._topic("sound", topic_level(stream.source), topic_level(stream.model), _EVENT_LEVEL)
        return Draft(stream=str(stream), topic=topic, body=as_json(asdict(sound)))

    def deliver(self, stored: Stored, *, moment: Moment) -> Publication:
        """Make a stored event ready to send; whenever that is done, id and sequence come out the same.

        Raises:
            ValueError: The stored body is damaged.
        """
        body = json.loads(stored.body)
        if not isinstance(body, dict):
            raise ValueError(f"event {stored.number} is no JSON object")  # noqa: TRY004 - damaged data, not a wrong call
        name = f"{stored.outbox}-{stored.number}"
        arrival = {"id": name, "sequence": stored.sequence, "late": self._late(body, moment), "again": stored.again}
        return Publication(
            topic=stored.topic,
            payload=as_json(body | arrival),
            properties=(("id", name), ("kind", str(body.get("kind")))),
        )

    def _late(self, body: dict[str, Any], moment: Moment) -> bool:
        happened = body.get("monotonic_ns")
        if body.get("boot_id") != self._boot_id or not isinstance(happened, int):
            return True  # of an earlier boot, whose clock ours cannot be compared with
        return moment.monotonic_ns - happened > LATE_NS

    def _episode(self, stream: Stream, decision: Decision, heard: Heard) -> str:
        boot = self._boot_id[:BOOT_DIGITS]
        return f"{boot}-{heard.stream_ns:x}-{stream.source}-{stream.model}-{decision.label}-{decision.began}"

    def _label_topic(self, stream: Stream, label: str) -> str:
        level = topic_level(label)
        if level == _EVENT_LEVEL:  # a label of that name would speak on the events' own topic
            level = escaped(level[0]) + level[1:]
        return self._topic("sound", topic_level(stream.source), topic_level(stream.model), level)


def _level(level_dbfs: float | None) -> float | None:
    return None if level_dbfs is None or not math.isfinite(level_dbfs) else rounded(level_dbfs, 1)
