"""What edged's firmware says of itself and of what it heard, as the records that all boards end in. Pure.

A board is believed as far as its own numbers allow: `check` and `check_event` refuse what no board sends, `covers`
tells whether a board that has come so far can have decided an event before. Its names are shown on terminals and in
messages, so they are cut and made printable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edged.mcu.board import BoardEvent, Identity, Pulse
from edged.mcu.body import Malformed
from edged.mcu.group import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.mcu.group import Event, Heartbeat, Hello
    from edged.records import EventKind

SAMPLE_RATE_HZ: Final = 16_000
MAX_LABEL_BYTES: Final = 32
"""PROTOCOL.md: event-request."""
CENTURY_MS: Final = 100 * 366 * 24 * 3600 * 1000
"""No board runs for longer."""
PERMILLE: Final = 1000
MAX_NAME: Final = 64
"""Characters of a name; our firmware's have twenty."""
RESETS: Final = frozenset({"power", "pin", "software", "watchdog", "fault", "unknown"})

_KINDS: Final[Mapping[Kind, EventKind]] = {
    Kind.DETECTION: "detection",
    Kind.START: "start",
    Kind.UPDATE: "update",
    Kind.END: "end",
}


def name(text: str) -> str:
    """A name as it may be shown."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:MAX_NAME]).strip()


def identity(hello: Hello) -> Identity:
    """Who it is."""
    return Identity(
        speaks="edged",
        board=name(hello.board),
        chip=name(hello.chip),
        firmware=name(hello.firmware),
        uid=hello.uid.hex(),
        boot=hello.boot,
        reset=hello.reset if hello.reset in RESETS else "unknown",
        up_ms=hello.up_ms,
        next=hello.next,
        microphone=hello.microphone,
    )


def pulse(heartbeat: Heartbeat, *, asked_ns: int, answered_ns: int) -> Pulse:
    """How it is; the moments are of the question and of its answer, by CLOCK_MONOTONIC."""
    return Pulse(
        round_trip_ms=(answered_ns - asked_ns) / 1e6,
        answered_ns=answered_ns,
        boot=heartbeat.boot,
        up_ms=heartbeat.up_ms,
        idle=heartbeat.idle_permille / PERMILLE,
        backlog=heartbeat.next - heartbeat.first,
        next=heartbeat.next,
        dropped=heartbeat.dropped,
        heard_s=heartbeat.heard / SAMPLE_RATE_HZ,
        missed_s=heartbeat.missed / SAMPLE_RATE_HZ,
        inferences=heartbeat.runs,
        link_lost=heartbeat.link_lost,
        link_bad=heartbeat.link_bad,
        arena_bytes=heartbeat.arena_bytes,
        stack_free_bytes=heartbeat.stack_free_bytes,
        state=name(heartbeat.state),
    )


def check(told: Hello | Heartbeat) -> None:
    """See what the types do not say.

    Raises:
        Malformed: No board sends that.
    """
    if told.up_ms > CENTURY_MS or told.first > told.next:
        raise Malformed("counts that no board has")


def check_event(event: Event) -> None:
    """See what the types do not say.

    Raises:
        Malformed: No board sends that.
    """
    if (
        len(event.label.encode()) > MAX_LABEL_BYTES
        or max(event.score, event.peak, event.mean) > 1
        or not event.began <= event.at <= CENTURY_MS * SAMPLE_RATE_HZ // 1000
        or event.at_ms > CENTURY_MS
    ):
        raise Malformed("an event that no board sends")


def covers(latest: Hello | Heartbeat | None, event: Event) -> bool:
    """Whether a board that says this of itself can have decided that event before."""
    if latest is None or event.number >= latest.next or event.boot > latest.boot:
        return False
    return event.boot < latest.boot or event.at_ms <= latest.up_ms


def event_of(event: Event) -> BoardEvent:
    """What it heard."""
    return BoardEvent(
        kind=_KINDS[event.kind],
        label=event.label,
        score=event.score,
        peak=event.peak,
        mean=event.mean,
        model=event.model.hex(),
        boot=event.boot,
        number=event.number,
        at_ms=event.at_ms,
        duration_ms=1000 * (event.at - event.began) // SAMPLE_RATE_HZ,
        began_sample=event.began,
    )
