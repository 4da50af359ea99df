"""What the whole road costs beside the least that any program could cost: `make bench`.

    bare loop         front end and model, nothing else, as fast as it goes; and paced, a chunk when it is due, as live
    pymicro-wakeword  the library that the model comes with, as fast as it goes
    bare capture      PyAudio reading the virtual microphone, 64 ms at a time, and throwing it away
    edged, live       the whole daemon: the same microphone, the same model, a real broker, a real subscriber
    edged replay      the command, on the same recording as the bare loop

All hear the same words, in turn, in several rounds; the median of the rounds counts. CPU is user and system time of a
process and all its children. What hears a recording does so twice, once long and once short, and the difference is
taken, so that starting the interpreter does not count; what hears live is watched for a while in its midst. RSS and PSS
are of the same process trees. Start-up is from the start of the process to READY on the notify socket (edged) or to the
line with which the others say that they begin.

Latency is taken on a second virtual microphone, of which is known to the millisecond when it heard what. It has two
parts. From the last sample of the word (-40 dB) to the last sample of the window with which the model has made up its
mind: that is the model's own, the same in any program. From there to the subscriber: that is ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path += [str(HERE / "bench"), str(HERE.parent), str(HERE.parent / "tests"), str(HERE.parent / "tests" / "system")]

import air  # noqa: E402 - found by the line above, as are the next
import watched  # noqa: E402
from broker import Broker  # noqa: E402
from daemon import MICROPHONE, Daemon, model, settings  # noqa: E402
from rig import Rig  # noqa: E402
from sound import wake_word  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from broker import Subscriber
    from watched import Memory

WORD = "okay_nabu"
WINDOW_MS = 50
"""What the model looks at: three frames of 30 ms, 10 ms apart. What it heard before it keeps as state."""
HOP_MS = 30
SCORES = 5
"""A decision rests on the mean of so many."""
SLACK_MS = 50
READY_MS = 1000
SETTLE_S = 2.0
"""Of a live program's first seconds nothing is counted."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    live_s: float
    latency_s: float
    long_s: float
    short_s: float


FULL = Extent(rounds=3, live_s=20.0, latency_s=24.0, long_s=600.0, short_s=10.0)
QUICK = Extent(rounds=1, live_s=3.0, latency_s=8.0, long_s=60.0, short_s=5.0)


@dataclass(slots=True)
class Row:
    """What was measured of one program, a value for each round; `name` is what the table calls it."""

    name: str
    cpu_ms: list[float] = field(default_factory=list)
    """For a second of audio."""
    memory: list[Memory] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)

    def cost_ms(self) -> float:
        """CPU for a second of audio."""
        return statistics.median(self.cpu_ms)

    def rss_mb(self) -> float:
        """Resident memory."""
        return statistics.median(memory.rss_mb for memory in self.memory)

    def line(self, *, live: bool) -> str:
        """A line of the table."""
        pss_mb = statistics.median(memory.pss_mb for memory in self.memory)
        speed = "" if live else f"{1000 / self.cost_ms():.0f}"
        start_ms = 1000 * statistics.median(self.start_s)
        return f"{self.name:20} {self.cost_ms():9.2f} {self.rss_mb():8.1f} {pss_mb:8.1f} {start_ms:9.0f} {speed:>12}"


@dataclass(slots=True)
class Latencies:
    """Of each event, in ms."""

    model: list[float] = field(default_factory=list)
    """From the last sample of the word to the last sample that the decision rests on."""
    ours: list[float] = field(default_factory=list)
    """From there to the subscriber."""
    whole: list[float] = field(default_factory=list)


class Bench:
    """Runs the programs, and keeps what they cost."""

    def __init__(self, folder: Path, extent: Extent) -> None:
        self.bare = Row("bare loop")
        self.wakeword = Row("pymicro-wakeword")
        self.replay = Row("edged replay")
        self.paced = Row("bare loop, paced")
        self.capture = Row("bare capture")
        self.live = Row("edged, live")
        self.latencies = Latencies()
        self._folder, self._extent = folder, extent
        self._sound = air.words()
        self._long, self._short = (
            air.write_wav(folder / f"{length_s:.0f}s.wav", self._sound, length_s=length_s)
            for length_s in (extent.long_s, extent.short_s)
        )
        self._model = wake_word(WORD)
        self._tflite = str(self._model.with_suffix(".tflite"))

    def round(self, number: int) -> None:
        """Let each program have its turn."""
        self._to_the_end(self.bare, lambda file: contestant("bare_loop", file, self._tflite))
        self._to_the_end(self.wakeword, lambda file: contestant("wakeword", file))
        replay = [sys.executable, "-m", "edged", "replay", "--json", "--model", str(self._model)]
        self._to_the_end(self.replay, lambda file: [*replay, file])
        self._for_a_while(self.paced, contestant("bare_loop", str(self._long), self._tflite, "--paced"))
        folder = self._folder / str(number)
        with Rig(folder / "sink") as rig, playing(rig, self._long):
            self._for_a_while(self.capture, contestant("capture", "mic"), env=os.environ | rig.env)
            self._live(folder / "live", rig)
        with Rig(folder / "pipe", source="pipe") as rig, air.Air(rig.fifo, self._sound) as heard:
            self._time(folder / "timed", rig, heard)

    def _to_the_end(self, row: Row, command: Callable[[str], list[str]]) -> None:
        """A recording, long and short: what the longer one costs more."""
        short, long = watched.run(command(str(self._short))), watched.run(command(str(self._long)))
        row.cpu_ms.append(1000 * (long.cpu_s - short.cpu_s) / (self._extent.long_s - self._extent.short_s))
        row.memory.append(long.memory)
        row.start_s.append(long.start_s)

    def _for_a_while(self, row: Row, command: list[str], *, env: Mapping[str, str] | None = None) -> None:
        process, start_s = watched.start(command, env=env)
        self._watch(row, process.pid)
        row.start_s.append(start_s)
        watched.stop(process)

    def _watch(self, row: Row, pid: int) -> None:
        """What a program costs that hears live."""
        time.sleep(SETTLE_S)
        before_s, began = watched.cpu_s(pid), time.monotonic()
        time.sleep(self._extent.live_s)
        row.cpu_ms.append(1000 * (watched.cpu_s(pid) - before_s) / (time.monotonic() - began))
        row.memory.append(watched.memory(pid))

    def _live(self, folder: Path, rig: Rig) -> None:
        with self._road(folder, rig) as (daemon, _):
            self._watch(self.live, daemon.pid)
            self.live.start_s.append(daemon.wait_told("READY").at - daemon.started_at)

    def _time(self, folder: Path, rig: Rig, heard: air.Air) -> None:
        """Take the time of every word."""
        with self._road(folder, rig) as (_, subscriber):
            time.sleep(self._extent.latency_s)
            arrived = [message for message in tuple(subscriber.messages) if message.topic.endswith("/event")]
        for message in arrived:
            sample_s = json.loads(message.payload)["monotonic_ns"] / 1e9
            word_s = heard.end_before(sample_s)
            self.latencies.model.append(1000 * (sample_s - word_s))
            self.latencies.ours.append(1000 * (message.at - sample_s))
            self.latencies.whole.append(1000 * (message.at - word_s))

    @contextlib.contextmanager
    def _road(self, folder: Path, rig: Rig) -> Iterator[tuple[Daemon, Subscriber]]:
        """The whole road, from the virtual microphone to a subscriber."""
        with Broker(folder / "broker") as broker, broker.subscriber() as subscriber:
            config = settings(broker.port, MICROPHONE, model(self._model))
            with Daemon(folder / "edged", config, env=rig.env) as daemon:
                subscriber.wait_for(lambda messages: any(b'"hearing"' in message.payload for message in messages))
                yield daemon, subscriber


