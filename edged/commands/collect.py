"""`edged collect`: a dataset out of takes that are said now, or out of recordings that are there."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.errors import ConfigError, DatasetError
from edged.progress import progress
from edged.workshop.dataset import MANIFEST, RATE_HZ, read_dataset
from edged.workshop.gather import Told, find, gather, know
from edged.workshop.guided import Asked, record
from edged.workshop.live import recorded, tapped
from edged.workshop.take import Known
from edged.workshop.taker import Said, Steady
from edged.workshop.writer import Writer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator
    from pathlib import Path

    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.gather import Gathered
    from edged.workshop.taker import Taking

SOURCE = "own recordings"
"""Of takes that are said now: whatever microphone it is, one speaker is one group."""
METER = 24
"""Characters from -60 to 0 dBFS."""
SHOWN = 20
"""Refusals that a person is shown."""


def run(arguments: argparse.Namespace) -> int:
    """Collect, and say what was kept and what was refused; DatasetError if none of it was fit."""
    made = _gathered(arguments) if arguments.recordings is not None else _recorded(arguments)
    _tell(arguments.dataset, made, as_json=arguments.json)
    unfit = [each for each in made.refused if not each.known]
    if unfit and not made.kept:
        way_out = "Give better ones, or record some with `edged collect`"
        raise DatasetError(f"nothing was kept: {unfit[0].why}", file=unfit[0].file, way_out=way_out)
    return 0


def _gathered(arguments: argparse.Namespace) -> Gathered:
    told = Told(arguments.label, arguments.origin, arguments.group, arguments.licence)
    clips = find(arguments.recordings, told=told, into=arguments.dataset)
    known = _known(arguments.dataset)
    with Writer(arguments.dataset) as writer, progress("collecting", len(clips), unit="recordings") as bar:
        return gather(clips, writer=writer, known=known, cut=not arguments.steady, bar=bar)


def _recorded(arguments: argparse.Namespace) -> Gathered:
    asked = _asked(arguments)
    taking = _taking(arguments)
    with contextlib.closing(_heard(arguments, taking)) as heard, Writer(arguments.dataset) as writer:
        known = _known(arguments.dataset, label=asked.label)
        return record(heard, asked=asked, taking=taking, writer=writer, known=known, screen=Terminal(asked))


def _asked(arguments: argparse.Namespace) -> Asked:
    """Put together what is asked for; ConfigError for what is left open."""
    needed = {
        "label": "Name what is said: --label jarvis",
        "group": "Name who says it: --group ann; one group is never in training and in the test",
        "licence": "Say what one may do with it: --licence private, or --licence CC0-1.0",
    }
    for name, way_out in needed.items():
        if not getattr(arguments, name):
            raise ConfigError("is missing", key=f"--{name}", way_out=way_out)
    source = arguments.origin or SOURCE
    return Asked(arguments.label, source, arguments.group, arguments.licence, arguments.count)


def _heard(arguments: argparse.Namespace, taking: Taking) -> Generator[Pcm, None, None]:
    if arguments.source is None:
        return recorded(arguments.device or "default", rate_hz=RATE_HZ)
    socket = control_socket(arguments.config)
    return tapped(socket, arguments.source, rate_hz=RATE_HZ, broken=taking.broken)


def _taking(arguments: argparse.Namespace) -> Taking:
    length_s = arguments.length / 1000
    steady = arguments.steady or arguments.label.startswith("_")
    return Steady(length_s=length_s) if steady else Said(length_s=length_s)


def _known(dataset: Path, *, label: str | None = None) -> Known:
    """Listen to what the dataset has already; of one label, where only that can be met again."""
    if not (dataset / MANIFEST).exists():
        return Known()
    clips = [clip for clip in read_dataset(dataset).clips if label in (None, clip.label)]
    with progress("knowing what is there", len(clips), unit="clips") as bar:
        return know(clips, bar=bar)


class Terminal:
    """Speaks to whoever speaks, on stderr; the meter moves on a terminal only."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._live = sys.stderr.isatty()
        self._line = ""

    def ask(self, number: int, count: int) -> None:
        """Ask for a take."""
        what = "listening to the room" if self._asked.may_be_quiet else f"say: {self._asked.label}"
        self._line = f"{number} of {count}  {what}"
        if not self._live:
            self._say(self._line)

    def level(self, dbfs: float, *, clipped: bool) -> None:
        """Move the meter."""
        if self._live:
            sys.stderr.write(f"\r\x1b[K{self._line}  {meter(dbfs)}{'  CLIPPED' if clipped else ''}")
            sys.stderr.flush()

    def kept(self, clip: Clip, *, length_s: float, left: int) -> None:
        """Say that it is kept."""
        self._say(f"    kept {clip.path.name}, {length_s:.2f} s; {left} left")

    def refused(self, why: str) -> None:
        """Say why not."""
        self._say(f"    refused: {why}. Once more.")

    def _say(self, line: str) -> None:
        sys.stderr.write(("\r\x1b[K" if self._live else "") + line + "\n")
        sys.stderr.flush()


def meter(dbfs: float) -> str:
    """Draw a level: a bar from -60 to 0 dBFS, and the number."""
    full = round(min(1.0, max(0.0, (dbfs + 60) / 60)) * METER)
    return f"[{'#' * full}{'-' * (METER - full)}] {dbfs:4.0f} dBFS"


def _tell(folder: Path, made: Gathered, *, as_json: bool) -> None:
    labels = _labels(folder)
    if as_json:
        refused = [{"file": each.file, "at_s": each.at_s, "why": each.why} for each in made.refused]
        told = {"dataset": str(folder), "kept": len(made.kept), "seconds": round(made.seconds, 3)}
        print(json.dumps(told | {"refused": refused, "labels": labels}))
        return
    shown = [each for each in made.refused if each.file]
    for each in shown[:SHOWN]:
        print(f"refused  {each.file} at {each.at_s:.1f} s: {each.why}")
    if len(shown) > SHOWN:
        print(f"refused  {len(shown) - SHOWN} more; --json lists all")
    print(f"{folder}: {len(made.kept)} clips added, {made.seconds:.0f} s; {len(made.refused)} refused")
    for label, there in labels.items():
        alone = "; a test needs another group" if there["groups"] == 1 else ""
        print(f"  {label}: {there['clips']} clips of {there['groups']} group{'' if alone else 's'}{alone}")


def _labels(folder: Path) -> dict[str, dict[str, int]]:
    """Count the clips and groups of each label that the dataset has now."""
    if not (folder / MANIFEST).exists():
        return {}
    dataset = read_dataset(folder)
    speakers = {label: [clip.speaker for clip in dataset.clips if clip.label == label] for label in dataset.labels}
    return {label: {"clips": len(of_it), "groups": len(set(of_it))} for label, of_it in speakers.items()}
