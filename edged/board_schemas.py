"""The JSON shapes of what is said about boards, each field with what it means; `edged.messages` fills them.

What a kind of board does not tell of itself is null, never an invented number. An event has the fields of a source's
event (`edged.schemas.Sound`) under the same names, as far as a board can know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edged.mcu.board import BoardState  # noqa: TC001 - pydantic resolves it at run time
from edged.records import EventKind  # noqa: TC001 - as above
from edged.schemas import Described


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardIdentity(Described):
    """Who answered when the board was asked."""

    speaks: Literal["edged", "mcumgr", "edge-impulse", "lines"]
    """`edged`: our own firmware; `mcumgr`: another SMP server; `edge-impulse`; `lines`: a sketch."""
    hardware: str
    """Kind of board, as it says; empty where it says none."""
    chip: str
    """As it says; empty where it says none."""
    firmware: str
    """Its version; empty where it tells none."""
    uid: str | None
    """The chip's own number, hexadecimal; null where it tells none."""
    microphone: bool | None
    """Whether it has one; null where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCondition(Described):
    """How a board is; retained."""

    schema: int
    gateway: str
    board: str
    state: BoardState
    why: str
    """Plain words for a person; empty while all is well."""
    since: str
    """UTC."""
    clock_synchronised: bool
    identity: BoardIdentity | None
    """Who answered last; null: nobody yet, since edged started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLink(Described):
    """What came and went between gateway and board."""

    bytes_in: int
    """From the board, since edged started; so are the next four."""
    bytes_out: int
    """To the board."""
    bad: int
    """Frames or lines from the board that were none."""
    text_lines: int
    """Lines of its log."""
    foreign: dict[str, int]
    """What came whole and was refused, by reason, with how often."""
    board_lost: int | None
    """Bytes that came to the board and found no room there, since its boot."""
    board_bad: int | None
    """Frames that came to the board and were none, since its boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardHealth(Described):
    """How a board is, in numbers; retained, periodic."""

    schema: int
    gateway: str
    board: str
    at: str
    """UTC."""
    at_ns: int
    """The same, ns since 1970-01-01 UTC."""
    monotonic_ns: int
    """The same instant on the monotonic clock; with it, times of this boot can be corrected once the clock is set."""
    boot_id: str
    clock_synchronised: bool
    state: BoardState
    boot: int | None
    """Counts the board's boots, across power cuts."""
    reset: str | None
    """Why it booted: `power`, `pin`, `software`, `watchdog`, `fault` or `unknown`."""
    uptime_s: float | None
    """Of the board, when it answered last; null, as is all that follows up to `link`, while it does not answer."""
    round_trip_ms: float | None
    """From the question how it is to the answer; null where asking would interrupt it."""
    idle: float | None
    """Share of the time that its core slept, 0 to 1."""
    backlog: int | None
    """Events that it keeps until they are acknowledged."""
    next: int | None
    """Number of its next event."""
    dropped: int | None
    """Events that found no room on the board, since its boot."""
    heard_s: float | None
    """Audio that it heard, since its boot."""
    missed_s: float | None
    """Time without audio, since its boot."""
    inferences: int | None
    """Times that its model ran, since its boot."""
    features_ms: float | None
    """Of its last inference, from samples to features."""
    inference_ms: float | None
    """Of its last inference, from features to scores."""
    arena_bytes: int | None
    """Memory that its model uses."""
    stack_free_bytes: int | None
    """Memory of its stack that was never used."""
    doing: str | None
    """`listening`, `trial` (of another model), `injected` (hears what it is sent) or `empty` (has no model)."""
    link: BoardLink
    connections: int
    """How often it came up, since edged started; so are the next five."""
    resets: int
    """How often edged made it begin anew."""
    events: int
    """Events stored."""
    duplicates: int
    """Events that came again though they were stored, and were dropped."""
    lost: int
    """Events that the board dropped because it had no room for more, in all its boots."""
    log_dropped: int
    """Lines of its log that came too fast to be published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardModel(Described):
    """Which model heard it."""

    sha256: str | None
    """First hexadecimal digits of the model file's, as many as the board tells; null where it tells none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSound(Described):
    """What a board heard: an event as it waits in the outbox."""

    schema: int
    gateway: str
    board: str
    uid: str | None
    """The chip's own number; null where the board tells none."""
    model: BoardModel
    kind: EventKind
    """`detection`: one moment (a wake word). `start`, `update`, `end`: of a sound that lasts."""
    label: str
    episode: str | None
    """The same in the start, updates and end of one sound; never used again; null where the board does not tell."""
    score: float
    """The smoothed posterior that decided, 0 to 1; of a board that sends scores, the score itself."""
    peak: float
    """Highest smoothed posterior since the sound began."""
    mean: float
    """Mean smoothed posterior since the sound began."""
    began: str
    """UTC at which the sound began; for a detection, equal to `at`."""
    began_ns: int
    """The same, ns since 1970-01-01 UTC."""
    at: str
    """UTC at which the board decided."""
    at_ns: int
    """The same, ns since 1970-01-01 UTC."""
    duration_s: float
    """From `began` to `at`, by the board's count of samples."""
    error_ms: float | None
    """So far off `at` may be, either way, by the two clocks; null: it is only the time at which the event came."""
    board_boot: int | None
    """Of the board's boots, counted by it, the one that heard it; null where it counts none."""
    number: int | None
    """Counts the board's events; with `uid` and `board_boot` it names the event for good; null where it counts none."""
    monotonic_ns: int
    """`at` on the gateway's monotonic clock; below 0 where it was before the gateway booted."""
    boot_id: str
    clock_synchronised: bool
    """False when the gateway's wall clock was not (yet) set: then do not believe the UTC times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEvent(BoardSound):
    """A board's event as it is delivered."""

    id: str
    """The same each time this event is delivered, and no other event ever has it: drop what you have seen."""
    sequence: int
    """Counts the events of one board's name from 1, across restarts; a gap means events were lost."""
    late: bool
    """Delivered more than 10 s after it happened, or in a later boot."""
    again: bool
    """May have been delivered before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLine(Described):
    """A line of a board's own log; QoS 0, never retained."""

    schema: int
    gateway: str
    board: str
    line: str
    """As the board wrote it, without its end."""
    at: str
    """UTC at which it came."""
    clock_synchronised: bool
