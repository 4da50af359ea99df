"""`edged model install`: give a model of the running daemon another file, losing no window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.config import control_socket
from edged.control.client import call
from edged.trial import TRIAL_WINDOWS

if TYPE_CHECKING:
    import argparse

DEADLINE_S = 60.0
"""The file is looked at, opened once for each source, copied to the disk, and on trial for `edged.swap.TRIAL_S`."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it; what the daemon finds wrong is raised here, and then the old model is still running."""
    socket = control_socket(arguments.config)
    path = str(arguments.path.absolute())
    told = call(socket, "install", deadline_s=DEADLINE_S, name=arguments.name, path=path)
    print(f"{told['name']} now runs from {told['path']} (sha256 {told['sha256'][:12]}…)")
    print(f"golden input: {_golden(told['golden'])}; {_tried(tried=told['tried'])}")
    return 0


def _golden(proof: dict[str, Any] | None) -> str:
    if proof is None:
        return "it has none"
    return f"{proof['windows']} windows as where it was made, at most {proof['worst']:.2g} off"


def _tried(*, tried: bool) -> str:
    return f"its first {TRIAL_WINDOWS} windows went well" if tried else "there was too little to hear for a trial"
