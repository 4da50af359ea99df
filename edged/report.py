"""How the daemon is: in one line of words, and in the numbers of the health message."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from edged import vitals
from edged.mcu.health import State
from edged.messages import utc
from edged.schemas import ModelHealth, MqttHealth, OutboxHealth, SourceHealth, Vitals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from edged.clips import Clips
    from edged.clock import Moment
    from edged.mcu.supervisor import Supervisor
    from edged.mqtt import Link
    from edged.outbox import Outbox
    from edged.records import ModelState, SourceState
    from edged.station import Health, Station

HEARS = frozenset({"hearing", "ended"})
WORSE: dict[ModelState, int] = {"running": 0, "starting": 1, "failed": 2}


def in_words(stations: Collection[Station], boards: Iterable[Supervisor] = ()) -> str:
    """Say how things stand in one line: ``hearing kitchen; deaf: cellar absent since 14:02 (no such device)``."""
    hearing = [station.name for station in stations if station.health.state in HEARS]
    deaf = [_trouble(station.name, station.health) for station in stations if station.health.state not in HEARS]
    failed = [
        _trouble(f"{name} on {station.name}", health)
        for station in stations
        for name, health in station.models.items()
        if health.state == "failed"
    ]
    up, away = _boards(boards)
    parts = (("hearing ", hearing), ("deaf: ", deaf), ("failed: ", failed), ("boards ", up), ("boards away: ", away))
    return "; ".join(head + ", ".join(names) for head, names in parts if names)


def model_healths(stations: Collection[Station]) -> dict[str, Health[ModelState]]:
    """Say how each model is: as it is where it is worst, for a model hears many sources and has one topic."""
    found: dict[str, Health[ModelState]] = {}
    for station in stations:
        for name, health in station.models.items():
            if name not in found or WORSE[health.state] > WORSE[found[name].state]:
                why = f"on {station.name}: {health.why}" if health.why else ""
                found[name] = replace(health, why=why)
    return found


def _boards(boards: Iterable[Supervisor]) -> tuple[list[str], list[str]]:
    """Name those that are up, and say of the others how they are."""
    up, away = [], []
    for board in boards:
        health = board.health
        if health.state is State.UP:
            up.append(board.name)
        else:
            away.append(_since(board.name, health.state.value, health.why, health.since))
    return up, away


def _trouble(name: str, health: Health[SourceState] | Health[ModelState]) -> str:
    return _since(name, health.state, health.why, health.since)


def _since(name: str, state: str, why: str, moment: Moment) -> str:
    since = datetime.fromtimestamp(moment.utc_ns / 1e9).astimezone().strftime("%H:%M")
    return f"{name} {state} since {since}" + (f" ({why})" if why else "")


def measured(
    stations: Collection[Station], *, outbox: Outbox, link: Link, clips: Clips | None, began_s: float
) -> Vitals:
    """Take the numbers of the health message.

    Args:
        stations: Everything that listens.
        outbox: Where events wait.
        link: The connection to the broker.
        clips: What keeps clips, where somebody does.
        began_s: When the daemon began, by time.monotonic().
    """
    return Vitals(
        uptime_s=round(time.monotonic() - began_s, 1),
        temperature_c=vitals.temperature_c(),
        throttled=vitals.throttled(),
        load=vitals.load(),
        rss_bytes=vitals.rss_bytes(),
        outbox=OutboxHealth(
            state=outbox.state,
            depth=outbox.depth,
            waiting=outbox.waiting,
            lost=outbox.lost,
            duplicates=outbox.duplicates,
            set_aside=None if outbox.set_aside is None else str(outbox.set_aside),
        ),
        mqtt=MqttHealth(
            connected_since=None if link.connected_since is None else utc(link.connected_since.utc_ns),
            reconnects=link.reconnects,
            unheard=link.unheard,
            unsendable=link.unsendable,
            unsaid=link.unsaid,
        ),
        sources={station.name: _source(station) for station in stations},
        models={
            listener.name: ModelHealth(
                state=station.models[model].state,
                windows=listener.windows,
                dropped_s=round(listener.dropped_s, 3),
            )
            for station in stations
            for model, listener in station.listeners.items()
        },
        clips=None if clips is None else clips.health,
    )


def _source(station: Station) -> SourceHealth:
    ledger = station.source.ledger
    return SourceHealth(
        state=station.health.state,
        heard_s=round(ledger.heard_s, 3),
        missed_s=round(ledger.missed_s, 3),
        dropped=ledger.dropped_chunks,
    )
