"""A real microphone (PulseAudio's), a real broker, the real daemon: what is said arrives, and what is amiss is said."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import numpy as np
import psutil
import pytest
from broker import eventually
from rig import report
from system.daemon import MICROPHONE, Daemon, events, model, settings, states
from system.sound import RATE_HZ, Paced, joined, replayed, wake_word, write_wav

from edged.control.client import stream
from edged.control.protocol import pcm_of
from edged.errors import DaemonAway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broker import Broker, Subscriber
    from rig import Rig

    from edged.records import Pcm

pytest_plugins = ("rig_fixtures",)

ABSENT_S = 2.0
HEARING_S = 3.0
ALEXA = wake_word("alexa")
NEAR_S = 0.1
"""So far apart a word may be found when its windows begin at another sample: a stride is 30 ms, the mean is of five."""


# What is said arrives.


class Tap:
    """Listens along with the daemon, and keeps all of it; each item must follow on the one before."""

    def __init__(self, daemon: Daemon, source: str = "mic") -> None:
        self._daemon, self._source = daemon, source
        self._items: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tap")

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self._items, "the tap delivers")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(15)

    def _run(self) -> None:
        with (
            contextlib.suppress(DaemonAway),
            contextlib.closing(stream(self._daemon.control_socket, "tap", source=self._source)) as items,
        ):
            for item in items:
                self._items.append(item)
                if self._over.is_set():
                    return

    def heard(self) -> Pcm:
        """All of it, which must be unbroken."""
        assert not [item for item in self._items[1:] if item["fresh"] or "dropped" in item], "the stream broke"
        heard: Pcm = np.concatenate([self._pcm(item) for item in self._items])
        return heard

    def before(self, event: dict[str, Any]) -> int:
        """How many samples of the stream had been heard before the tap: an event ties sample to time, as items do."""
        count = 0
        for item in self._items:
            count += len(self._pcm(item))
            if item["ended_ns"] >= event["monotonic_ns"]:
                ended_sample = event["at_sample"] + round((item["ended_ns"] - event["monotonic_ns"]) * RATE_HZ / 1e9)
                return int(ended_sample) - count
        raise AssertionError("the event lies after all that was tapped")

    @staticmethod
    def _pcm(item: dict[str, Any]) -> Pcm:
        assert (item["rate_hz"], item["channels"]) == (RATE_HZ, 1)
        return np.frombuffer(pcm_of(item), "<i2")


def alexas(shared: Path, *, every: int) -> list[Path]:
    """Each so many-th recording of the word."""
    clips = sorted((shared / "data/wakewords/alexa").glob("*.flac"), key=lambda path: int(path.stem))
    return clips[::every]


def heard_as_replayed(daemon: Daemon, subscriber: Subscriber, folder: Path, play: Callable[[], None]) -> Pcm:
    """Play, and hold what the subscriber got against a replay of what the microphone delivered, to the sample."""
    with Tap(daemon) as tap:
        cpu_s, began_s = daemon.cpu_s, time.monotonic()
        play()
        took_s, cpu_s = time.monotonic() - began_s, daemon.cpu_s - cpu_s
        time.sleep(1.0)  # what was said last is still on its way; an event too many would come now
        rss_bytes = daemon.rss_bytes
    got = events(subscriber.messages)
    assert got, daemon.log
    before = tap.before(got[0])
    assert before >= 0
    # The stream began before the tap did, and until then the microphone was silent.
    delivered: Pcm = np.concatenate([np.zeros(before, np.int16), tap.heard()])
    expected = replayed(write_wav(folder / "delivered.wav", delivered), model=ALEXA)
    assert [(event["label"], event["at_sample"]) for event in got] == [
        (event["label"], round(event["at_s"] * RATE_HZ)) for event in expected
    ]
    assert [event["score"] for event in got] == [round(event["score"], 4) for event in expected]
    assert [event["sequence"] for event in got] == list(range(1, len(got) + 1))
    arrived = {message.properties["id"]: message.at for message in subscriber.messages if message.topic[-5:] == "event"}
    late_ms = sorted(1000 * (arrived[event["id"]] - event["monotonic_ns"] / 1e9) for event in got)
    report(
        f"{len(got)} events in {took_s:.0f} s; last sample to subscriber {late_ms[len(late_ms) // 2]:.0f} ms (median), "
        f"{late_ms[-1]:.0f} ms (worst); {cpu_s / took_s:.4f} s CPU per second of audio; {rss_bytes / 1e6:.1f} MB with "
        "children"
    )
    return delivered


def lost_words(folder: Path, played: Pcm, delivered: Pcm, *, near_s: float) -> list[float]:
    """Give those words that replay finds in what was played, but not there in what was delivered, s."""
    there = [event["at_s"] for event in replayed(write_wav(folder / "played.wav", played), model=ALEXA)]
    here = [event["at_s"] for event in replayed(write_wav(folder / "delivered.wav", delivered), model=ALEXA)]
    assert len(there) > 1

    def missing(shift_s: float) -> list[float]:
        return [at for at in there if not any(abs(at + shift_s - other) <= near_s for other in here)]

    lost = min((missing(other - at) for other in here for at in there), key=len)
    report(f"{len(there)} words found in what was played, {len(here)} in what was delivered, {len(lost)} lost")
    return lost


@pytest.mark.shared
@pytest.mark.parametrize(
    "every",
    [
        pytest.param(120, id="few"),
        pytest.param(9, id="many", marks=pytest.mark.slow),
        pytest.param(
            1,
            id="all",
            marks=[
                pytest.mark.slow,
                pytest.mark.opt_in,
                pytest.mark.skipif("EDGED_WHOLE_STREAM" not in os.environ, reason="12 minutes: set EDGED_WHOLE_STREAM"),
                pytest.mark.timeout(1200),
                pytest.mark.slow,
                pytest.mark.opt_in,
                pytest.mark.slow,
            ],
        ),
    ],
)
def test_every_word_that_replay_found_arrives(
    pipe_rig: Rig, broker: Broker, subscriber: Subscriber, shared: Path, tmp_path: Path, *, every: int
) -> None:
    said = joined(alexas(shared, every=every))
    config = settings(broker.port, MICROPHONE, model(ALEXA))
    with Paced(pipe_rig.fifo) as air, Daemon(tmp_path / "edged", config) as daemon:

        def play() -> None:
            air.play(said)
            eventually(lambda: air.played, "all is played", within_s=30 + 1.1 * len(said) / RATE_HZ)

        delivered = heard_as_replayed(daemon, subscriber, tmp_path, play)
    begin = int(np.flatnonzero(delivered)[0]) - int(np.flatnonzero(said)[0])
    assert np.array_equal(delivered[begin : begin + len(said)], said), "the rig is not bit-exact"
    assert not lost_words(tmp_path, said, delivered, near_s=NEAR_S)


@pytest.mark.shared
@pytest.mark.slow
def test_every_word_arrives_through_a_sound_server(
    rig: Rig, broker: Broker, subscriber: Subscriber, shared: Path, tmp_path: Path
) -> None:
    said = joined(alexas(shared, every=16))
    with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE, model(ALEXA))) as daemon:
        delivered = heard_as_replayed(
            daemon, subscriber, tmp_path, lambda: rig.play(write_wav(tmp_path / "said.wav", said))
        )
    # A null sink runs late and jumps: half a second in one, and now and then it tears a word.
    assert len(lost_words(tmp_path, said, delivered, near_s=1.0)) <= 1


# What is amiss is said.


Kind: TypeAlias = Literal["unplugged", "server stalled", "server killed", "capture stopped"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Trouble:
    """A microphone's outages as a subscriber sees them, and how long he waited."""

    def __init__(self, rig: Rig, daemon: Daemon, subscriber: Subscriber) -> None:
        self._rig, self._daemon, self._subscriber = rig, daemon, subscriber
        self.rows: list[tuple[str, float, float]] = []

    def wait_state(self, state: str, *, since: float, within_s: float) -> float:
        """Wait until a state is published; how long after `since` that was."""

        def said() -> list[float]:
            return [at for at, told in states(self._subscriber.messages) if at >= since and told == state]

        seen = states(self._subscriber.messages)[-4:]
        eventually(said, f"{state} is published; but {seen}; the log:\n{self._daemon.log}", within_s)
        return said()[0] - since

    def happen(self, kind: Kind, *, away_s: float = 0.0) -> None:
        """Take the microphone away and bring it back."""
        began = time.monotonic()
        self._break(kind)
        absent_s = self.wait_state("absent", since=began, within_s=ABSENT_S + 5)
        time.sleep(away_s)  # the outage is what is tested
        self.end(kind if not away_s else f"{kind}, {away_s:.0f} s", absent_s, partial(self._mend, kind))

    def end(self, what: str, absent_s: float, mend: Callable[[], None]) -> None:
        """Bring the microphone back, and note how long that took to be published."""
        began = time.monotonic()
        mend()
        mended_s = time.monotonic() - began  # it may be heard before the last command that brings it back returns
        hearing_s = self.wait_state("hearing", since=began, within_s=HEARING_S + 10)
        self.rows.append((what, absent_s, max(0.0, hearing_s - mended_s)))

    def _break(self, kind: Kind) -> None:
        match kind:
            case "unplugged":
                self._rig.unplug()
            case "server stalled":
                self._rig.stall()
            case "server killed":
                self._rig.kill_server()
            case "capture stopped":
                self._daemon.processes[1].send_signal(signal.SIGSTOP)

    def _mend(self, kind: Kind) -> None:
        match kind:
            case "unplugged":
                self._rig.plug()
            case "server stalled":
                self._rig.resume()
            case "server killed":
                self._rig.start_server()
            case "capture stopped":
                pass  # the daemon must replace it itself

    def check(self) -> None:
        """Show the times, and hold them to what is promised."""
        rows = [f"{kind:24}{absent_s:12.2f}{hearing_s:12.2f}" for kind, absent_s, hearing_s in self.rows]
        report("\n".join([f"{'what happened':24}{'absent, s':>12}{'hearing, s':>12}", *rows]))
        assert max(absent_s for _, absent_s, _ in self.rows) <= ABSENT_S
        assert max(hearing_s for _, _, hearing_s in self.rows) <= HEARING_S


def test_an_outage_is_published_and_so_is_its_end(
    rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path
) -> None:
    rig.unplug()
    with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        trouble = Trouble(rig, daemon, subscriber)
        absent_s = trouble.wait_state("absent", since=daemon.started_at, within_s=5)
        trouble.end("absent at start", absent_s, rig.plug)
        for kind in KINDS:
            trouble.happen(kind)
        trouble.check()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_outages_leave_nothing_behind(rig: Rig, broker: Broker, subscriber: Subscriber, tmp_path: Path) -> None:
    with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE)) as daemon:
        trouble = Trouble(rig, daemon, subscriber)
        trouble.wait_state("hearing", since=0, within_s=10)
        costs = []
        for number in range(20):
            trouble.happen(KINDS[number % 4], away_s=60.0 if number == 6 else 0.0)
            costs.append((psutil.Process(daemon.pid).memory_info().rss, daemon.descriptors, len(daemon.processes)))
        trouble.check()
        report("\n".join(f"{rss / 1e6:.1f} MB, {descriptors} descriptors" for rss, descriptors, _ in costs))
        early, late = costs[3], costs[-1]
        assert late[0] - early[0] < 2e6
        assert late[1:] == early[1:]


# What is amiss is said.
