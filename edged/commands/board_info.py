"""`edged board info`: everything that a board says of itself, and the models that it holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edged.config import control_socket
from edged.control.client import call
from edged.errors import Unavailable, UserError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

DEADLINE_S = 20.0
"""A board may be erasing."""


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    socket = control_socket(arguments.config)
    board = board_of(socket, arguments.name)
    held: dict[str, Any] | None = None
    why = ""
    if (board["identity"] or {}).get("speaks") == "edged":
        try:
            held = call(socket, "board_slots", deadline_s=DEADLINE_S, board=board["name"])["held"]
        except Unavailable as away:
            why = str(away)
    if arguments.json:
        print(json.dumps(board | {"held": held}))
        return 0
    print("\n".join([*_in_words(board), *(_held(held) if held else [f"models   {why}"] if why else [])]))
    return 0


def board_of(socket: Path, name: str) -> dict[str, Any]:
    """What the daemon tells of a board; UserError where it has none of that name."""
    boards = call(socket, "boards")["boards"]
    for board in boards:
        if board["name"] == name:
            return dict(board)
    known = ", ".join(board["name"] for board in boards)
    way_out = f"Name any of {known}" if known else "Add it to the config as [boards.NAME]"
    raise UserError("there is no such board", key="board", value=name, way_out=way_out)


def _in_words(board: dict[str, Any]) -> list[str]:
    identity, pulse, link = board["identity"] or {}, board["pulse"] or {}, board["link"]
    lines = [
        f"{board['name']}: {board['state']}" + (f": {board['why']}" if board["why"] else ""),
        f"port     {board['path'] or 'not open'}, by {board['port']}; driver {board['driver']}",
    ]
    if identity:
        kind = ", ".join(identity[name] for name in ("board", "chip") if identity[name])
        lines.append(f"board    {kind or 'unknown'}; {identity['speaks']} {identity['firmware']}".rstrip())
    if identity.get("uid"):
        lines.append(f"uid      {identity['uid']}")
    if identity.get("boot") is not None:
        lines.append(f"boot     {identity['boot']}, by {identity['reset']}")
    lines += [f"{name:8} {value}" for name, value in _pulse(pulse)]
    lines.append(
        f"events   {board['events']} stored, {board['duplicates']} came again, {board['lost']} lost by the board"
    )
    foreign = ", ".join(f"{count} times {why}" for why, count in link["foreign"].items())
    counts = f"{link['bytes_in']:,} bytes in, {link['bytes_out']:,} out, {link['bad']} bad frames or lines"
    return [*lines, f"link     {counts}" + (f"; {foreign}" if foreign else "")]


def _pulse(pulse: dict[str, Any]) -> list[tuple[str, str]]:
    """What it said at its last heartbeat, as far as it says such things."""
    said = []
    if pulse.get("up_ms") is not None:
        said.append(("up", f"{pulse['up_ms'] / 1000:.0f} s"))
    if pulse.get("idle") is not None:
        said.append(("idle", f"{pulse['idle']:.0%} of the time"))
    if pulse.get("heard_s") is not None:
        said.append(("heard", f"{pulse['heard_s']:.0f} s, missed {pulse['missed_s']:.1f} s"))
    if pulse.get("inferences") is not None:
        said.append(("model", f"{pulse['inferences']} inferences, {pulse.get('arena_bytes') or 0:,} bytes of arena"))
    return said


def _held(held: dict[str, Any]) -> list[str]:
    lines = []
    for number, slot in enumerate(held["slots"]):
        marks = [name for name in ("active", "confirmed") if held[name] == number]
        marks += ["on trial"] if held["trial"] and held["active"] == number else []
        name = f"{slot['name']}, " if slot["name"] else ""
        why = f": {slot['why']}" if slot["why"] else ""
        size = f"{slot['size']:,} of {held['size']:,} bytes"
        lines.append(f"slot {number}   {name}{slot['state']}{why}, {size}" + (f"; {', '.join(marks)}" if marks else ""))
    return lines
