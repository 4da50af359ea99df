"""The composition root: config → objects → one TaskGroup. It wires, keeps the service manners, and holds no policy.

- Start: lock the state directory, then outbox, link to the broker, a station for every source, a supervisor for every
  board, READY.
- SIGHUP: plan the new config; if it is good, replace the stations and supervisors that changed, and the link if its
  part changed.
- SIGTERM: stations and supervisors first (what was heard is classified), then the link (what is stored is sent, within
  a bound), then the outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from edged import clock, systemd
from edged.config import Reading, naming
from edged.control.server import ControlServer
from edged.errors import ConfigError, EdgedError
from edged.feeder import Feeder
from edged.hold import held
from edged.mcu.crew import Crew
from edged.mcu.teller import Surroundings as BoardSurroundings
from edged.outbox import Outbox
from edged.plan import plan
from edged.records import Publication
from edged.report import in_words, measured, model_healths
from edged.station import Station, Surroundings
from edged.verbs import verbs
from edged.voice import check_broker, speak

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from edged.clips import Clips
    from edged.config import Config
    from edged.plan import Plan
    from edged.records import ModelState
    from edged.schemas import Vitals
    from edged.station import Health
    from edged.voice import Voice

log = logging.getLogger(__name__)

READY_S = 10.0
"""A source that has said nothing by then does not hold up READY."""
GOODBYE_S = 5.0
"""How long stored events may still be sent when the daemon is stopped."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MAX_LANES = 256
"""Threads come one by one, as lanes do; this only bounds them."""


def run(file: Path, reading: Reading) -> int:
    """Run the daemon until it is told to stop; raises UserError for what must be mended before it can start."""
    systemd.set_up_logging()
    first = plan(file, config=reading.result())
    with naming(file):
        check_broker(first.config.mqtt)
        with held(first.config.state_dir):
            asyncio.run(Daemon(first).live())
    return 0


def clips_of(config: Config) -> Clips | None:
    """Make what keeps clips, where the config wants it; StateError where its folder cannot be used."""
    if not config.clips.keep:
        return None
    from edged.clips import Clips, Rolls  # noqa: PLC0415 - nobody else shall pay for it

    told = config.clips
    rolls = Rolls(pre_s=told.pre_roll_s, post_s=told.post_roll_s, near=told.near_miss)
    folder, quota_bytes = config.state_dir / "clips", told.quota_mb * 1_000_000
    return Clips(folder, quota_bytes=quota_bytes, rolls=rolls, gateway=config.gateway)


def _read_anew(file: Path) -> Plan:
    return plan(file, config=Reading(file).result())


@dataclass(frozen=True, slots=True)
class Post:
    """A station, manned."""

    station: Station
    key: object
    """All of the config that shaped it: while that is equal, a reload leaves it alone."""
    topics: set[str]
    """Retained topics it has spoken on."""
    task: asyncio.Task[None] | None = None


