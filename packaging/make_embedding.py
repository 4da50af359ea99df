"""Make models/embedding anew, from the shared recordings and from nothing.

    make setup-train; apt install espeak-ng flite
    .venv/bin/python packaging/make_embedding.py WORK

It has stages, and keeps what each came to in the folder WORK; what is there is not made again. On one idle core they
take: speaking 10 minutes, the windows 10, the training 15. It needs 4 GB of memory. The recipe is this file with its
seeds; the words are models/embedding/words.txt, and whose recordings take part says models/embedding/data.csv.

None of the six wake words, and none of the ten digits, is in it, neither recorded nor synthesised, and half of the
speakers of the other speech are not: `packaging/bench_teach.py` can therefore judge it by what it has never heard.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from embedding.recordings import LEFT_OUT, SHARED, all_recordings, noises, recorded
from embedding.speak import espeak, flite, is_made_up, words_of
from embedding.world import FRAMES, SCALE, World

from edged.classify.bundle import open_bundle, write_bundle
from edged.features.spec import Micro
from edged.workshop.embedder import Embedder, write_background
from edged.workshop.embedding import SIZE, Material, Schedule, coarse, train_embedding
from edged.workshop.quantise import quantise
from edged.workshop.teach import ear_of
from edged.workshop.views import heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from embedding.speak import Said
    from numpy.typing import NDArray

MODELS = Path(__file__).parents[1] / "models" / "embedding"
UNHEARD = (
    *("alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass"),
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
)
"""Words that must not be in it, to be judged by."""
ESPEAK_SEED, ESPEAK_ROUNDS = 1, 24
FLITE_SEED, FLITE_ROUNDS = 2, 3
FIRST_ROUNDS = 16
"""Of espeak-ng's, that the first stage has."""
SCHEDULE = Schedule(stages=(0, 1000, 1500), steady=3000, falling=1500)
TRAINING_SEED = 0
REPRESENTATIVES = 500
BACKGROUND = {"speech": 800, "made up": 400, "sounds": 300, "noise": 100}
"""Points of what is to be ignored. Words that somebody might teach are not among them."""
HOP_FRAMES = 16
VERSION = "1"


@dataclass(frozen=True, slots=True)
class Part:
    """Windows, and what each is."""

    windows: NDArray[np.uint8]
    names: NDArray[np.str_]


class Work:
    """The folder in which the stages leave what they made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.words = words_of(MODELS / "words.txt")

    def said(self, name: str, speak: Callable[[], Iterator[Said]]) -> list[tuple[int, NDArray[np.int16]]]:
        """All that an engine said: the word's number, and the samples."""
        file = self.folder / f"said-{name}.npz"
        if not file.exists():
            said = list(speak())
            ends = np.cumsum([len(each.samples) for each in said])
            words = [each.word for each in said]
            np.savez(file, samples=np.concatenate([each.samples for each in said]), ends=ends, words=words)
        with np.load(file) as held:
            return list(zip(held["words"].tolist(), np.split(held["samples"], held["ends"][:-1]), strict=True))

    def part(self, name: str, make: Callable[[], Part]) -> Part:
        """Windows, made or kept."""
        file = self.folder / f"windows-{name}.npz"
        if not file.exists():
            made = make()
            np.savez(file, windows=made.windows, names=made.names)
        with np.load(file) as held:
            return Part(held["windows"], held["names"])

    def spoken(self, said: Sequence[tuple[int, NDArray[np.int16]]], *, seed: int, views: int) -> Part:
        """Each word, in so many worlds."""
        world = World(np.random.default_rng(seed), noises())
        windows = np.zeros((views * len(said), FRAMES, 40), np.uint8)
        for number, (_, samples) in enumerate(said):
            wave = np.asarray(samples, np.float32) / 32768
            for view in range(views):
                windows[views * number + view] = world.word(wave)
        return Part(windows, np.repeat([self.words[word] for word, _ in said], views))


def parts_of(work: Work) -> list[Part]:
    """All there is to train with, in the order in which it joins."""
    plain = [word for word in work.words if not is_made_up(word)]

    def by_espeak(share: float) -> list[tuple[int, NDArray[np.int16]]]:
        said = work.said("espeak", lambda: espeak(work.words, rounds=ESPEAK_ROUNDS, seed=ESPEAK_SEED))
        return said[: round(share * len(said))]

    def by_flite() -> list[tuple[int, NDArray[np.int16]]]:
        return work.said("flite", lambda: flite(plain, rounds=FLITE_ROUNDS, seed=FLITE_SEED))

    return [
        work.part("espeak-101", lambda: work.spoken(by_espeak(FIRST_ROUNDS / ESPEAK_ROUNDS), seed=101, views=1)),
        work.part("recorded", lambda: Part(*recorded(np.random.default_rng(11)))),
        work.part("espeak-102", lambda: work.spoken(by_espeak(1), seed=102, views=1)),
        work.part("flite-103", lambda: work.spoken(by_flite(), seed=103, views=2)),
    ]


