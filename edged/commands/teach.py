"""`edged teach`: a dozen clips of each sound make a detector, here and now."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from edged.classify.archive import SUFFIX
from edged.errors import ConfigError
from edged.progress import progress
from edged.workshop.dataset import read_dataset
from edged.workshop.embedder import open_embedder
from edged.workshop.teach import teach, write_taught

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.workshop.dataset import Clip
    from edged.workshop.teach import Taught

NEGATIVE = "_negative_"


def run(arguments: argparse.Namespace) -> int:
    """Read the datasets, teach, write the bundle, and say how good it is; a JSON object with --json."""
    began = time.monotonic()
    _check_out(arguments.out)
    clips = [clip for folder in arguments.datasets for clip in read_dataset(folder).clips]
    clips += _negatives(arguments.negatives)
    embedder = open_embedder(arguments.embedding)
    try:
        with progress("listening", len(clips), unit="clips") as bar:
            taught = teach(clips, embedder=embedder, seed=arguments.seed, advanced=bar)
        notes = f"{len(clips)} clips, seed {arguments.seed}; judged on {taught.held_back} held back"
        bundle = write_taught(arguments.out, taught, embedder=embedder, notes=notes)
    finally:
        embedder.close()
    took_s = time.monotonic() - began
    if arguments.json:
        print(json.dumps(_told(bundle, taught, took_s=took_s)), flush=True)
    else:
        print("\n".join(_in_words(bundle, taught, took_s=took_s)), flush=True)
    return 0


def _check_out(out: Path) -> None:
    """Say it before the work is done, not after."""
    if out.suffix != SUFFIX:
        raise ConfigError("is no name for a bundle", key="--out", value=str(out), way_out=f"Let it end in {SUFFIX}")
    if not out.parent.is_dir():
        raise ConfigError("its folder is not there", key="--out", value=str(out), way_out=f"Make {out.parent} first")


def _negatives(folders: list[Path]) -> list[Clip]:
    """Every clip of these datasets, whatever its label: here it is background."""
    clips = [clip for folder in folders for clip in read_dataset(folder).clips]
    return [clip if clip.is_background else replace(clip, label=NEGATIVE) for clip in clips]


def _told(bundle: Bundle, taught: Taught, *, took_s: float) -> dict[str, object]:
    return {
        "bundle": str(bundle.path),
        "labels": taught.labels,
        "sha256": bundle.sha256,
        "policy": asdict(taught.policy),
        "held_back": taught.held_back,
        "judged": [asdict(each) for each in taught.judged],
        "negatives": taught.negatives,
        "false_accepts": taught.false_accepts,
        "background_windows": taught.background,
        "false_windows": taught.false_windows,
        "took_s": round(took_s, 2),
    }


def _in_words(bundle: Bundle, taught: Taught, *, took_s: float) -> list[str]:
    width = max(len("sound"), *(len(each.label) for each in taught.judged))
    lines = [f"{'sound':<{width}}  clips  groups  right  detected"]
    lines += [
        f"{each.label:<{width}}  {each.clips:>5}  {each.groups:>6}  {each.recognised:>5}  {each.detected:>8}"
        for each in taught.judged
    ]
    if taught.held_back == "groups":
        lines.append("Each clip was judged by a head that had not heard its group: so it does with new voices.")
    else:
        lines.append(
            "Each clip was judged by a head that had not heard it, but others of its group: new voices do worse."
        )
    if taught.negatives:
        lines.append(f"In {taught.false_accepts} of {taught.negatives} negatives something was detected.")
    share = 100 * taught.false_windows / max(1, taught.background)
    lines.append(f"At threshold {taught.policy.threshold:g}, {share:.2f} % of unheard background windows are over it.")
    return [*lines, f"{bundle.path}: {', '.join(taught.labels[:-1])}; in {took_s:.1f} s"]
