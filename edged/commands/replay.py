"""`edged replay`: recordings through the daemon's road, one line an event."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from edged.audio.files import duration_s
from edged.plan import chosen
from edged.progress import progress
from edged.replay import replay

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edged.replay import Replayed


def run(arguments: argparse.Namespace) -> int:
    """Print the events of each file; JSON Lines with --json."""
    bundles, library, kernels = chosen(model=arguments.model, config=arguments.config)
    lengths = {file: duration_s(file) for file in arguments.files}
    with progress("replaying", sum(lengths.values())) as bar:
        heard = dict.fromkeys(arguments.files, 0.0)

        def advanced(file: Path, seconds: float) -> None:
            heard[file] = seconds
            bar(sum(heard.values()))

        for event in replay(arguments.files, bundles, library=library, kernels=kernels, advanced=advanced):
            print(json.dumps(dataclasses.asdict(event)) if arguments.json else _line(event), flush=True)
    return 0


def _line(event: Replayed) -> str:
    return f"{event.at_s:10.3f} s  {event.kind:<9}  {event.label}  {event.score:.3f}  {event.model}  {event.file}"
