"""What the system tests ask of edged by its own commands, and what a replay of the same sound says to the answers."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from broker import eventually
from system.daemon import ROOT

from edged.audio.sources import FileSource
from edged.control.client import call
from edged.plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from system.daemon import Daemon

COMMAND_S = 60.0
PLAY_S = 60.0
"""More than the longest recording."""
Heard: TypeAlias = dict[tuple[str, str], list[tuple[str, str, float, float]]]
"""By source and model: label, kind, second of the recording and score of each event, in order."""


def edged(*arguments: object, code: int = 0) -> str:
    """Type a command, which must end with this exit code; what it said, on either stream."""
    command = [sys.executable, "-m", "edged", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def vitals(daemon: Daemon) -> dict[str, Any]:
    """Ask a daemon for its numbers, as `edged status --json` does."""
    numbers: dict[str, Any] = call(daemon.control_socket, "status")["vitals"]
    return numbers


def await_source(daemon: Daemon, source: str, state: str = "ended") -> dict[str, Any]:
    """Wait until a source is so, and all it has brought is in the outbox or gone from it; the numbers then."""
    log = f"{source} is {state}; the log:\n{daemon.log[-2000:]}"
    eventually(lambda: vitals(daemon)["sources"][source]["state"] == state, log, PLAY_S)
    return vitals(daemon)


def drained(daemon: Daemon) -> bool:
    """Say whether the broker has had every event."""
    outbox = vitals(daemon)["outbox"]
    return not outbox["depth"] and not outbox["waiting"]


def published(events: Iterable[Mapping[str, Any]]) -> Heard:
    """Bring events that were published into the form of `replayed`."""
    found: Heard = defaultdict(list)
    for event in events:
        what = (event["label"], event["kind"], event["at_sample"] / event["rate_hz"], event["score"])
        found[event["source"], event["model"]["name"]].append(what)
    return found


def replayed(config: Path, recordings: Mapping[str, Path]) -> Heard:
    """Replay the recording of each source with every model of a config."""
    found: Heard = defaultdict(list)
    for source, recording in recordings.items():
        for line in edged("replay", recording, "--config", config, "--json").splitlines():
            event = json.loads(line)
            found[source, event["model"]].append(
                (event["label"], event["kind"], event["at_s"], round(event["score"], 4))
            )
    return found


def windows(config: Path, model: str, recording: Path) -> int:
    """Count the windows of a model of a config in a recording."""
    lane = plan(config).open_lane(model)
    try:
        for chunk in FileSource(recording).chunks():
            lane.hear(chunk)
        lane.finish()
        return lane.windows
    finally:
        lane.close()


def stored(folder: Path) -> dict[str, tuple[str, int]]:
    """Read the outbox of a daemon that is not running: (stream, sequence) by the event's id."""
    with sqlite3.connect(folder / "state" / "outbox.sqlite") as db:
        (box,) = db.execute("SELECT id FROM outbox").fetchone()
        rows = db.execute("SELECT number, stream, sequence FROM event ORDER BY number").fetchall()
    db.close()
    return {f"{box}-{number}": (stream, sequence) for number, stream, sequence in rows}


def sequences(folder: Path) -> dict[str, int]:
    """Read from the same how many events each stream has had, ever."""
    with sqlite3.connect(folder / "state" / "outbox.sqlite") as db:
        rows = db.execute("SELECT name, sequence FROM stream").fetchall()
    db.close()
    return dict(rows)
