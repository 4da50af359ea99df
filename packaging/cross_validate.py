"""Cross-validate a wake-word recipe: every clip is heard by a model that never met its group, alone and in streams.

    .venv/bin/python packaging/cross_validate.py models/wake-en/recipe.toml DATASET OUT [--report FILE] [--json FILE]

For each part of the recipe OUT/K holds the training without that part (`edged train --fold K/N`), OUT/K.edged its int8
bundle; what is there already is used. Then each bundle hears what was held back from it:

- clips: the words and everything else, as they are and at 10 and 0 dB over noise, in float and in int8
- words: woven into streams, as they are and at 10 dB
- others: speech, sounds and noise that are no near miss, in streams
- near misses: recordings of other wake words, and the recipe's phrases said by espeak-ng, in streams

Noise is drawn from what the part holds of it; a part that holds none draws from all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edged.classify.bundle import open_bundle
from edged.progress import progress
from edged.workshop.dataset import read_dataset, rows
from edged.workshop.evaluate import evaluate_clips, evaluate_streams
from edged.workshop.recipe import read_recipe
from edged.workshop.report import report
from edged.workshop.results import ClipResult, Evaluation, StreamResult, facts_of, merge
from edged.workshop.results_file import read_results, to_json
from edged.workshop.streams import woven
from edged.workshop.summary import rate_in_words, share_in_words

if TYPE_CHECKING:
    from edged.classify.bundle import Bundle
    from edged.workshop.dataset import Clip
    from edged.workshop.recipe import Recipe

SNRS_DB = (10.0, 0.0)
STREAM_SNR_DB = 10.0
NEAR = ("alexa", "snowboy")
NEAR_GROUPS = ("amelia",)
SETS = ("clips-int8", "clips-float", "words", "others", "near")
EDGED = str(Path(sys.executable).with_name("edged"))


def main() -> None:
    """Train what is missing, hear everything, print the table."""
    arguments = _arguments()
    recipe = read_recipe(arguments.recipe)
    arguments.out.mkdir(parents=True, exist_ok=True)
    count = recipe.streaming.parts
    near = arguments.out / "near"
    if not (near / str(count) / "manifest.csv").exists():
        script = Path(__file__).with_name("say_near_misses.py")
        subprocess.run([sys.executable, str(script), str(arguments.recipe), str(near)], check=True)
    folds = range(1, count + 1)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda fold: _train(arguments, fold, count), folds))
    for fold in folds:
        _hear(arguments, recipe, fold)
    _tell(arguments, count)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cross-validate a wake-word recipe.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--report", type=Path, help="the page to write")
    parser.add_argument("--json", type=Path, help="the numbers to write")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trainings side by side")
    return parser.parse_args()


def _train(arguments: argparse.Namespace, fold: int, count: int) -> None:
    work, bundle = arguments.out / str(fold), arguments.out / f"{fold}.edged"
    if bundle.exists():
        return
    if not (work / "float.edged").exists():
        line = [EDGED, "train", str(arguments.dataset), "--recipe", str(arguments.recipe), "--out", str(work)]
        subprocess.run([*line, "--fold", f"{fold}/{count}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([EDGED, "optimise", str(work), "--out", str(bundle)], check=True, stdout=subprocess.DEVNULL)


def _hear(arguments: argparse.Namespace, recipe: Recipe, fold: int) -> None:
    """What this fold's model makes of what it never met."""
    work, bundle = arguments.out / str(fold), _decided(arguments.out / f"{fold}.edged", recipe)
    made = [arguments.out / f"{fold}-{each}.json" for each in SETS]
    stamp = f"{bundle.sha256} {bundle.policies}"
    marker = arguments.out / f"{fold}.heard"
    if all(file.exists() for file in made) and marker.exists() and marker.read_text() == stamp:
        return
    held = {row["path"] for _, row in rows(work / "split.csv") if row["role"] == "test"}
    everything = read_dataset(arguments.dataset)
    clips = [clip for clip in everything.clips if str(clip.path.relative_to(everything.folder)) in held]
    beds = [clip for clip in clips if clip.label in recipe.streaming.beds]
    noise = beds or [clip for clip in everything.clips if clip.label in recipe.streaming.beds]
    words = [clip for clip in clips if clip.label in recipe.labels]
    near = [clip for clip in clips if clip.label in NEAR or clip.group in NEAR_GROUPS]
    others = [clip for clip in clips if clip not in words and clip not in near]
    near += read_dataset(arguments.out / "near" / str(fold)).clips
    jobs, seed = len(os.sched_getaffinity(0)), fold
    shape = {"seed": seed, "snrs_db": SNRS_DB, "noise": noise, "jobs": jobs}
    labels = bundle.policies
    in_words = woven(words, labels=labels, seed=seed)
    in_words += woven(words, labels=labels, seed=seed, snr_db=STREAM_SNR_DB, noise=noise)
    evaluations: dict[str, tuple[Bundle, tuple[ClipResult, ...], tuple[StreamResult, ...]]] = {}
    with progress(f"fold {fold}", len(SETS), unit="of what it hears") as bar:
        evaluations["clips-int8"] = bundle, evaluate_clips(bundle, clips, **shape), ()
        bar(1)
        exact = _decided(work / "float.edged", recipe)
        evaluations["clips-float"] = exact, evaluate_clips(exact, clips, **shape), ()
        bar(2)
        for done, (name, streams) in enumerate(
            {"words": in_words, "others": _woven(others, bundle, seed), "near": _woven(near, bundle, seed)}.items(), 3
        ):
            heard = evaluate_streams(bundle, streams, jobs=jobs) if streams else ()
            evaluations[name] = bundle, (), heard
            bar(done)
    for file, each in zip(made, SETS, strict=True):
        model, in_clips, in_streams = evaluations[each]
        file.write_text(to_json(Evaluation((facts_of(model),), in_clips, in_streams)))
    marker.write_text(stamp)


