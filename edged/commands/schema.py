"""`edged schema`: the JSON Schema of the config file, or of what is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    if arguments.what == "config":
        from edged.config import schema  # noqa: PLC0415 - one of the two is wanted
    else:
        from edged.published import schemas as schema  # noqa: PLC0415 - as above
    print(json.dumps(schema(), indent=2))
    return 0
