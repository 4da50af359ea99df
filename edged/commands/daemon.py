"""`edged run`: the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged import daemon

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped."""
    return daemon.run(arguments.config)
