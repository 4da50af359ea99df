"""`edged board test`: on-device testing. A board hears recordings; its answers stand beside the gateway's."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edged.commands.board_info import board_of
from edged.compiler.compiled import compile_model, read_source
from edged.config import control_socket
from edged.control.send import sent
from edged.errors import ModelError, Unavailable, UserError
from edged.progress import progress
from edged.workshop.beside import RATE_HZ, Compared, compare, hear, read_sound

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edged.compiler.compiled import Compiled
    from edged.progress import Bar
    from edged.records import Pcm

HEAD: Final = ("recording", "seconds", "windows", "agree", "events", "gateway's", "same", "board's pace")


@dataclass(slots=True)
class Sat:
    """What the board made of one recording."""

    outputs: bytearray = field(default_factory=bytearray)
    sitting: dict[str, Any] = field(default_factory=dict)


def run(arguments: argparse.Namespace) -> int:
    """Test, and print a table; 0 where the board says what the gateway says, 1 where it does not."""
    socket = control_socket(arguments.config)
    board = board_of(socket, arguments.name)
    compiled = _compiled(arguments.model)
    sounds = [read_sound(file) for file in arguments.files]
    sha256 = hashlib.sha256(compiled.data).hexdigest()
    total_s = sum(map(len, sounds)) / RATE_HZ
    with progress(f"{board['name']} hears", total_s) as bar, _named(arguments.model):
        parts = [sound.astype("<i2", copy=False).tobytes() for sound in sounds]
        with contextlib.closing(sent(socket, "board_test", parts, board=board["name"], sha256=sha256)) as items:
            selftest, sat = _heard(items, len(sounds), bar)
    rows = [_row(file, sound, each, compiled) for file, sound, each in zip(arguments.files, sounds, sat, strict=True)]
    told = {"board": board["name"], "model": compiled.plan.names.name, "selftest": selftest, "recordings": rows}
    print(json.dumps(told) if arguments.json else "\n".join(_in_words(told)))
    return 0 if all(row["equal"] for row in rows) else 1


def _compiled(path: Path) -> Compiled:
    compiled = compile_model(read_source(path))
    if compiled.network_only or compiled.source.bundle is None:
        why = compiled.network_only or "nothing says how sound becomes its input"
        raise ModelError(f"no board hears by it: {why}", file=path, way_out="Name the bundle that was deployed")
    return compiled


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let what is wrong with the model name its file."""
    try:
        yield
    except UserError as wrong:
        if wrong.file is not None or wrong.key is not None:
            raise
        raise ModelError(wrong.what, file=path, way_out=wrong.way_out) from None


def _heard(items: Iterator[dict[str, Any]], count: int, bar: Bar) -> tuple[dict[str, Any], list[Sat]]:
    """Gather what the board says, recording after recording."""
    selftest: dict[str, Any] = {}
    sat = [Sat()]
    done_s = 0.0
    for item in items:
        if "dropped" in item:
            raise Unavailable("some of the board's answers were lost on the way; try again")
        selftest = item.get("selftest", selftest)
        if "outputs" in item:
            sat[-1].outputs += base64.b64decode(item["outputs"])
            done_s += 512 / RATE_HZ
            bar(done_s)
        elif "sitting" in item:
            sat[-1].sitting = item["sitting"]
            sat.append(Sat())
    sat.pop()
    if len(sat) != count:
        raise Unavailable("the daemon ended the test before its end")
    return selftest, sat


def _row(file: Path, sound: Pcm, sat: Sat, compiled: Compiled) -> dict[str, Any]:
    """One recording, judged by both."""
    bundle, output = compiled.source.bundle, compiled.plan.network.output
    assert bundle is not None  # noqa: S101 - _compiled refuses a model without
    found: Compared = compare(hear(bundle, sound, output=output), bytes(sat.outputs), sat.sitting["events"])
    seconds = len(sound) / RATE_HZ
    return {
        "file": str(file),
        "seconds": round(seconds, 3),
        **asdict(found),
        "equal": found.equal,
        "lost_events": sat.sitting["lost"],
        "took_s": round(sat.sitting["took_s"], 3),
        "pace": round(seconds / sat.sitting["took_s"], 2) if sat.sitting["took_s"] else None,
        "board": sat.sitting["events"],
    }


def _in_words(told: dict[str, Any]) -> list[str]:
    rows = told["recordings"]
    table = [HEAD] + [
        (
            *(row["file"], f"{row['seconds']:.1f}", f"{row['windows']}", f"{row['agree']}", f"{row['events']}"),
            *(f"{row['decisions']}", f"{row['same_events']}", f"{row['pace']:.1f} times real time"),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(_cell, range(len(row)), row, widths)) for row in table]
    for row in rows:
        lines += [
            f"{row['file']}: {event['label']}, {event['kind']}, score {event['score']:.3f}" for event in row["board"]
        ]
    windows, agree = sum(row["windows"] for row in rows), sum(row["agree"] for row in rows)
    share = 100 * agree / windows if windows else 100.0
    test = told["selftest"]
    golden = "its golden windows are right" if test["differs"] is None else f"golden window {test['differs']} differs"
    lines.append(f"{told['board']} and the gateway agree in {agree} of {windows} windows ({share:.2f} %)")
    lines.append(f"an inference of {told['model']} takes it {test['window_us'] / 1000:.2f} ms; {golden}")
    return lines


def _cell(at: int, text: str, width: int) -> str:
    """The first column begins where all begin, the others end where all end."""
    return text.rjust(width) if at else text.ljust(width)
