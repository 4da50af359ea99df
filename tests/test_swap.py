"""A swap that fails on the way leaves everything as it was: at every source, and on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from failing import MODEL as FAILING
from nabu import nabu

from edged import swap as swap_module
from edged.classify.bundle import open_bundle, write_bundle
from edged.errors import ModelError, StateError, Unavailable
from edged.features.spec import Micro
from edged.listener import Listener
from edged.plan import plan
from edged.records import Chunk
from edged.station import Health
from edged.swap import swap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from edged.plan import Plan
    from edged.station import Station
    from edged.swap import Swapped

CHUNK = 1600
CONFIG = """gateway = "test"
state_dir = "state"
runtime_dir = "run"
[mqtt]
host = "127.0.0.1"
[sources.one]
kind = "microphone"
[sources.two]
kind = "microphone"
[models.word]
path = "old.edged"
"""


@dataclass
class Post:
    """As much of a station as a swap looks at."""

    name: str
    listeners: dict[str, Listener]
    health: Health[Any] = field(default_factory=lambda: Health("hearing"))
    models: dict[str, Health[Any]] = field(default_factory=lambda: {"word": Health("running")})


def bundle(path: Path, **changes: Any) -> Path:
    whole: dict[str, Any] = {
        "model": nabu().model,
        "name": "word",
        "labels": ["okay_nabu"],
        "front_end": Micro(),
        "window_frames": 3,
        "hop_frames": 3,
    }
    write_bundle(path, **(whole | changes))
    return path


@pytest.fixture
def old(tmp_path: Path) -> Plan:
    bundle(tmp_path / "old.edged", version="old")
    (tmp_path / "edged.toml").write_text(CONFIG)
    return plan(tmp_path / "edged.toml")


@contextlib.asynccontextmanager
async def hearing(old: Plan, names: tuple[str, ...] = ("one", "two")) -> AsyncIterator[list[Post]]:
    """Stations whose listeners run the plan's model, and are fed twenty chunks a second."""
    posts = []
    for name in names:
        listener = Listener(
            f"{name}/word",
            open_lane=partial(old.open_lane, "word"),
            decided=lambda _lane, _events: None,
            changed=lambda _state, _why: None,
            moved=lambda: None,
        )
        listener.start()
        posts.append(Post(name, {"word": listener}))

    async def feed() -> None:
        first = 0
        while True:
            samples = np.zeros((CHUNK, 1), np.int16)
            for post in posts:
                if post.health.state == "hearing":
                    post.listeners["word"].feed(Chunk(samples, 16_000, first, 0, fresh=first == 0))
            first += CHUNK
            await asyncio.sleep(0.05)

    with ThreadPoolExecutor(4) as pool:
        tasks = [asyncio.create_task(feed())]
        tasks += [asyncio.create_task(post.listeners["word"].run(pool)) for post in posts]
        try:
            yield posts
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def swapping(
    old: Plan, posts: list[Post], path: Path, stopping: asyncio.Event | None = None
) -> asyncio.Future[Swapped]:
    stations = cast("list[Station]", posts)
    return asyncio.ensure_future(swap(old, stations, "word", path, stopping=stopping or asyncio.Event()))


def versions(posts: list[Post]) -> list[str]:
    lanes = [post.listeners["word"].lane for post in posts]
    return ["" if lane is None else lane.bundle.version for lane in lanes]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


def models(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "state" / "models").glob("*"))


def test_a_good_model_takes_over_everywhere_and_is_kept(tmp_path: Path, old: Plan) -> None:
    async def scenario() -> None:
        async with hearing(old) as posts:
            before = posts[0].models["word"].since.utc_ns
            done = await swapping(old, posts, bundle(tmp_path / "new.edged", version="new", golden=True))
            assert versions(posts) == ["new", "new"]
            assert done.tried
            assert done.proof is not None
            assert done.plan.models["word"].path == tmp_path / "state/models/word-1/new.edged"
            assert open_bundle(done.plan.models["word"].path).version == "new"
            assert posts[0].models["word"].since.utc_ns > before

    asyncio.run(scenario())


