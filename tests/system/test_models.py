"""A model's process that dies, hangs or talks garbage is back or reported at once; no other model loses a window."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from broker import Broker, Subscriber, eventually
from eim_peer import write_eim
from system.asking import await_source, published, replayed, vitals, windows
from system.daemon import Daemon, events, file_source, model, settings
from system.sound import wake_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from eim_peer import Way

WITHIN_S = 5.0
QUIET = "timeout_s = 1.0\npolicy = { threshold = 1.0 }"
"""Windows of an eighth of a second, of which nothing is ever said."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


def conditions(subscriber: Subscriber, name: str = "odd") -> list[tuple[float, dict[str, Any]]]:
    """When each word about a model came, and what it was."""
    topic = f"edged/test/model/{name}/state"
    found = [message for message in tuple(subscriber.messages) if message.topic == topic]
    return [(message.at, json.loads(message.payload)) for message in found]


def said(subscriber: Subscriber, state: str, *, since: float) -> tuple[float, dict[str, Any]]:
    """Wait until a model is said to be so."""

    def found() -> list[tuple[float, dict[str, Any]]]:
        return [(at, told) for at, told in conditions(subscriber) if at >= since and told["state"] == state]

    eventually(found, f"{state}; but {conditions(subscriber)}")
    return found()[0]


def peer(daemon: Daemon) -> psutil.Process:
    """Find the model's own process, below the worker that speaks to it."""
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = [process for process in daemon.processes[1:] if any("odd.eim" in word for word in process.cmdline())]
        return bool(found)

    eventually(there, "the model's process runs")
    return max(found, key=lambda process: process.create_time())


def neighbour_lost_nothing(daemon: Daemon, subscriber: Subscriber, recording: Path) -> None:
    """Hold the other model on the same source, to the end of the recording, against a replay of it alone."""
    health = await_source(daemon, "sample")["models"]["sample/word"]
    assert health["dropped_s"] == 0
    assert health["windows"] == windows(daemon.file, "word", recording)
    alone = daemon.folder / "alone.toml"
    alone.write_text(settings(1883, file_source(recording), model(wake_word("okay_nabu"))))
    expected = replayed(alone, {"sample": recording})["sample", "word"]
    assert len(expected) == 1
    eventually(lambda: len(events(subscriber.messages)) >= len(expected), "the words have arrived")
    assert published(events(subscriber.messages)) == {("sample", "word"): expected}


def beside(folder: Path, broker: Broker, recording: Path, eim: Path) -> Daemon:
    """Make a daemon with the odd model beside a wake word, on a recording at sound's own speed."""
    tables = [file_source(recording), model(wake_word("okay_nabu")), model(eim, name="odd", more=QUIET)]
    return Daemon(folder / "edged", settings(broker.port, *tables))


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)


def stop(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [kill, stop])
def test_a_model_that_is_harmed_is_reported_and_back(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber, harm: Callable[[psutil.Process], None]
) -> None:
    with beside(tmp_path, broker, phrase, write_eim(tmp_path / "odd.eim")) as daemon:
        said(subscriber, "running", since=0.0)
        victim = peer(daemon)
        at = time.monotonic()
        harm(victim)
        failed_at, failed = said(subscriber, "failed", since=at)
        back_at, _ = said(subscriber, "running", since=failed_at)
        counted = vitals(daemon)["models"]["sample/odd"]["windows"]
        eventually(lambda: vitals(daemon)["models"]["sample/odd"]["windows"] > counted, "it classifies again")
        neighbour_lost_nothing(daemon, subscriber, phrase)
        assert not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE
    assert failed["why"].startswith("on sample: odd.eim: ")
    assert failed_at - at < WITHIN_S
    assert back_at - at < WITHIN_S
    print(f"reported after {failed_at - at:.2f} s, back after {back_at - at:.2f} s: {failed['why']}")  # noqa: T201 - the numbers of this run, for whoever asks with -s


@pytest.mark.slow
@pytest.mark.parametrize("way", ["hang", "die", "garbage", "wrong id", "refuse", "no label", "nan"])
def test_a_model_that_goes_wrong_is_reported_and_back(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber, way: Way
) -> None:
    """At its tenth window, and again each time that it is back."""
    with beside(tmp_path, broker, phrase, write_eim(tmp_path / "odd.eim", way, at=10)) as daemon:
        failed_at, failed = said(subscriber, "failed", since=0.0)
        back_at, _ = said(subscriber, "running", since=failed_at)
        neighbour_lost_nothing(daemon, subscriber, phrase)
    assert failed["why"].startswith("on sample: odd.eim: ")
    assert back_at - failed_at < WITHIN_S
    print(f"{way}: back {back_at - failed_at:.2f} s after it was reported: {failed['why']}")  # noqa: T201 - as above


@pytest.mark.slow
@pytest.mark.parametrize("way", ["dead at start", "no socket", "hang in hello"])
def test_a_model_that_does_not_come_up_is_reported(
    tmp_path: Path, phrase: Path, broker: Broker, subscriber: Subscriber, way: Way
) -> None:
    """It does not hold up the start, and when what was wrong with it is mended it comes, with nobody's help."""
    eim = write_eim(tmp_path / "odd.eim", way)
    with beside(tmp_path, broker, phrase, eim) as daemon:
        ready_s = daemon.wait_told("READY").at - daemon.started_at
        failed_at, failed = said(subscriber, "failed", since=0.0)
        assert "odd on sample failed" in daemon.status
        write_eim(tmp_path / "mended.eim").replace(eim)
        back_at, _ = said(subscriber, "running", since=failed_at)
        neighbour_lost_nothing(daemon, subscriber, phrase)
    assert failed["why"].startswith("on sample: odd.eim: ")
    assert failed_at - daemon.started_at < WITHIN_S + ready_s
    assert ready_s < WITHIN_S
    assert back_at - failed_at < 2 * WITHIN_S
    print(f"{way}: ready {ready_s:.2f} s, reported {failed_at - daemon.started_at:.2f} s after start: {failed['why']}")  # noqa: T201 - as above
