"""What subscribers read about boards: the part of `edged.messages` that is about `PREFIX/GATEWAY/mcu/BOARD/…`.

A board tells the same event again until it hears that it is stored. So that it is stored once, its draft has a token:
the board's boot, the event's number, and a checksum of what it says, lest a board that counts anew hides something.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edged.board_schemas import (
    BoardCondition,
    BoardHealth,
    BoardIdentity,
    BoardLine,
    BoardLink,
    BoardModel,
    BoardSound,
)
from edged.mcu.board import Pulse
from edged.records import Draft, Publication
from edged.schemas import SCHEMA
from edged.writer import HEALTH_OUTLIVES, Writer, as_json, rounded, topic_level, utc

if TYPE_CHECKING:
    from edged.clock import Moment
    from edged.mcu.board import BoardEvent, BoardState, BoardVitals, Identity, LinkCounts, Placed

_MS_NS = 1_000_000
_ANSWERED = (
    *("round_trip_ms", "idle", "backlog", "next", "dropped", "heard_s", "missed_s", "inferences"),
    *("features_ms", "inference_ms", "arena_bytes", "stack_free_bytes"),
)
_COUNTED = ("state", "connections", "resets", "events", "duplicates", "lost")
"""Of a board's pulse and vitals, what is published under the same name."""
_UNKNOWN = Pulse(round_trip_ms=None)


class BoardMessages(Writer):
    """Writes what is said about boards."""

    def board_state(
        self, board: str, state: BoardState, *, why: str, moment: Moment, identity: Identity | None
    ) -> Publication:
        """Say how a board is, since `moment`, and who answered last."""
        shape = BoardCondition(
            schema=SCHEMA,
            gateway=self._gateway,
            board=board,
            state=state,
            why=why,
            since=utc(moment.utc_ns),
            clock_synchronised=moment.synchronised,
            identity=None if identity is None else _identity(identity),
        )
        return self._retained(shape, "mcu", topic_level(board), "state")

    def board_health(self, board: str, vitals: BoardVitals, *, moment: Moment, every_s: float) -> Publication:
        """Say how a board is, in numbers; `every_s` is the period at which that is done."""
        shape = BoardHealth(
            schema=SCHEMA,
            gateway=self._gateway,
            board=board,
            at=utc(moment.utc_ns),
            at_ns=moment.utc_ns,
            monotonic_ns=moment.monotonic_ns,
            boot_id=self._boot_id,
            clock_synchronised=moment.synchronised,
            **_numbers(vitals),
        )
        return self._retained(shape, "mcu", topic_level(board), "health", expiry_s=math.ceil(HEALTH_OUTLIVES * every_s))

    def board_event(self, board: str, uid: str, event: BoardEvent, when: Placed, *, moment: Moment) -> Draft:
        """Write what a board heard; if it tells that again, it is stored once.

        Args:
            board: The board's name.
            uid: Its chip's number; empty where it tells none.
            event: What it heard.
            when: On our clock.
            moment: The reading of the clocks by which its times become UTC.
        """
        at_ns = moment.utc_of(when.monotonic_ns)
        began_ns = at_ns - event.duration_ms * _MS_NS
        sound = BoardSound(
            schema=SCHEMA,
            gateway=self._gateway,
            board=board,
            uid=uid or None,
            model=BoardModel(sha256=event.model or None),
            kind=event.kind,
            label=event.label,
            episode=_episode(uid or board, event),
            score=rounded(event.score, 4),
            peak=rounded(event.peak, 4),
            mean=rounded(event.mean, 4),
            began=utc(began_ns),
            began_ns=began_ns,
            at=utc(at_ns),
            at_ns=at_ns,
            duration_s=round(event.duration_ms / 1000, 3),
            error_ms=None if when.error_ms is None else rounded(when.error_ms, 3),
            board_boot=event.boot,
            number=event.number,
            monotonic_ns=when.monotonic_ns,
            boot_id=self._boot_id,
            clock_synchronised=moment.synchronised,
        )
        return Draft(
            stream=f"mcu/{board}/event",  # two slashes: no source and model are named so
            topic=self._topic("mcu", topic_level(board), "event"),
            body=as_json(asdict(sound)),
            once=None if event.number is None else (f"mcu/{uid or board}", _token(event)),
        )

    def board_log(self, board: str, line: str, *, moment: Moment) -> Publication:
        """Pass on a line of a board's own log."""
        shape = BoardLine(
            schema=SCHEMA,
            gateway=self._gateway,
            board=board,
            line=line,
            at=utc(moment.utc_ns),
            clock_synchronised=moment.synchronised,
        )
        return Publication(topic=self._topic("mcu", topic_level(board), "log"), payload=as_json(asdict(shape)), qos=0)


def _identity(identity: Identity) -> BoardIdentity:
    return BoardIdentity(
        speaks=identity.speaks,
        hardware=identity.board,
        chip=identity.chip,
        firmware=identity.firmware,
        uid=identity.uid or None,
        microphone=identity.microphone,
    )


def _numbers(vitals: BoardVitals) -> dict[str, Any]:
    """Give what BoardHealth says besides when and of whom."""
    identity, pulse = vitals.identity, vitals.pulse or _UNKNOWN
    boot = pulse.boot if pulse.boot is not None or identity is None else identity.boot
    return {
        **{name: getattr(vitals, name) for name in _COUNTED},
        **{name: getattr(pulse, name) for name in _ANSWERED},
        "boot": boot,
        "reset": None if identity is None else identity.reset,
        "uptime_s": None if pulse.up_ms is None else round(pulse.up_ms / 1000, 3),
        "doing": pulse.state,
        "log_dropped": vitals.text_dropped,
        "link": _link(vitals.link, pulse),
    }


def _link(counts: LinkCounts, pulse: Pulse) -> BoardLink:
    return BoardLink(
        bytes_in=counts.bytes_in,
        bytes_out=counts.bytes_out,
        bad=counts.bad,
        text_lines=counts.text_lines,
        foreign=dict(counts.foreign),
        board_lost=pulse.link_lost,
        board_bad=pulse.link_bad,
    )


def _episode(who: str, event: BoardEvent) -> str | None:
    if event.boot is None or event.began_sample is None:
        return None
    return f"{who}-{event.boot}-{event.label}-{event.began_sample}"


def _token(event: BoardEvent) -> str:
    """Name an event among those of its board; all in it stays as it is when the board tells it again."""
    said = (event.kind, event.label, event.score, event.peak, event.mean, event.model)
    when = (event.at_ms, event.duration_ms, event.began_sample)
    return f"{event.boot}/{event.number}/{zlib.crc32(repr((*said, *when)).encode(errors='replace')):08x}"
