"""`edged run`: the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.config import Reading

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped."""
    reading = Reading(arguments.config)  # begins at once, beside the imports of all the rest
    from edged import daemon  # noqa: PLC0415 - a tenth of a second and more, in which the config is read

    return daemon.run(arguments.config, reading)