def _decided(path: Path, recipe: Recipe) -> Bundle:
    """The bundle, deciding as the recipe says now: to try another threshold, nothing need be trained anew."""
    bundle = open_bundle(path)
    chosen = {label: recipe.policies.get(label, recipe.policy).policy for label in bundle.policies}
    return replace(bundle, policies=chosen)


def _woven(clips: list[Clip], bundle: Bundle, seed: int) -> list[object]:
    return list(woven(clips, labels=bundle.policies, seed=seed)) if clips else []


def _tell(arguments: argparse.Namespace, count: int) -> None:
    found = {
        each: merge([read_results(arguments.out / f"{fold}-{each}.json") for fold in range(1, count + 1)])
        for each in SETS
    }
    for each in ("clips-int8", "clips-float"):
        for result in found[each].clips:
            print(f"{each:<12} {_at(result.snr_db):<7} {share_in_words(result.right, result.total)}")
    for result in found["words"].streams:
        median_ms, most_ms = (1000 * (result.latency_s(share) or 0) for share in (0.5, 0.95))
        late = f"{median_ms:.0f} ms after its end, 95 % within {most_ms:.0f}"
        print(f"words        {_at(result.snr_db):<7} {share_in_words(result.total.hits, result.total.events)}; {late}")
        print(f"             {_at(result.snr_db):<7} false alarms among them: {result.total.alarms}")
    (others,) = found["others"].streams
    print(f"others       {others.seconds / 60:.1f} minutes: {rate_in_words(others.total.alarms, others.hours)}")
    (near,) = found["near"].streams
    said, taken = (sum(each) for each in zip(*near.said.values(), strict=True))
    print(f"near misses  {share_in_words(taken, said)} taken for a word")
    print("             " + ", ".join(f"{name} ({times})" for name, (_, times) in sorted(near.said.items()) if times))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({each: json.loads(to_json(result)) for each, result in found.items()}) + "\n"
        )
    if arguments.report:
        whole = [found["clips-int8"], found["words"], found["others"], found["near"]]
        arguments.report.write_text(report(merge(whole)))


def _at(snr_db: float | None) -> str:
    return "clean" if snr_db is None else f"{snr_db:.0f} dB"


if __name__ == "__main__":
    main()
