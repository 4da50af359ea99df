"""`edged board log`: what a board has printed, and then what it prints."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.control.client import stream

if TYPE_CHECKING:
    import argparse

SILENCE_S = 24 * 3600.0
"""A board may have nothing to say for long."""


def run(arguments: argparse.Namespace) -> int:
    """Print line after line, until Ctrl-C."""
    socket = control_socket(arguments.config)
    with contextlib.closing(stream(socket, "board_log", silence_s=SILENCE_S, board=arguments.name)) as items:
        for item in items:
            if arguments.json:
                print(json.dumps(item), flush=True)
                continue
            left_out = item.get("left_out", 0) + item.get("dropped", 0)
            if left_out:
                print(f"… {left_out} lines left out", flush=True)
            print(f"{item['at']}  {item['line']}", flush=True)
    return 0