def test_what_fails_on_trial_is_taken_back_everywhere(tmp_path: Path, old: Plan) -> None:
    async def scenario() -> None:
        async with hearing(old) as posts:
            with pytest.raises(ModelError, match=r"new\.edged: is rolled back, for it failed in its first 3 windows"):
                await swapping(old, posts, bundle(tmp_path / "new.edged", model=FAILING, version="new"))
            await until(lambda: versions(posts) == ["old", "old"])
            counts = [post.listeners["word"].windows for post in posts]
            await until(
                lambda: all(post.listeners["word"].windows > count for post, count in zip(posts, counts, strict=True))
            )
        assert models(tmp_path) == []

    asyncio.run(scenario())


def test_what_fails_at_one_source_is_taken_back_at_the_other(tmp_path: Path, old: Plan) -> None:
    """The other source is deaf, and its lane never fails."""

    async def scenario() -> None:
        async with hearing(old) as posts:
            posts[1].health.state = "absent"
            with pytest.raises(ModelError, match="is rolled back"):
                await swapping(old, posts, bundle(tmp_path / "new.edged", model=FAILING, version="new"))
            await until(lambda: versions(posts) == ["old", "old"])

    asyncio.run(scenario())


def test_where_there_is_nothing_to_hear_nobody_waits_and_it_is_said(tmp_path: Path, old: Plan) -> None:
    async def scenario() -> None:
        async with hearing(old) as posts:
            for post in posts:
                post.health.state = "ended"
            async with asyncio.timeout(swap_module.TRIAL_S / 2):
                done = await swapping(old, posts, bundle(tmp_path / "new.edged", version="new"))
            assert not done.tried
            await until(lambda: versions(posts) == ["new", "new"])

    asyncio.run(scenario())


def test_a_trial_has_an_end(tmp_path: Path, old: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that hears, and brings less than three windows."""
    monkeypatch.setattr(swap_module, "TRIAL_S", 0.2)

    async def scenario() -> None:
        async with hearing(old) as posts:
            seldom = bundle(tmp_path / "new.edged", version="new")
            for post in posts:
                post.health.state = "silent"  # it is not fed, and waited for all the same
            done = await swapping(old, posts, seldom)
            assert not done.tried
            assert versions(posts) == ["new", "new"]

    asyncio.run(scenario())


def test_a_disk_that_fails_in_the_last_moment_gives_the_old_model_back(
    tmp_path: Path, old: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), (tmp_path / "state" / "models").stat()):
            raise OSError(5, "Input/output error")
        real(descriptor)

    async def scenario() -> None:
        async with hearing(old) as posts:
            path = bundle(tmp_path / "new", version="new")
            monkeypatch.setattr(os, "fsync", fsync)
            with pytest.raises(StateError, match="cannot be kept: input/output error"):
                await swapping(old, posts, path)
            await until(lambda: versions(posts) == ["old", "old"])
        assert models(tmp_path) == []
        assert plan(tmp_path / "edged.toml").models["word"].path == tmp_path / "old.edged"

    asyncio.run(scenario())


def test_a_daemon_that_stops_breaks_a_trial_off(tmp_path: Path, old: Plan) -> None:
    async def scenario() -> None:
        stopping = asyncio.Event()
        async with hearing(old) as posts:
            for post in posts:
                post.health.state = "silent"
            swapped = swapping(old, posts, bundle(tmp_path / "new.edged", version="new"), stopping)
            await until(lambda: versions(posts) == ["new", "new"])
            stopping.set()
            with pytest.raises(Unavailable, match="edged stops, and keeps the model before it"):
                await swapped
            await until(lambda: versions(posts) == ["old", "old"])
        assert models(tmp_path) == []

    asyncio.run(scenario())


def test_a_model_that_answers_otherwise_is_never_opened_beside_the_old(tmp_path: Path, old: Plan) -> None:
    async def scenario() -> None:
        path = bundle(tmp_path / "new", version="new", golden=True)
        file = path / "manifest.json"
        file.write_text(file.read_text().replace('"output": "posterior"', '"output": "sigmoid"'))
        async with hearing(old) as posts:
            lanes = [post.listeners["word"].lane for post in posts]
            with pytest.raises(ModelError, match="its golden input gives"):
                await swapping(old, posts, path)
            assert [post.listeners["word"].lane for post in posts] == lanes
        assert models(tmp_path) == []

    asyncio.run(scenario())
