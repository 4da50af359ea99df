"""How good `edged teach` is with a dozen clips a word: `.venv/bin/python packaging/bench_teach.py [--json FILE]`.

Six wake words: the groups are dealt out to two halves; from one half a dozen clips a word are drawn, and every clip of
the other half is judged; then the other way round; three draws of each. Ten digits: four clips a digit of each of three
speakers, and every clip of the fourth is judged. Open set: 150 recordings of speech, of groups that neither the
embedding nor the head has heard. The embedding has heard none of these words, no digit and none of these groups
(models/embedding/data.csv), so all of it is how a new word by new people would do.

A clip is judged as the road hears it: in quiet, window after window, the posteriors smoothed. Right (top-1) is a clip
whose highest score, over its windows and over all labels but the background, is its own label's. Detected is a right
one over the threshold that teaching chose; falsely accepted is a recording of speech in which anything was over it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from embedding.recordings import SHARED, taking_part

from edged.audio.files import open_audio
from edged.audio.resample import Converter
from edged.workshop.dataset import Clip, folds, read_audio, read_dataset
from edged.workshop.embedder import Embedder, open_embedder
from edged.workshop.teach import ear_of, peaks_of, teach
from edged.workshop.views import heard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edged.workshop.teach import Points, Taught

A_DOZEN = 12
DRAWS = 3
NEGATIVES = 150
TARGETS = {"words": 0.97, "digits": 0.85}
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """One head, judged."""

    clips: int
    right: int
    detected: int
    negatives: int
    false_accepts: int
    threshold: float
    wrong: tuple[str, ...]
    """Labels of the clips that were not right."""


class Judge:
    """Hears every clip once, however many heads judge it."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.points = cache(self._points)

    def _points(self, clip: Clip) -> Points:
        rng = np.random.default_rng(0)
        return self.embedder.points(heard(read_audio(clip), ear_of(self.embedder), rng=rng))

    def result(self, taught: Taught, clips: Iterable[Clip], negatives: Iterable[Clip] = ()) -> Result:
        """Judge a head by these clips and by what it is to ignore."""
        threshold, right, detected, wrong, count = taught.policy.threshold, 0, 0, [], 0
        for clip in clips:
            found = peaks_of(taught.head, self.points(clip))[:-1]
            count += 1
            if taught.labels[int(found.argmax())] != clip.label:
                wrong.append(clip.label)
                continue
            right += 1
            detected += bool(found.max() > threshold)
        others = [float(peaks_of(taught.head, self.points(clip))[:-1].max()) for clip in negatives]
        false = sum(score > threshold for score in others)
        return Result(count, right, detected, len(others), false, threshold, tuple(wrong))


def words(judge: Judge, *, heard_negatives: Sequence[Clip], unheard: Sequence[Clip]) -> list[Result]:
    """Six wake words, groups unseen."""
    clips = [clip for clip in read_dataset(SHARED).clips if clip.source == "Picovoice/wake-word-benchmark"]
    half = folds(clips, k=2, seed=0)
    results = []
    for draw in range(DRAWS):
        for side in (0, 1):
            rng = np.random.default_rng((draw, side))
            taught = [clip for clip in clips if half[clip.speaker] == side]
            chosen = _dozen(taught, rng=rng)
            made = teach([*chosen, *heard_negatives], embedder=judge.embedder, seed=draw)
            results.append(judge.result(made, (clip for clip in clips if half[clip.speaker] != side), unheard))
    return results


