"""`edged board record`: clips of what a board's microphone hears, for a dataset; of a sketch's axes, a CSV.

A clip is what was heard on end. Where the board could not keep something, the clip ends and another begins, and how
much is missing is said; what is too short to be a clip is left out, and said as well.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edged.commands.board_info import board_of
from edged.config import control_socket
from edged.control.client import stream
from edged.errors import ConfigError, DatasetError, SourceLost
from edged.progress import progress
from edged.wholefile import write_whole
from edged.workshop.dataset import RATE_HZ
from edged.workshop.take import clipped_at, fault
from edged.workshop.writer import Writer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edged.records import Pcm
    from edged.workshop.dataset import Clip

SILENCE_S: Final = 15.0
LABEL: Final = re.compile(r"\w[\w .-]{0,63}")


@dataclass(slots=True)
class Recording:
    """What came of a microphone."""

    stretches: list[tuple[int, bytearray]] = field(default_factory=list)
    """Number of the first sample, and samples on end."""
    begin: int | None = None
    end: int = 0

    def take(self, first: int, samples: bytes) -> None:
        """Put samples behind those before them, or begin a stretch."""
        if self.begin is None:
            self.begin = self.end = first
        if not samples:
            return
        if self.stretches and first == self.end:
            self.stretches[-1][1].extend(samples)
        else:
            self.stretches.append((first, bytearray(samples)))
        self.end = first + len(samples) // 2

    @property
    def gaps(self) -> int:
        """How often something is missing."""
        late = bool(self.stretches) and self.stretches[0][0] != self.begin
        return max(0, len(self.stretches) - 1) + late

    @property
    def lost_s(self) -> float:
        """Of the time from the first sample to the last."""
        got = sum(len(samples) for _, samples in self.stretches) // 2
        return (self.end - (self.begin or 0) - got) / RATE_HZ


def run(arguments: argparse.Namespace) -> int:
    """Record, write, and say what was lost."""
    if not LABEL.fullmatch(arguments.label):
        way_out = "Write a word of letters, digits and dashes"
        raise ConfigError("is no label", key="--label", value=arguments.label, way_out=way_out)
    socket = control_socket(arguments.config)
    board = board_of(socket, arguments.name)
    told = _forwarded(arguments, socket) if board["driver"] == "lines" else _recorded(arguments, socket)
    print(json.dumps({"board": board["name"], **told}) if arguments.json else "\n".join(_in_words(told)))
    return 0


# A microphone.


def _recorded(arguments: argparse.Namespace, socket: Path) -> dict[str, Any]:
    recording = Recording()
    with Writer(arguments.out) as writer:
        with progress(f"{arguments.name} hears", arguments.length) as bar:
            for item in _items(arguments, socket):
                recording.take(item["first"], base64.b64decode(item["audio"]))
                bar((recording.end - (recording.begin or 0)) / RATE_HZ)
        kept, left_out = _kept(arguments, writer, recording)
    if not kept:
        why = left_out[0] if left_out else "the board's microphone gave nothing"
        raise DatasetError(f"nothing was kept: {why}", file=arguments.out, way_out="Record for longer, or louder")
    return {
        "dataset": str(arguments.out),
        "clips": [str(clip.path) for clip, _ in kept],
        "seconds": round(sum(seconds for _, seconds in kept), 3),
        "lost_s": round(recording.lost_s, 3),
        "gaps": recording.gaps,
        "left_out": left_out,
    }


def _items(arguments: argparse.Namespace, socket: Path, **how: object) -> Iterator[dict[str, Any]]:
    asked = {"board": arguments.name, "seconds": arguments.length, **how}
    with contextlib.closing(stream(socket, "board_record", silence_s=SILENCE_S, **asked)) as items:
        yield from items


def _kept(
    arguments: argparse.Namespace, writer: Writer, recording: Recording
) -> tuple[list[tuple[Clip, float]], list[str]]:
    """Add each stretch that is fit; those clips with their seconds, and why others are not."""
    kept, left_out = [], []
    about = {
        "label": arguments.label,
        "source": f"board {arguments.name}",
        "group": arguments.group or arguments.name,
        "licence": arguments.licence,
    }
    for first, stretch in recording.stretches:
        samples: Pcm = np.frombuffer(bytes(stretch), "<i2").astype(np.int16)
        at_s, seconds = (first - (recording.begin or 0)) / RATE_HZ, len(samples) / RATE_HZ
        why = fault(
            samples, clipped=len(clipped_at(samples.reshape(-1, 1))), may_be_quiet=arguments.label.startswith("_")
        )
        if why:
            left_out.append(f"{seconds:.2f} s at {at_s:.1f} s: {why}")
        else:
            kept.append((writer.add(samples, **about), seconds))
    return kept, left_out


# A sketch.


def _forwarded(arguments: argparse.Namespace, socket: Path) -> dict[str, Any]:
    text = ""
    told: dict[str, Any] = {}
    with progress(f"{arguments.name} samples", arguments.length) as bar:
        for item in _items(arguments, socket, axes=arguments.axes, rate_hz=arguments.rate, ask=arguments.ask):
            if "dropped" in item:
                raise SourceLost("some of the recording was lost on the way from the daemon; try again")
            text += item.get("csv", "")
            told = item if "rows" in item else told
            bar(min(arguments.length, item.get("lines", 0)))
    path = _place(arguments.out, arguments.label)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        what = f"cannot be written: {(error.strerror or str(error)).lower()}"
        raise DatasetError(what, file=path, way_out="Make room, or name another folder") from None
    return {"file": str(path), **told}


def _place(folder: Path, label: str) -> Path:
    """The next free name, as Edge Impulse names samples: LABEL.NUMBER.csv."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"is no place for a recording: {(error.strerror or str(error)).lower()}"
        raise DatasetError(what, file=folder, way_out="Name a folder that you may write to") from None
    number = 1
    while (path := folder / f"{label}.{number}.csv").exists():
        number += 1
    return path


def _in_words(told: dict[str, Any]) -> list[str]:
    if "file" in told:
        axes = ", ".join(told["axes"])
        return [f"{told['file']}: {told['rows']} rows of {axes} at {told['rate_hz']:g} Hz; {told['lost']} lines lost"]
    count = len(told["clips"])
    lines = [f"{told['dataset']}: {count} clip{'' if count == 1 else 's'} added, {told['seconds']:.1f} s"]
    if told["gaps"] or told["lost_s"]:
        gaps = f"{told['gaps']} gap{'' if told['gaps'] == 1 else 's'}"
        lines.append(f"the board could not keep {told['lost_s']:.2f} s, in {gaps}: no clip spans one")
    return lines + [f"left out: {why}" for why in told["left_out"]]
