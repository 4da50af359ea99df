"""A station: one source, the listeners behind it, and what they say of themselves.

A source and its lanes come and go together; a reload replaces only the stations whose part of the config has changed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from edged import clock
from edged.listener import Listener
from edged.outage import Outage
from edged.pipeline import road
from edged.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from concurrent.futures import Executor

    from edged.audio.sources import Source
    from edged.clips import Ear
    from edged.clock import Moment
    from edged.lane import Lane
    from edged.messages import Messages
    from edged.outbox import Outbox
    from edged.records import Chunk, Condition, Event, ModelState, Publication, SourceState

State = TypeVar("State")
log = logging.getLogger(__name__)

DRAIN_S = 3.0
"""How long what was heard may still be classified after the source has stopped."""

WELL: frozenset[SourceState | ModelState] = frozenset({"starting", "hearing", "ended", "running"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a station speaks to."""

    messages: Messages
    outbox: Outbox
    retain: Callable[[Publication], None]
    moved: Callable[[str], None]
    """A walker of this name has made progress."""
    left: Callable[[str], None]
    """A walker of this name is off the road."""
    changed: Callable[[], None]
    """A source or model is not as it was."""
    pool: Executor
    """Where lanes are run; one worker for each."""


@dataclass(slots=True)
class Health(Generic[State]):
    """How a source or a model is, and since when."""

    state: State
    why: str = ""
    since: Moment = field(default_factory=clock.now)


