"""A swap: another file for a model of the running daemon, proven first, then on trial, then for good; or not at all.

    look at it ─▶ golden input ─▶ open it ─▶ copy it ─▶ between two windows: take over, on trial ─▶ note the copy

Whatever fails on the way, the model before it runs on, with the very next window; and the state directory names it,
for the copy is noted last: a model that brings the whole daemon down on its trial is gone after the restart.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edged import clock, installed
from edged.errors import ModelError, Unavailable, UserError, WorkerLost
from edged.trial import TRIAL_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edged.classify.proof import Proof
    from edged.lane import Lane
    from edged.listener import Listener
    from edged.plan import Plan
    from edged.records import SourceState
    from edged.station import Station
    from edged.trial import Trial

TRIAL_S = 5.0
"""A model that has classified fewer than `TRIAL_WINDOWS` by then is kept: there was too little to hear."""
DEAF: frozenset[SourceState] = frozenset({"starting", "absent", "busy", "wrong-rate", "ended"})
"""Nothing comes from a source in these states, and nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """A swap that went well."""

    plan: Plan
    """What runs now."""
    proof: Proof | None
    """How near it came to its golden output; None where it has none."""
    tried: bool
    """Whether it has proven itself on sound, wherever it is heard; otherwise there was too little to hear."""


async def swap(old: Plan, stations: Sequence[Station], name: str, path: Path, *, stopping: asyncio.Event) -> Swapped:
    """Give a model another file.

    Args:
        old: What runs.
        stations: Those that run it.
        name: The model's name in the config.
        path: The file.
        stopping: Set when the daemon is to stop; a trial is then broken off.

    Raises:
        UserError: There is no such model, the file is no model, or it answers otherwise than when it was made.
        StateError: It cannot be copied.
        ModelError, WorkerLost: It failed on trial; the model before it is back.
        Unavailable: The daemon stops.
    """
    if name not in old.models:
        known = ", ".join(old.models)
        raise UserError("the config has no such model", key="name", value=name, way_out=f"Name any of {known}")
    new = await asyncio.to_thread(old.with_model, name, path)
    proof = await asyncio.to_thread(new.prove, name)
    heard = [station for station in stations if name in station.listeners]
    listeners = [station.listeners[name] for station in heard]
    heirs = await _opened(new, name, len(listeners))
    try:
        copy = await asyncio.to_thread(
            installed.Copy, old.config.state_dir, name, path, configured=old.configured(name)
        )
    except BaseException:
        _close(heirs)
        raise
    kept = new.with_copy(name, copy.path)
    opening = partial(new.open_lane, name)
    trials = [listener.try_out(heir, opening) for listener, heir in zip(listeners, heirs, strict=True)]
    waited_for = [trial for station, trial in zip(heard, trials, strict=True) if station.health.state not in DEAF]
    try:
        tried = await _heard_out(waited_for, stopping=stopping)
        _check(trials, path, stopping=stopping)
        for listener in listeners:
            listener.keep()
        await asyncio.to_thread(copy.commit)
    except BaseException:
        _hand_back(listeners)
        copy.discard()
        raise
    for station in heard:
        station.listeners[name].settle(partial(kept.open_lane, name))
        station.models[name].since = clock.now()
    return Swapped(kept, proof, tried and len(waited_for) == len(trials))


async def _opened(new: Plan, name: str, count: int) -> list[Lane]:
    """Open the model once for each source, one by one, so that those already open are closed if the next one fails."""
    heirs: list[Lane] = []
    try:
        for _ in range(count):
            heir = await asyncio.to_thread(new.open_lane, name)
            heirs.append(heir)
    except BaseException:
        _close(heirs)
        raise
    return heirs


async def _heard_out(trials: Sequence[Trial], *, stopping: asyncio.Event) -> bool:
    """Wait for every verdict, or for the first that is bad, within `TRIAL_S`; whether they have come."""
    verdicts = asyncio.gather(*(trial.verdict() for trial in trials))
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((verdicts, stop), timeout=TRIAL_S, return_when=asyncio.FIRST_COMPLETED)
        return verdicts.done()
    finally:
        verdicts.cancel()
        stop.cancel()
        await asyncio.gather(verdicts, stop, return_exceptions=True)


def _check(trials: Sequence[Trial], path: Path, *, stopping: asyncio.Event) -> None:
    """Raise what keeps a new model from staying."""
    if stopping.is_set():
        raise Unavailable(f"{path}: edged stops, and keeps the model before it")
    for trial in trials:
        match trial.error:
            case ModelError() as error:
                way_out = "Mend the model, or install another; the one before it runs on"
                raise ModelError(f"{_rolled_back()}: {error.what}", file=path, way_out=way_out)
            case WorkerLost() as lost:
                raise WorkerLost(f"{path}: {_rolled_back()}: {lost}")


def _rolled_back() -> str:
    return f"is rolled back, for it failed in its first {TRIAL_WINDOWS} windows"


def _hand_back(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        listener.hand_back()


def _close(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.close()