def digits(judge: Judge, folder: Path) -> list[Result]:
    """Ten digits, one speaker left out."""
    clips = list(_digits(folder))
    results = []
    for speaker in sorted({clip.group for clip in clips}):
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            chosen: list[Clip] = []
            for other in sorted({clip.group for clip in clips} - {speaker}):
                chosen += _dozen([clip for clip in clips if clip.group == other], rng=rng, count=A_DOZEN // 3)
            made = teach(chosen, embedder=judge.embedder, seed=draw)
            results.append(judge.result(made, (clip for clip in clips if clip.group == speaker)))
    return results


def _dozen(clips: Sequence[Clip], *, rng: np.random.Generator, count: int = A_DOZEN) -> list[Clip]:
    by_label = defaultdict(list)
    for clip in clips:
        by_label[clip.label].append(clip)
    return [own[number] for _, own in sorted(by_label.items()) for number in rng.permutation(len(own))[:count]]


def _digits(folder: Path) -> Iterable[Clip]:
    """The digits at 16 kHz, which they were not recorded at."""
    for clip in read_dataset(SHARED).clips:
        if clip.source != "Jakobovski/FSDD":
            continue
        with open_audio(clip.path) as file:
            converter = Converter(file.rate_hz, 1, 16_000)
            samples = np.concatenate([*(converter.push(block) for block in file.blocks(16_000)), converter.flush()])
        path = folder / f"{clip.path.stem}.wav"
        with wave.open(str(path), "wb") as writing:
            writing.setnchannels(1)
            writing.setsampwidth(2)
            writing.setframerate(16_000)
            writing.writeframes(samples.astype("<i2").tobytes())
        yield replace(clip, path=path)


def speech() -> tuple[list[Clip], list[Clip]]:
    """150 recordings of speech of groups that the embedding has heard, and 150 of groups that it has not."""
    clips = [clip for clip in read_dataset(SHARED).clips if clip.label == "_unknown_"]
    order = np.random.default_rng(0).permutation(len(clips))
    known = [clips[at] for at in order if clips[at].speaker in taking_part()]
    unknown = [clips[at] for at in order if clips[at].speaker not in taking_part()]
    return known[:NEGATIVES], unknown[:NEGATIVES]


def timed(folder: Path) -> float:
    """Seconds of one `edged teach`, typed: six words, a dozen clips each, and 150 negatives."""
    clips = [clip for clip in read_dataset(SHARED).clips if clip.source == "Picovoice/wake-word-benchmark"]
    for name, chosen in (("words", _dozen(clips, rng=np.random.default_rng(0))), ("negatives", speech()[0])):
        place = folder / name
        place.mkdir()
        lines = ["path,label,source,group,licence"]
        for number, clip in enumerate(chosen):
            (place / f"{number}{clip.path.suffix}").write_bytes(clip.path.read_bytes())
            lines.append(f"{number}{clip.path.suffix},{clip.label},{clip.source},{clip.group},{clip.licence}")
        (place / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    edged = str(Path(sys.executable).with_name("edged"))
    command = [edged, "teach", "words", "--negatives", "negatives", "--out", "six.edged"]
    began = time.monotonic()
    print(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    return time.monotonic() - began


def _told(name: str, results: Sequence[Result]) -> dict[str, Any]:
    top1 = [each.right / each.clips for each in results]
    told: dict[str, Any] = {
        "runs": len(results),
        "clips": sum(each.clips for each in results),
        "top1": round(sum(each.right for each in results) / sum(each.clips for each in results), 4),
        "top1_least": round(min(top1), 4),
        "top1_most": round(max(top1), 4),
        "detected": round(sum(each.detected for each in results) / sum(each.clips for each in results), 4),
        "threshold": round(statistics.median(each.threshold for each in results), 2),
    }
    if negatives := sum(each.negatives for each in results):
        told["false_accepts"] = round(sum(each.false_accepts for each in results) / negatives, 4)
    wrong = [label for each in results for label in each.wrong]
    told["wrong"] = {label: wrong.count(label) for label in sorted(set(wrong))}
    print(f"{name:<46}", json.dumps(told), flush=True)
    return told


def main() -> None:
    """Everything, and what was asked for."""
    parser = argparse.ArgumentParser(description="How good `edged teach` is with a dozen clips a word.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--embedding", type=Path, metavar="BUNDLE", help="instead of the one that comes with edged")
    arguments = parser.parse_args()
    judge = Judge(open_embedder(arguments.embedding))
    known, unknown = speech()
    with tempfile.TemporaryDirectory() as folder:
        told = {
            "six words": _told("six words, groups unseen", words(judge, heard_negatives=(), unheard=unknown)),
            "six words, 150 negatives": _told(
                "six words, groups unseen, taught with 150 negatives",
                words(judge, heard_negatives=known, unheard=unknown),
            ),
            "digits": _told("ten digits, speaker unseen", digits(judge, Path(folder))),
            "teach_s": round(timed(Path(folder)), 1),
        }
    asked = {
        f"six words, {TARGETS['words']:.0%} asked": told["six words"]["top1"] >= TARGETS["words"],
        f"digits, {TARGETS['digits']:.0%} asked": told["digits"]["top1"] >= TARGETS["digits"],
        f"teaching in {LIMIT_S:g} s": told["teach_s"] <= LIMIT_S,
    }
    print("\n".join(f"{name}: {'reached' if reached else 'NOT REACHED'}" for name, reached in asked.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
