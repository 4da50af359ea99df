"""`edged model install`: give a model of the running daemon another file, losing no window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config import control_socket
from edged.control.client import call

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 60.0
"""The file is looked at, opened once for each source, and copied to the disk."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it; what the daemon finds wrong is raised here, and then the old model is still running."""
    socket = control_socket(arguments.config)
    path = str(arguments.path.absolute())
    told = call(socket, "install", deadline_s=DEADLINE_S, name=arguments.name, path=path)
    print(f"{told['name']} now runs from {told['path']} (sha256 {told['sha256'][:12]}…)")
    return 0
