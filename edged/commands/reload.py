"""`edged reload`: have the running daemon read its config again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.control.client import call

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 60.0
"""Models may have to be opened, and a broker said goodbye to."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it; what the daemon finds wrong is raised here."""
    told = call(control_socket(arguments.config), "reload", deadline_s=DEADLINE_S)
    print(f"reloaded: {told['in_words']}")
    return 0
