"""The JSON shapes that subscribers read, each field with what it means; `edged.messages` fills them.

They are plain dataclasses, so that the daemon pays for no library; `edged.published` makes JSON Schemas of these very
classes and their docstrings, and of those of `edged.board_schemas`. `SCHEMA` is in every JSON payload: it grows when a
field changes its meaning or goes; new fields may come at any time, so a subscriber ignores what it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edged.records import EventKind, ModelState, SourceState  # noqa: TC001 - pydantic resolves them at run time

SCHEMA = 1


class Described:
    """Makes pydantic take each field's docstring for its description."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, bool]] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Described):
    """Whether the gateway is connected; retained, and its offline form is the will."""

    schema: int
    gateway: str
    state: Literal["online", "offline"]
    reason: str
    """Why, for a person: `started`, `stopped`, `connection lost`."""
    version: str
    """Of edged."""
    since: str | None
    """UTC; null in the will, which the broker sends at a time edged cannot know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCondition(Described):
    """How a source is; retained."""

    schema: int
    gateway: str
    source: str
    state: SourceState
    why: str
    """Plain words for a person."""
    since: str
    """UTC."""
    clock_synchronised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCondition(Described):
    """How a model is; retained."""

    schema: int
    gateway: str
    model: str
    state: ModelState
    why: str
    """Plain words for a person; empty while all is well."""
    since: str
    """UTC."""
    clock_synchronised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNamed(Described):
    """Which model heard it."""

    name: str
    version: str
    sha256: str
    """Of the model file, 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Described):
    """What was heard: an event as it waits in the outbox."""

    schema: int
    gateway: str
    source: str
    model: ModelNamed
    kind: EventKind
    """`detection`: one moment (a wake word). `start`, `update`, `end`: of a sound that lasts."""
    label: str
    episode: str
    """The same in the start, updates and end of one sound; never used again."""
    score: float
    """The smoothed posterior that decided, 0 to 1."""
    peak: float
    """Highest smoothed posterior since the sound began."""
    mean: float
    """Mean smoothed posterior since the sound began."""
    level_dbfs: float | None
    """Level of the audio, dB relative to full scale; null for digital silence or where it was not measured."""
    began: str
    """UTC at which the sound began; for a detection, equal to `at`."""
    began_ns: int
    """The same, ns since 1970-01-01 UTC."""
    at: str
    """UTC of the last sample that this event rests on."""
    at_ns: int
    """The same, ns since 1970-01-01 UTC."""
    duration_s: float
    """From `began` to `at`, by sample count."""
    began_sample: int
    """`began`, counted in samples since the source's stream last broke, at `rate_hz`."""
    at_sample: int
    """`at`, likewise."""
    rate_hz: int
    monotonic_ns: int
    """`at` on the monotonic clock: within one `boot_id`, differences are right whatever the wall clock did."""
    boot_id: str
    clock_synchronised: bool
    """False when the gateway's wall clock was not (yet) set: then do not believe the UTC times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Sound):
    """An event as it is delivered."""

    id: str
    """The same each time this event is delivered, and no other event ever has it: drop what you have seen."""
    sequence: int
    """Counts the events of one source and model from 1, across restarts; a gap means events were lost."""
    late: bool
    """Delivered more than 10 s after it happened, or in a later boot."""
    again: bool
    """May have been delivered before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxHealth(Described):
    """The queue of events that the broker has not acknowledged."""

    state: str
    """`ok`, or what is wrong with the disk."""
    depth: int
    """Events stored."""
    waiting: int
    """Events not stored yet, in memory."""
    lost: int
    """Events that will never be delivered because the outbox was full, since the outbox was made."""
    duplicates: int
    """Events of boards that came again though they were stored, and were dropped, since the outbox was made."""
    set_aside: str | None
    """The damaged file that was found at start and kept under this name; null when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttHealth(Described):
    """The connection to the broker."""

    connected_since: str | None
    """UTC."""
    reconnects: int
    """Connections after the first, since start."""
    unheard: int
    """Events for which the broker had no subscriber (MQTT 5 brokers that say so), since start."""
    unsendable: int
    """Events dropped because no broker could ever take them (too large, damaged), since start."""
    unsaid: int
    """Lines of boards' logs for which there was no connection, or none that was free, since start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth(Described):
    """One source."""

    state: SourceState
    heard_s: float
    """Audio heard, since start."""
    missed_s: float
    """Time without audio, since start."""
    dropped: int
    """Chunks that came but were thrown away because nobody took them in time, since start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHealth(Described):
    """One model on one source."""

    state: ModelState
    windows: int
    """Windows classified, since start."""
    dropped_s: float
    """Audio that the model did not hear because it was slow or down, since start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsHealth(Described):
    """The clips kept on this machine for training."""

    state: str
    """`ok`, or what is wrong with the disk."""
    kept: int
    """Clips there are."""
    bytes: int
    """Their size."""
    dropped: int
    """Clips that have gone to make room for others, since start."""
    lost: int
    """Clips that were never kept, because the disk was slow, full or away, since start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals(Described):
    """What the gateway measures of itself."""

    uptime_s: float
    """Of edged."""
    temperature_c: float | None
    """Of the processor; null where there is no sensor."""
    throttled: tuple[str, ...] | None
    """What a Raspberry Pi's firmware complains of (`under-voltage`, ...): empty when nothing, null elsewhere."""
    load: float
    """Mean load of the last minute."""
    rss_bytes: int
    """Memory of edged and its children."""
    outbox: OutboxHealth
    mqtt: MqttHealth
    sources: dict[str, SourceHealth]
    """By name."""
    models: dict[str, ModelHealth]
    """By `<source>/<model>`."""
    clips: ClipsHealth | None = None
    """Null where none are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Vitals):
    """How the gateway is; retained, periodic."""

    schema: int
    gateway: str
    version: str
    """Of edged."""
    at: str
    """UTC."""
    at_ns: int
    """The same, ns since 1970-01-01 UTC."""
    monotonic_ns: int
    """The same instant on the monotonic clock; with it, times of this boot can be corrected once the clock is set."""
    boot_id: str
    clock_synchronised: bool