def stages_of(parts: Sequence[Part]) -> tuple[list[Material], int]:
    """The stages of the training, and how many labels it tells apart."""
    kept = []
    for part in parts:
        may = ~np.isin(part.names, (*UNHEARD, LEFT_OUT))
        kept.append(Part(part.windows[may], part.names[may]))
    names = {
        name: number for number, name in enumerate(sorted({name for part in kept for name in part.names.tolist()}))
    }
    stages = []
    for joined in (kept[:2], kept[:3], kept):
        targets = np.array([names[name] for part in joined for name in part.names.tolist()], np.int32)
        stages.append(Material(np.concatenate([part.windows for part in joined]), targets))
    return stages, len(names)


def train(work: Work, stages: Sequence[Material], labels: int) -> Path:
    """The SavedModel."""
    into, began = work.folder / "saved_model", time.monotonic()

    def looked(step: int, loss: float) -> None:
        print(f"step {step} of {SCHEDULE.steps}: loss {loss:.3f}, {time.monotonic() - began:.0f} s", flush=True)

    if not into.exists():
        train_embedding(
            stages, schedule=SCHEDULE, labels=labels, scale=SCALE, seed=TRAINING_SEED, into=into, looked=looked
        )
    return into


def write(saved_model: Path, parts: Sequence[Part]) -> Embedder:
    """`embedding.edged` and the background beside it."""
    rng = np.random.default_rng(TRAINING_SEED)
    chosen = [part.windows[rng.permutation(len(part.windows))[: REPRESENTATIVES // 2]] for part in parts[:2]]
    model = quantise(saved_model, coarse(np.concatenate(chosen), scale=SCALE))
    path = MODELS / "embedding.edged"
    write_bundle(
        path,
        model=model,
        name="embedding",
        labels=[f"x{number}" for number in range(SIZE)],
        front_end=Micro(),
        window_frames=FRAMES,
        hop_frames=HOP_FRAMES,
        version=VERSION,
        description="Points of sound, for `edged teach`",
        provenance={
            "trained_by": "packaging/make_embedding.py",
            "data": "models/embedding/data.csv, models/embedding/words.txt",
            "licence": "Apache-2.0; attribution in models/embedding/README.md",
        },
    )
    deaf = Embedder(open_bundle(path), np.zeros((1, SIZE), np.float32))
    points = background(deaf, parts, rng=rng)
    write_background(MODELS / "background.npz", points, bundle=deaf.bundle)
    return Embedder(deaf.bundle, points)


def background(embedder: Embedder, parts: Sequence[Part], *, rng: np.random.Generator) -> NDArray[np.float32]:
    """Points of what is to be ignored, `BACKGROUND` says how many of what."""
    ear = ear_of(embedder)
    speech = [heard(clip.pcm(), ear, rng=rng) for clip in all_recordings() if clip.is_speech and clip.takes_part]
    spoken, real = parts[0], parts[1]
    sounds = {clip.label.replace("_", " ") for clip in all_recordings() if clip.is_sound}
    material = {
        "speech": np.concatenate(speech),
        "made up": coarse(spoken.windows[np.char.startswith(spoken.names, "[[")], scale=SCALE),
        "sounds": coarse(real.windows[np.isin(real.names, list(sounds))], scale=SCALE),
        "noise": coarse(real.windows[real.names == " noise "], scale=SCALE),
    }
    drawn = [material[kind][rng.permutation(len(material[kind]))[:count]] for kind, count in BACKGROUND.items()]
    return embedder.points(np.concatenate(drawn))


def main() -> None:
    """All stages."""
    parser = argparse.ArgumentParser(description="Train the embedding that `edged teach` builds on.")
    parser.add_argument("work", type=Path, help="a folder for what the stages make; about 3 GB")
    work = Work(parser.parse_args().work)
    print(f"recordings: {SHARED}", flush=True)
    parts = parts_of(work)
    stages, labels = stages_of(parts)
    print(f"{len(stages[-1].targets)} windows of {labels} words and sounds", flush=True)
    embedder = write(train(work, stages, labels), parts)
    told = {"bytes": len(embedder.bundle.model), "sha256": embedder.bundle.sha256, "points": len(embedder.background)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