class Daemon:
    """Everything that runs, and the only thing that knows it all."""

    def __init__(self, first: Plan) -> None:
        self.plan = first
        self._posts: dict[str, Post] = {}
        self.changing = asyncio.Lock()
        """Held by whoever gives the daemon another plan."""
        self.crew = Crew()
        """Who sees to the boards."""
        self._models: dict[str, Health[ModelState]] = {}
        """How each model is, as last published."""
        self._refused = ""
        self.stopping = asyncio.Event()
        """Set once the daemon was told to stop; what may take its time gives up."""
        self._spoke = asyncio.Event()
        self._hup, self._replanned = asyncio.Event(), asyncio.Event()
        self._began_s = time.monotonic()
        self._feeder = Feeder()
        self._pool = ThreadPoolExecutor(max_workers=MAX_LANES, thread_name_prefix="lane")
        config = first.config
        self._clips = clips_of(config)
        self._outbox = Outbox.open(config.state_dir / "outbox.sqlite", cap_messages=config.outbox.max_messages)

    @property
    def stations(self) -> list[Station]:
        """Everything that listens."""
        return [post.station for post in self._posts.values()]

    async def live(self) -> None:
        """Run until SIGTERM or SIGINT."""
        try:
            self._voice = speak(self.plan.config, outbox=self._outbox)
            self._posts = self._manned(self.plan, self._voice)
            for station in self.stations:
                station.open(later=self.plan.pending)
            control = ControlServer(self.plan.config.control_socket, verbs(self))
            control.bind()
            self._obey_signals()
            async with asyncio.TaskGroup() as self._group:
                self._link_task = self._group.create_task(self._voice.link.run(), name="mqtt")
                await self._keep_clips(self._clips)
                self._start(self._posts)
                await self._see_to_boards(self.plan.config, self._voice)
                keepers = self._keep(
                    outbox=self._outbox.guard(),
                    control=control.run(),
                    reload=self._obey_hup(),
                    health=self._report(),
                    note=self._note(),
                    watchdog=self._feeder.feed_when_idle(),
                    ready=self._ready(),
                )
                await self.stopping.wait()
                await self._goodbye(keepers)
        finally:
            for number in SIGNALS:  # what comes after the end changes nothing, not even the exit code
                signal.signal(number, signal.SIG_IGN)
            self._pool.shutdown(wait=False, cancel_futures=True)
            if self._clips is not None:
                self._clips.close()
            self._outbox.close()

    def _obey_signals(self) -> None:
        """Hear signals until the very end; the loop's own handlers would go, and leave us mortal, when it is closed."""
        loop = asyncio.get_running_loop()

        def obey(number: int, _frame: object) -> None:
            loop.call_soon_threadsafe((self._hup if number == signal.SIGHUP else self.stopping).set)

        for number in SIGNALS:
            signal.signal(number, obey)

    def _keep(self, **jobs: Coroutine[object, object, None]) -> list[asyncio.Task[None]]:
        return [self._group.create_task(job, name=name) for name, job in jobs.items()]

    async def _goodbye(self, keepers: list[asyncio.Task[None]]) -> None:
        async with self.changing:  # a reload that is under way would man new stations behind our back
            systemd.stopping()
            log.info("stopping")
            await asyncio.gather(self._dismiss(list(self._posts)), self.crew.dismiss())
            await self._voice.link.stop(GOODBYE_S, farewell=self._farewell())
            await self._voice.note.keep()
            for task in (*keepers, self._link_task):
                task.cancel()

    def _farewell(self) -> Publication:
        return self._voice.messages.offline(reason="stopped", moment=clock.now())

    # What speaks and what listens.

    def _manned(self, new: Plan, voice: Voice) -> dict[str, Post]:
        """Make a station for every source of the plan that is not manned just so already."""
        made = {}
        for name in new.config.sources:
            key = new.key(name)
            if name not in self._posts or self._posts[name].key != key:
                topics: set[str] = set()
                lanes = {model: partial(new.open_lane, model) for source, model in new.lanes if source == name}
                around = self._surroundings(voice, topics)
                made[name] = Post(Station(name, new.source(name), lanes, around=around), key, topics)
        return made

    def _retaining(self, voice: Voice, topics: set[str]) -> Callable[[Publication], None]:
        """Give what has the broker keep messages, and notes their topics."""

        def retain(message: Publication) -> None:
            if message.topic not in topics:
                topics.add(message.topic)
                self._spoke.set()
            voice.link.retain(message)

        return retain

    def _surroundings(self, voice: Voice, topics: set[str]) -> Surroundings:
        return Surroundings(
            messages=voice.messages,
            outbox=self._outbox,
            retain=self._retaining(voice, topics),
            moved=self._feeder.moved,
            left=self._feeder.left,
            changed=self._changed,
            pool=self._pool,
        )

    def _start(self, posts: dict[str, Post]) -> None:
        for name, post in posts.items():
            self._overhear(post.station)
            task = self._group.create_task(post.station.run(), name=name)
            self._posts[name] = replace(post, task=task)
        self._publish_models()

    async def _see_to_boards(self, config: Config, voice: Voice) -> None:
        """Have the boards of a config seen to, and no others."""
        around = BoardSurroundings(
            messages=voice.messages,
            outbox=self._outbox,
            retain=self._retaining(voice, set()),
            say=voice.link.say,
            changed=self._changed,
            health_s=config.health.interval_s,
        )
        await self.crew.man(config.boards, find=config.find_boards, around=around, group=self._group)

    async def _keep_clips(self, clips: Clips | None) -> None:
        """Have clips kept by this, from now on, and no longer by what did it before."""
        before, self._clips = self._clips, clips
        for station in self.stations:
            station.overhear(None)
        if before is not None and before is not clips:
            await asyncio.to_thread(before.close)
        if clips is not None:
            clips.start()
        for station in self.stations:
            self._overhear(station)

    def _overhear(self, station: Station) -> None:
        station.overhear(None if self._clips is None else self._clips.ear(station.name))

    async def _dismiss(self, names: list[str]) -> None:
        tasks = [task for name in names if (task := self._posts[name].task) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def adopt(self, new: Plan) -> None:
        """Take note of a plan whose models already run."""
        self.plan = new
        self._posts = {name: replace(post, key=new.key(name)) for name, post in self._posts.items()}

    # How it is.

    def in_words(self) -> str:
        """Say how things stand, in one line; that the last reload was refused stays there until the next one."""
        refused = f"; the new config was refused: {self._refused}" if self._refused else ""
        return in_words(self.stations, self.crew) + refused

    def broker_in_words(self) -> str:
        """Say how the connection to the broker is."""
        return f"{self._voice.link.state}: {self._voice.link.why}" if self._voice.link.why else self._voice.link.state

    def vitals(self) -> Vitals:
        """Measure."""
        outbox, link = self._outbox, self._voice.link
        return measured(self.stations, outbox=outbox, link=link, clips=self._clips, began_s=self._began_s)

    def _changed(self) -> None:
        systemd.status(self.in_words())
        self._publish_models()

    def _publish_models(self) -> None:
        """Say how each model is where that has changed, and clear what was said of those that are gone."""
        now, said = model_healths(self.stations), self._models
        for name, health in now.items():
            if name not in said or (health.state, health.why) != (said[name].state, said[name].why):
                message = self._voice.messages.model_state(name, health.state, why=health.why, moment=health.since)
                self._voice.link.retain(message)
        for name in said.keys() - now.keys():
            gone = self._voice.messages.model_state(name, "starting", why="", moment=clock.now())
            self._voice.link.retain(replace(gone, payload=b""))
        self._models = now

    async def _ready(self) -> None:
        """READY once every source either hears or was found absent and published so."""
        await self._all_known()
        systemd.ready(self.in_words())
        log.info("ready: %s", self.in_words())
        await self._voice.note.sweep()

    async def _all_known(self) -> None:
        speaking = [asyncio.ensure_future(each.spoken.wait()) for each in (*self.stations, *self.crew)]
        if speaking:
            await asyncio.wait(speaking, timeout=READY_S)

    async def _report(self) -> None:
        while True:
            self._publish_health()
            self._spoke.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.plan.config.health.interval_s):
                    await self._replanned.wait()
            self._replanned.clear()

    async def _note(self) -> None:
        """Note what the broker keeps, soon after it got a topic that it had not; and with health, for what it lost."""
        while True:
            await self._spoke.wait()
            self._spoke.clear()
            await self._voice.note.keep()

    def _publish_health(self) -> None:
        every_s = self.plan.config.health.interval_s
        self._voice.link.retain(self._voice.messages.health(self.vitals(), moment=clock.now(), every_s=every_s))

    # A new config.

    async def _obey_hup(self) -> None:
        while True:
            await self._hup.wait()
            self._hup.clear()
            with contextlib.suppress(EdgedError):  # reload has said it
                await self.reload()

    async def reload(self) -> None:
        """Read the config again and run it; raises EdgedError, and then the old one is still running."""
        systemd.reloading()
        self._refused = ""
        try:
            async with self.changing:
                await self._reload()
            await self._all_known()
        except EdgedError as error:
            self._refused = str(error).partition("\n")[0]
            log.error("the old config goes on running, because of the new one: %s", error)  # noqa: TRY400 - a user's mistake has no traceback
            raise
        finally:
            systemd.reloaded(self.in_words())
        log.info("reloaded: %s", self.in_words())
        await self._voice.note.sweep()

    async def _reload(self) -> None:
        new = await asyncio.to_thread(_read_anew, self.plan.file)
        old = self.plan.config
        for key in ("state_dir", "runtime_dir", "outbox"):
            if getattr(new.config, key) != getattr(old, key):
                way_out = "Put it back, or restart edged"
                raise ConfigError("cannot change while edged runs", file=new.file, key=key, way_out=way_out)
        elsewhere = (new.config.mqtt, new.config.gateway) != (old.mqtt, old.gateway)
        with naming(new.file):
            same = (new.config.clips, new.config.gateway) == (old.clips, old.gateway)
            clips = self._clips if same else clips_of(new.config)
            voice = speak(new.config, outbox=self._outbox) if elsewhere else self._voice
        posts = self._manned(new, voice)
        try:
            for post in posts.values():
                await asyncio.to_thread(post.station.open, later=new.pending)
        except EdgedError:
            for post in posts.values():
                post.station.close()
            raise
        # From here on nothing of the new config can be refused.
        await self._replace([name for name in self._posts if name in posts or name not in new.config.sources])
        await self._see_to_boards(new.config, voice)
        if elsewhere:
            self._publish_models()
            await self._voice.link.stop(GOODBYE_S, farewell=self._farewell())
            self._link_task.cancel()
            self._voice, self._link_task = voice, self._group.create_task(voice.link.run(), name="mqtt")
        if clips is not self._clips:
            await self._keep_clips(clips)
        self.plan = new
        self._start(posts)
        self._replanned.set()

    async def _replace(self, names: list[str]) -> None:
        """End stations, and clear what they left at the broker: their successors say everything anew."""
        await self._dismiss(names)
        for name in names:
            for topic in self._posts.pop(name).topics:
                self._voice.link.retain(Publication(topic=topic, payload=b"", retain=True))
