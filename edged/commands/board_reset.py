"""`edged board reset`: have a board begin anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.control.client import call

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 60.0
"""The daemon waits 30 s for it to be back."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it, and say how the board is."""
    socket = control_socket(arguments.config)
    told = call(socket, "board_reset", deadline_s=DEADLINE_S, board=arguments.name)
    if arguments.json:
        print(json.dumps(told))
        return 0
    identity = told["identity"] or {}
    boot = "" if identity.get("boot") is None else f"; boot {identity['boot']}, by {identity['reset']}"
    print(f"{told['name']}: {told['state']}{boot}")
    return 0
