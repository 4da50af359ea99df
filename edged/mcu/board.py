"""What boards say, whatever they speak: the records that a driver hands to whoever supervises the board.

A subscriber cannot tell which kind of board heard a sound: all three drivers end in the same `BoardEvent`. What a kind
of board does not know of itself is None here, never an invented number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from edged.records import EventKind

DriverName: TypeAlias = Literal["smp", "edge-impulse", "lines"]
BoardState: TypeAlias = Literal["absent", "busy", "probing", "up", "stale", "resetting", "quarantined"]
"""`busy`: another program holds its port. `edged.mcu.health` leads from one to the next."""
MAX_REASONS: Final = 12
"""More kinds of nonsense than that are told apart by nobody; the rest is counted together."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered when it was asked."""

    speaks: Literal["edged", "mcumgr", "edge-impulse", "lines"]
    """`edged`: our own firmware; `mcumgr`: an SMP server without our group."""
    board: str = ""
    """Kind of board, as it says: a key of boards.toml from our firmware."""
    chip: str = ""
    firmware: str = ""
    """Its version."""
    uid: str = ""
    """The chip's own number, hexadecimal; empty where the board tells none."""
    boot: int | None = None
    """Counts its boots, across power cuts."""
    reset: str | None = None
    """Why it booted: power, pin, software, watchdog, fault or unknown."""
    up_ms: int | None = None
    """Since the boot."""
    next: int | None = None
    """Number of its next event: none that it sends has this number or a later one before it was decided."""
    microphone: bool | None = None


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One thing that a board heard."""

    kind: EventKind
    label: str
    score: float
    """0 to 1, as are the two below."""
    peak: float
    mean: float
    model: str = ""
    """First bytes of the model file's sha256, hexadecimal, as many as the board tells."""
    boot: int | None = None
    """Of the run that heard it, which need not be the present one."""
    number: int | None = None
    """With uid and boot it names the event for good; None: the board does not number, and says it once."""
    at_ms: int | None = None
    """When it was decided, since that boot, by the board's clock; None: as it arrived."""
    arrived_ns: int | None = None
    """CLOCK_MONOTONIC when it came, of a board without a clock: it may wait here for the outbox. None: just now."""
    duration_ms: int = 0
    """From its beginning to the moment it rests on, by the board's sample count."""
    began_sample: int | None = None
    """At which it began, since that boot: the same in the start, the updates and the end of one sound."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A moment of a board's, found on our own clock."""

    monotonic_ns: int
    """CLOCK_MONOTONIC; below 0 when it was before this machine booted."""
    error_ms: float | None = None
    """So far off it may be, either way; None: it is only when we heard of it."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a board is, as it answered one heartbeat.

    Counts are since its boot, or since the link was opened where it counts nothing itself.
    """

    round_trip_ms: float | None
    """None: it was not asked, for a question would interrupt it; it is known to live by what it says."""
    answered_ns: int | None = None
    """CLOCK_MONOTONIC when the answer had come; None: as `pulse` returned."""
    boot: int | None = None
    up_ms: int | None = None
    idle: float | None = None
    """Share of the time asleep, 0 to 1."""
    backlog: int | None = None
    """Events that it keeps for us."""
    next: int | None = None
    """As in Identity."""
    dropped: int | None = None
    """Events that found no room in its ring."""
    heard_s: float | None = None
    missed_s: float | None = None
    inferences: int | None = None
    features_ms: float | None = None
    """Of the last inference, from samples to features, as the board says."""
    inference_ms: float | None = None
    """Of the last inference, from features to scores, as the board says."""
    link_lost: int | None = None
    """Bytes that came to the board and found no room."""
    link_bad: int | None = None
    """Frames that came to the board and were none."""
    arena_bytes: int | None = None
    stack_free_bytes: int | None = None
    state: str | None = None
    """listening, trial, injected or empty."""


@dataclass(slots=True)
class LinkCounts:
    """What the gateway's end of one link has counted, since edged started."""

    bytes_in: int = 0
    bytes_out: int = 0
    bad: int = 0
    """Frames or lines that were none."""
    text_lines: int = 0
    foreign: dict[str, int] = field(default_factory=dict)
    """What came and was refused, by reason: `event of the future`, `too long`, …; at most a dozen reasons."""

    def refuse(self, why: str) -> None:
        """Count something that came and was refused. Whoever refuses it counts it, and then tells `Ears.wrong`."""
        if why not in self.foreign and len(self.foreign) >= MAX_REASONS:
            why = "of other reasons"
        self.foreign[why] = self.foreign.get(why, 0) + 1


@dataclass(frozen=True, slots=True)
class BoardVitals:
    """All that the gateway knows of how a board is; counts are since edged started."""

    state: BoardState
    identity: Identity | None = None
    """Who answered last."""
    pulse: Pulse | None = None
    """Its last; None: none since it was last lost."""
    link: LinkCounts = field(default_factory=LinkCounts)
    connections: int = 0
    """How often it came up."""
    resets: int = 0
    """How often it was made to begin anew."""
    events: int = 0
    """Stored."""
    duplicates: int = 0
    """Events that came again, and were known."""
    lost: int = 0
    """Events that it dropped, in all its boots."""
    text_dropped: int = 0
    """Lines of its log that came too fast to be passed on."""