class Station:
    """One source and its lanes.

    Args:
        name: The source's name in the config.
        source: Where the audio comes from.
        lanes: By the model's name: how to open its lane; blocking.
        around: What it speaks to.
    """

    def __init__(
        self, name: str, source: Source, lanes: Mapping[str, Callable[[], Lane]], *, around: Surroundings
    ) -> None:
        self.name, self.source = name, source
        self.health: Health[SourceState] = Health("starting")
        self.models: dict[str, Health[ModelState]] = {model: Health("starting") for model in lanes}
        self.spoken = asyncio.Event()
        """Set once the source has been heard, or found absent and published so."""
        self.taps: set[Callable[[Chunk], None]] = set()
        self._around = around
        self._ear: Ear | None = None
        self._outage = Outage()
        """How loud the log is about the source; and, by the model's name, about each model."""
        self._outages = {model: Outage() for model in lanes}
        self._reporters: list[Reporter] = []
        self.listeners = {model: self._listener(model, opening) for model, opening in lanes.items()}

    def _listener(self, model: str, opening: Callable[[], Lane]) -> Listener:
        around, walker = self._around, f"{self.name}/{model}"
        reporter = Reporter(self.name, model, messages=around.messages, outbox=around.outbox, retain=around.retain)
        self._reporters.append(reporter)

        def decided(lane: Lane, events: list[Event]) -> None:
            if self._ear is not None:
                lane.watch = self._ear.decided(model, lane, events)
            reporter.report(lane, events)

        def changed(state: ModelState, why: str) -> None:
            lane = self.listeners[model].lane
            if state == "running" and lane is not None:
                reporter.all_off(lane)
            self._model_changed(model, state, why)

        return Listener(walker, open_lane=opening, decided=decided, changed=changed, moved=lambda: self._moved(walker))

    def open(self, *, later: Container[str] = ()) -> None:
        """Open every model but those that may come later, blocking and silent; raises ModelError for a bad one."""
        for model, listener in self.listeners.items():
            if model not in later:
                listener.start()

    def close(self) -> None:
        """Close what `open` opened, for a station that shall not run after all."""
        for listener in self.listeners.values():
            listener.close()

    def overhear(self, ear: Ear | None) -> None:
        """Have an ear keep the sound around what is decided, in place of the one before; a recording needs none."""
        if self._ear is not None:
            self.taps.discard(self._ear.take)
            self._ear.finish()
            for listener in self.listeners.values():
                if listener.lane is not None:
                    listener.lane.watch = None
        self._ear = None if self.source.waits else ear
        if self._ear is not None:
            self.taps.add(self._ear.take)

    async def run(self) -> None:
        """Listen until cancelled; then classify what was still heard, within `DRAIN_S`, and close the models."""
        for walker in self._walkers():
            self._moved(walker)
        listening = asyncio.create_task(self._listen(), name=self.name)
        lanes = [
            asyncio.create_task(listener.run(self._around.pool), name=listener.name)
            for listener in self.listeners.values()
        ]
        try:
            done, _ = await asyncio.wait((listening, *lanes), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            await asyncio.Event().wait()  # a file has come to its end: there is nothing more to hear, and no hurry
        finally:
            await _end(listening)
            await self._drain()
            for listener in self.listeners.values():
                listener.hurry()
            await _end(*lanes)
            await self._settle()
            self.overhear(None)
            self._off_the_road()

    async def _drain(self) -> None:
        """Let what was heard be classified."""
        for listener in self.listeners.values():
            listener.feed(None)
        drains = [asyncio.create_task(listener.drained()) for listener in self.listeners.values()]
        if drains:
            await asyncio.wait(drains, timeout=DRAIN_S)
        await _end(*drains)

    async def _settle(self) -> None:
        """Let what was decided be committed."""
        settling = [asyncio.create_task(reporter.settled()) for reporter in self._reporters]
        if settling:
            await asyncio.wait(settling, timeout=DRAIN_S)
        await _end(*settling)

    async def _listen(self) -> None:
        await road(self.source, tuple(self.listeners.values()), condition=self._condition, tapped=self._tapped)

    def _tapped(self, chunk: Chunk) -> None:
        self._moved(self.name)
        for tap in tuple(self.taps):
            tap(chunk)

    def _condition(self, condition: Condition) -> None:
        """Publish how the source is when that changes; every word from it is progress, or an attempt at it."""
        self._moved(self.name)
        if condition.state == "ended":
            self._off_the_road()
        known = condition.state == self.health.state
        level = _level(self._outage, condition.state, known=known)
        if (condition.state, condition.why) != (self.health.state, self.health.why):
            now = clock.now()
            self.health = Health(condition.state, condition.why, self.health.since if known else now)
            message = self._around.messages.source_state(self.name, condition, moment=self.health.since)
            self._around.retain(message)
            self._around.changed()
            level = level or logging.DEBUG
        if level is not None:
            log.log(level, "%s: %s", self.name, condition.why or condition.state, extra={"EDGED_SOURCE": self.name})
        if condition.state != "starting":
            self.spoken.set()

    def _moved(self, walker: str) -> None:
        """Note progress, but not once the source has come to its end: a model brought back then has nothing to hear."""
        if self.health.state != "ended":
            self._around.moved(walker)

    def _off_the_road(self) -> None:
        for walker in self._walkers():
            self._around.left(walker)

    def _walkers(self) -> list[str]:
        return [self.name, *(listener.name for listener in self.listeners.values())]

    def _model_changed(self, model: str, state: ModelState, why: str) -> None:
        level = _level(self._outages[model], state, known=state == self.models[model].state)
        if (state, why) != (self.models[model].state, self.models[model].why):
            self.models[model] = Health(state, why, clock.now())
            self._around.changed()
            level = level or logging.DEBUG
        if level is not None:
            fields = {"EDGED_SOURCE": self.name, "EDGED_MODEL": model}
            log.log(level, "%s: %s on %s%s", model, state, self.name, f": {why}" if why else "", extra=fields)


def _level(outage: Outage, state: SourceState | ModelState, *, known: bool) -> int | None:
    """Tell how loud to say that this is how it is; None where that deserves no word unless there is news in it."""
    if state not in WELL:
        return logging.WARNING if outage.trouble(state, time.monotonic()) else None
    return logging.INFO if outage.recovery(time.monotonic()) and not known else None


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