def contestant(name: str, *arguments: str) -> list[str]:
    """The command of one of the programs in bench/."""
    return [sys.executable, str(HERE / "bench" / f"{name}.py"), *arguments]


@contextlib.contextmanager
def playing(rig: Rig, file: Path) -> Iterator[None]:
    """Play into the virtual microphone meanwhile."""
    command = ["paplay", "--latency-msec=20", "-d", "mic_sink", str(file)]
    process = subprocess.Popen(command, env=os.environ | rig.env)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def table(bench: Bench) -> str:
    """What was measured."""
    heads = f"{'':20} {'CPU ms/s':>9} {'RSS MB':>8} {'PSS MB':>8} {'start ms':>9} {'real time x':>12}"
    batch = [row.line(live=False) for row in (bench.bare, bench.wakeword, bench.replay)]
    live = [row.line(live=True) for row in (bench.paced, bench.capture, bench.live)]
    return "\n".join([heads, *batch, *live, "", *latencies(bench.latencies)])


def latencies(times: Latencies) -> list[str]:
    """How late subscribers hear of it."""
    rows = {
        "word's end → decision's last sample": times.model,
        "decision's last sample → subscriber": times.ours,
        "word's end → subscriber": times.whole,
    }
    return [
        f"{name:38} p50 {at(0.5, ms):4.0f} ms, p95 {at(0.95, ms):4.0f} ms, of {len(ms)} words"
        for name, ms in rows.items()
    ]


def at(part: float, values: Sequence[float]) -> float:
    """The value at or below which this part of them lies."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else math.nan


def targets(bench: Bench) -> Iterator[tuple[str, float, float]]:
    """Each target, what was measured, and what is the most that it may be."""
    capture_ms, live_ms = bench.capture.cost_ms(), bench.live.cost_ms()
    yield "live CPU, ms/s: 1.5 (capture + bare loop)", live_ms, 1.5 * (capture_ms + bench.bare.cost_ms())
    yield "live CPU, ms/s: 1.5 (capture + bare loop, paced)", live_ms, 1.5 * (capture_ms + bench.paced.cost_ms())
    window_ms, decision_ms = WINDOW_MS, WINDOW_MS + (SCORES - 1) * HOP_MS
    ours_ms, whole_ms = at(0.95, bench.latencies.ours), at(0.95, bench.latencies.whole)
    yield "latency p95, ms: decision to subscriber, one window", ours_ms, window_ms + HOP_MS + SLACK_MS
    yield "latency p95, ms: word to subscriber, five windows", whole_ms, decision_ms + HOP_MS + SLACK_MS
    yield "latency p95, ms: word to subscriber, one window", whole_ms, window_ms + HOP_MS + SLACK_MS
    yield "RSS with children, MB: 2 bare loops", bench.live.rss_mb(), 2 * bench.bare.rss_mb()
    yield "READY, ms", 1000 * statistics.median(bench.live.start_s), READY_MS
    yield "replay's CPU, ms/s: 2 bare loops", bench.replay.cost_ms(), 2 * bench.bare.cost_ms()


def verdicts(bench: Bench) -> str:
    """Each target, and whether it is met."""
    return "\n".join(
        f"{'met   ' if measured <= most else 'MISSED'}  {name:52} {measured:7.1f}, target {most:7.1f}"
        for name, measured, most in targets(bench)
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="What the whole road costs beside the least that is possible.")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures little")
    extent = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder:
        bench = Bench(Path(folder), extent)
        for number in range(1, extent.rounds + 1):
            print(f"round {number} of {extent.rounds}", file=sys.stderr)
            bench.round(number)
    print(table(bench), verdicts(bench), sep="\n\n")


if __name__ == "__main__":
    main()
