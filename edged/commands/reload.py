"""`edged reload`: have the running daemon read its config again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.control.client import call
from edged.errors import UserError

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 60.0
"""Models may have to be opened, and a broker said goodbye to."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it; what the daemon finds wrong is raised here."""
    try:
        told = call(control_socket(arguments.config), "reload", deadline_s=DEADLINE_S)
    except UserError:
        print("The daemon's config was refused; the old one goes on running.", file=sys.stderr)
        raise
    print(f"reloaded: {told['in_words']}")
    return 0
