"""`edged status`: how the running daemon is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edged.config import control_socket
from edged.control.client import call

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Ask the daemon, and print its answer."""
    told = call(control_socket(arguments.config), "status")
    print(json.dumps(told, indent=2) if arguments.json else in_words(told))
    return 0


def in_words(told: dict[str, Any]) -> str:
    """Write the daemon's answer for a person, a line each for what it consists of."""
    vitals = told["vitals"]
    outbox, mqtt = vitals["outbox"], vitals["mqtt"]
    lost = f"{outbox['lost']} lost"
    if outbox["set_aside"]:
        lost += f"; a damaged one is kept as {outbox['set_aside']}"
    lines = [
        f"{told['gateway']}: {told['in_words']}",
        (
            f"edged {told['version']}, process {told['process']}, up {vitals['uptime_s']:.0f} s, "
            f"{vitals['rss_bytes'] / 2**20:.0f} MiB, config {told['config']}"
        ),
        f"broker   {told['broker']}; {mqtt['reconnects']} reconnects, {mqtt['unheard']} events without a subscriber",
        f"outbox   {outbox['state']}: {outbox['depth']} stored, {outbox['waiting']} waiting, {lost}",
    ]
    lines += [
        f"source   {name}: {source['state']}; heard {source['heard_s']:.0f} s, missed {source['missed_s']:.0f} s, "
        f"{source['dropped']} chunks dropped"
        for name, source in vitals["sources"].items()
    ]
    lines += [
        f"model    {name}: {model['state']}; {model['windows']} windows, {model['dropped_s']:.1f} s not heard"
        for name, model in vitals["models"].items()
    ]
    if (clips := vitals["clips"]) is not None:
        lines.append(
            f"clips    {clips['state']}: {clips['kept']} kept, {clips['bytes'] / 1e6:.1f} MB; "
            f"{clips['dropped']} dropped to make room, {clips['lost']} lost"
        )
    lines += [_board(board) for board in told["boards"]]
    return "\n".join(lines)


def _board(board: dict[str, Any]) -> str:
    """Write how a board is; what it does not tell is left out."""
    identity, pulse = board["identity"] or {}, board["pulse"] or {}
    parts = [f"board    {board['name']}: {board['state']}" + (f" ({board['why']})" if board["why"] else "")]
    if identity:
        uid = f", uid {identity['uid']}" if identity["uid"] else ""
        parts.append(f"{identity['board'] or identity['speaks']} at {board['path'] or board['port']}{uid}")
    if identity.get("boot") is not None:
        parts.append(f"boot {identity['boot']} ({identity['reset']})")
    measured = (
        ("up_ms", "up {:.0f} s", 1e-3),
        ("idle", "idle {:.0f} %", 100),
        ("round_trip_ms", "answers in {:.1f} ms", 1),
    )
    told = [words.format(pulse[key] * unit) for key, words, unit in measured if pulse.get(key) is not None]
    parts += [", ".join(told)] if told else []
    kept = "" if pulse.get("backlog") is None else f", {pulse['backlog']} kept there"
    parts.append(f"{board['events']} events{kept}, {board['lost']} lost; {board['resets']} resets")
    return "; ".join(parts)
