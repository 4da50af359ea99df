"""Make the default model `sounds`, and say how good its recipe is: `make model-sounds`.

    .venv/bin/python packaging/make_sounds.py DATASET OUT

DATASET holds ESC-10 with its four folds as groups, and speech and noise as background. For each fold OUT/K holds the
training without it and OUT/K.edged the model in 8 bits, which then hears what it never met; OUT/all holds the training
on everything, whose model becomes models/sounds/sounds.edged, with the numbers in report.md and report.json beside it.
What was begun goes on: it can be killed at any moment and typed again.

A clip's label is the one of the ten whose posterior is the highest in the mean over the clip's windows, as ESC-10 is
judged everywhere; `open` is the same with the background as an eleventh. In streams, what a model that never met them
makes of speech and of the noise of rooms are false alarms, and ESC-10's clips are events.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edged.classify.bundle import open_bundle
from edged.workshop.cost import cost_of
from edged.workshop.dataset import Dataset, read_dataset, rows
from edged.workshop.evaluate import evaluate_streams
from edged.workshop.results import merged_streams
from edged.workshop.scoring import Recording, score_all
from edged.workshop.speed import speed_of
from edged.workshop.streams import woven
from edged.workshop.summary import rate_in_words, share_in_words

if TYPE_CHECKING:
    from edged.classify.bundle import Bundle
    from edged.workshop.dataset import Clip
    from edged.workshop.results import StreamResult

FOLDS = 4
PLACE = Path(__file__).resolve().parents[1] / "models" / "sounds"
EDGED = str(Path(sys.executable).with_name("edged"))
GOAL = 0.85
CREDIT = re.compile(r"^- \*\*\[(?P<clip>[^\]]+)\.ogg\]\([^)]*\)\*\*:\s*clip derived from (?P<rest>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Heard:
    """What the model of one fold made of that fold."""

    fold: int
    clips: int
    int8_right: int
    float_right: int
    int8_open_right: int
    events: StreamResult
    """The clips, between silences."""
    quiet: StreamResult
    """The background, which should raise nothing."""


def main() -> int:
    """Train, hear, tell; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="Make the default model `sounds`.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    dataset = read_dataset(arguments.dataset)
    began = time.monotonic()
    bundles = {fold: _trained(arguments, str(fold), f"{fold}/{FOLDS}") for fold in range(1, FOLDS + 1)}
    found = [_hear(dataset, arguments.out, path, fold=fold) for fold, path in bundles.items()]
    made = _trained(arguments, "all", None)
    (PLACE / "sounds.edged").write_bytes(made.read_bytes())
    _credit(dataset, arguments.dataset / "esc10-ATTRIBUTION.md")
    told = _told(open_bundle(PLACE / "sounds.edged"), found)
    (PLACE / "report.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    report = _report(told, found)
    (PLACE / "report.md").write_text(report, encoding="utf-8")
    print(report, f"This run took {(time.monotonic() - began) / 60:.0f} minutes.", sep="\n")
    return 0 if float(told["mean"]) >= GOAL else 1


def _trained(arguments: argparse.Namespace, name: str, fold: str | None) -> Path:
    """The int8 bundle of a training, which is done if it is not there."""
    work, bundle = arguments.out / name, arguments.out / f"{name}.edged"
    if not bundle.exists():
        held = [] if fold is None else ["--fold", fold]
        line = [EDGED, "train", arguments.dataset, "--recipe", PLACE / "recipe.toml", "--out", work, *held]
        subprocess.run(line, check=True)
        subprocess.run([EDGED, "optimise", work, "--out", bundle], check=True)
    return bundle


def _hear(dataset: Dataset, out: Path, path: Path, *, fold: int) -> Heard:
    held = {row["path"] for _, row in rows(out / str(fold) / "split.csv") if row["role"] == "test"}
    clips = [clip for clip in dataset.clips if str(clip.path.relative_to(dataset.folder)) in held]
    int8, exact = open_bundle(path), open_bundle(out / str(fold) / "float.edged")
    sounds = [clip for clip in clips if clip.label in int8.policies]
    others = [clip for clip in clips if clip.label not in int8.policies]
    right, right_open = _right(int8, sounds)
    (events,) = evaluate_streams(int8, woven(sounds, labels=int8.policies, seed=fold))
    (quiet,) = evaluate_streams(int8, woven(others, labels=int8.policies, seed=fold))
    return Heard(fold, len(sounds), right, _right(exact, sounds)[0], right_open, events, quiet)


def _right(bundle: Bundle, clips: list[Clip]) -> tuple[int, int]:
    """How many clips are told right among the ten, and with background as an eleventh."""
    ten = [at for at, label in enumerate(bundle.labels) if label not in bundle.background]
    right = right_open = 0
    for clip, scored in zip(clips, score_all(bundle, [Recording(clip.path) for clip in clips]), strict=True):
        mean = scored.values.mean(axis=0)
        right += bundle.labels[ten[int(np.argmax(mean[ten]))]] == clip.label
        right_open += bundle.labels[int(np.argmax(mean))] == clip.label
    return right, right_open


def _told(bundle: Bundle, found: list[Heard]) -> dict[str, object]:
    shares = [each.int8_right / each.clips for each in found]
    cost = cost_of(bundle.model)
    return {
        "folds": [
            {key: value for key, value in asdict(each).items() if key not in ("events", "quiet")} | {"share": share}
            for each, share in zip(found, shares, strict=True)
        ],
        "mean": statistics.mean(shares),
        "spread": statistics.stdev(shares),
        "float_mean": statistics.mean(each.float_right / each.clips for each in found),
        "open_mean": statistics.mean(each.int8_open_right / each.clips for each in found),
        "bytes": len(bundle.model),
        "macs": cost.macs,
        "sha256": bundle.sha256,
    }


def _report(told: dict[str, object], found: list[Heard]) -> str:
    bundle = open_bundle(PLACE / "sounds.edged")
    speed = speed_of(bundle.model, file=bundle.path)
    (events,) = merged_streams([each.events for each in found])
    (quiet,) = merged_streams([each.quiet for each in found])
    lines = ["| fold | clips | int8 | float | int8, open |", "|---|---|---|---|---|"]
    for each in found:
        shares = (each.int8_right, each.float_right, each.int8_open_right)
        lines.append(f"| {each.fold} | {each.clips} | {' | '.join(_percent(share / each.clips) for share in shares)} |")
    mean, spread = float(str(told["mean"])), float(str(told["spread"]))
    timed = speed if isinstance(speed, str) else f"{speed.invoke_ms:.1f} ms a window here ({speed.runtime})"
    lines += [
        "",
        f"Mean {_percent(mean)}, standard deviation {_percent(spread)} over the four folds of ESC-10.",
        f"{told['bytes']} bytes, {told['macs']} MACs a window, two windows a second; {timed}.",
        f"In streams: {share_in_words(events.total.hits, events.total.events)} of the sounds are reported;",
        f"speech and room noise raise {rate_in_words(quiet.total.alarms, quiet.hours)}.",
        "",
    ]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _credit(dataset: Dataset, attribution: Path) -> None:
    """Name the maker of each clip that was heard: CC BY asks for it."""
    heard = {clip.path.stem: clip.label for clip in dataset.clips if clip.source == "karoldvl/ESC-10"}
    credits_ = {found["clip"]: found["rest"].strip() for found in CREDIT.finditer(attribution.read_text("utf-8"))}
    missing = sorted(set(heard) - set(credits_))
    if missing:
        raise SystemExit(f"nobody is credited for {', '.join(missing)}")
    lines = [
        "# Whose sounds `sounds` has learnt from",
        "",
        "ESC-10, by Karol J. Piczak: <https://github.com/karoldvl/ESC-10>, CC BY 3.0. Its clips were cut from",
        "recordings of Freesound by the people named here, resampled to 16 kHz, and changed as the recipe says.",
        "",
        *(f"- {label}, {clip}: {credits_[clip]}" for clip, label in sorted(heard.items(), key=lambda each: each[::-1])),
    ]
    (PLACE / "CREDITS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
