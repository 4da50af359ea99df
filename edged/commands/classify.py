"""`edged classify`: what recordings sound like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edged.classifier import classify_with
from edged.plan import chosen
from edged.progress import progress

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Print one line a file, for the first of the models meant; JSON Lines with --json."""
    bundles, library, kernels = chosen(model=arguments.model, config=arguments.config)
    with progress("classifying", len(arguments.files), unit="files") as bar:
        for done, file in enumerate(arguments.files):
            bar(done)
            found = classify_with(bundles[0], file, library=library, kernels=kernels)
            if arguments.json:
                print(json.dumps(found | {"file": str(file)}), flush=True)
            else:
                below = "" if found["detected"] else "  (below the threshold)"
                print(f"{found['label']}  {found['confidence']:.3f}  {file}{below}", flush=True)
    return 0
