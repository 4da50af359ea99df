"""Wake words: parts that never meet, scenes made once, and a network that says the same whole and window by window."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edged.classify.bundle import open_bundle
from edged.errors import ConfigError
from edged.records import Chunk
from edged.workshop import palettes, scene_bank
from edged.workshop.dataset import read_dataset
from edged.workshop.palettes import near_misses, parts_of
from edged.workshop.recipe import recipe_of, written
from edged.workshop.scene_bank import scenes_of
from edged.workshop.split import Fold, split_of
from edged.workshop.streaming import prepare
from edged.workshop.writer import Writer

EDGED = str(Path(sys.executable).with_name("edged"))
SMALL: dict[str, Any] = {
    "name": "beeps",
    "kind": "streaming",
    "training": {"steps": 12, "batch": 4, "validation": 0, "seed": 3, "average": 0.5},
    "streaming": {
        "bands": [4, 6],
        "channels": 8,
        "kernels": [3, 5],
        "scenes": 6,
        "parts": 2,
        "spoken": 2,
        "mutants": 2,
        "near_misses": ["beat", "peep", "bean", "deep"],
        "near": 1,
        "words": ["house", "tree"],
        "sentences": 2,
    },
}
OUTPUTS = ("beep", "_background_")


@pytest.fixture(scope="module")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset: eight beeps and eight hisses of four groups."""
    folder = tmp_path_factory.mktemp("beeps") / "data"
    rng = np.random.default_rng(0)
    time_s = np.arange(16_000) / 16_000
    with Writer(folder) as writer:
        for number in range(32):
            wave = rng.standard_normal(16_000) * 200
            if beep := number < 16:
                wave[4000:12_000] += 8000 * np.sin(2 * np.pi * (900 + 20 * number) * time_s[:8000])
            label, group = ("beep" if beep else "_unknown_"), f"g{number % 4}"
            writer.add(wave.astype(np.int16), label=label, source="made", group=group, licence="Apache-2.0")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_parts_share_no_group_and_no_line(beeps: Path) -> None:
    recipe = recipe_of(SMALL)
    one, two = parts_of(recipe, split_of([read_dataset(beeps)], recipe))
    assert not {each.clip.speaker for each in one.examples} & {each.clip.speaker for each in two.examples}
    assert {line.words for line in one.near} == set(near_misses(recipe, 0))
    assert not {line.words for line in one.near} & {line.words for line in two.near}
    assert {line.words for part in (one, two) for line in part.words["beep"]} == {"beep"}


def test_the_part_that_is_held_back_is_heard_by_nothing(beeps: Path) -> None:
    recipe = recipe_of(SMALL)
    whole = parts_of(recipe, split_of([read_dataset(beeps)], recipe))
    for number in (1, 2):
        (kept,) = parts_of(recipe, split_of([read_dataset(beeps)], recipe, fold=Fold(number, 2)))
        assert kept.number != number - 1
        assert kept == whole[kept.number]


def test_scenes_are_made_once_and_the_same_again(beeps: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of(SMALL)
    part = parts_of(recipe, split_of([read_dataset(beeps)], recipe))[0]
    first = scenes_of(part, recipe, OUTPUTS, made=lambda _: None)
    assert first.features.shape[0] == 6
    assert first.targets.shape == first.counts.shape == (6, first.features.shape[1] // 3)
    (file,) = (cache / "edged" / "scenes").iterdir()
    before = file.read_bytes()
    file.write_bytes(before[:1000])  # cut off by a power failure
    again = scenes_of(part, recipe, OUTPUTS, made=lambda _: None)
    assert np.array_equal(first.features, again.features)
    assert file.read_bytes() == before
    monkeypatch.setattr(scene_bank, "_make", None)
    assert np.array_equal(scenes_of(part, recipe, OUTPUTS, made=lambda _: None).targets, first.targets)


def test_other_clips_or_another_recipe_make_other_scenes(beeps: Path) -> None:
    def keys(told: dict[str, Any]) -> list[str]:
        recipe = recipe_of(told)
        parts = parts_of(recipe, split_of([read_dataset(beeps)], recipe))
        return [scene_bank._key(part, recipe, OUTPUTS) for part in parts]

    base = keys(SMALL)
    assert len(set(base)) == 2
    streaming = SMALL["streaming"]
    assert keys(SMALL | {"streaming": streaming | {"channels": 12}}) == base
    for changed in ({"snr_db": [0.0, 5.0]}, {"near_misses": ["beat"]}, {"scenes": 7}):
        assert not set(keys(SMALL | {"streaming": streaming | changed})) & set(base)


def test_a_batch_is_a_function_of_seed_and_step(beeps: Path) -> None:
    recipe = recipe_of(SMALL)
    split = split_of([read_dataset(beeps)], recipe)
    one, two = prepare(recipe, split), prepare(recipe, split)
    assert one.batch_of(5).inputs.tobytes() == two.batch_of(5).inputs.tobytes()
    assert one.batch_of(5).inputs.tobytes() != one.batch_of(6).inputs.tobytes()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"front_end": {"name": "mfcc"}}, "front_end.name"),
        ({"streaming": SMALL["streaming"] | {"first_kernel": 2}}, "streaming.first_kernel"),
    ],
)
def test_what_cannot_stream_is_named(beeps: Path, changed: dict[str, Any], key: str) -> None:
    recipe = recipe_of(SMALL | changed)
    with pytest.raises(ConfigError) as refused:
        prepare(recipe, split_of([read_dataset(beeps)], recipe))
    assert refused.value.key == key


def test_made_noise_is_as_loud_as_it_says() -> None:
    for bed in palettes._made(np.random.default_rng(1)):
        assert np.isfinite(bed).all()
        assert float(bed.std()) == pytest.approx(0.1, rel=0.01)


WHOLE_AND_PIECES = """
import json, sys
from pathlib import Path
import numpy as np, tensorflow as tf
from edged.workshop import streaming
from edged.workshop.quantise import convert
from edged.workshop.recipe import recipe_of
model = streaming.build(recipe_of(json.loads(sys.argv[1])), ("beep", "_background_"))
rng = np.random.default_rng(1)
for layer in model.layers:
    if "batch_norm" in layer.name:
        layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape) * 0.1)
        layer.moving_variance.assign(rng.uniform(0.5, 2, size=layer.moving_variance.shape))
frames = rng.uniform(0, 20, (1, 150, 40)).astype(np.float32)
np.save(sys.argv[2] + "/frames.npy", frames)
np.save(sys.argv[2] + "/whole.npy", tf.nn.softmax(model(frames, training=False)).numpy()[0])
streaming.export(model, Path(sys.argv[2], "saved"))
for precision in ("float32", "int8"):
    made = convert(Path(sys.argv[2], "saved"), precision=precision, representative=frames.reshape(-1, 3, 40))
    Path(sys.argv[2], precision + ".tflite").write_bytes(made)
"""


@pytest.mark.slow
@pytest.mark.train
def test_window_by_window_it_says_what_it_says_of_the_whole(tmp_path: Path) -> None:
    from edged.classify.model import open_model  # noqa: PLC0415 - a runtime, beside which TensorFlow is not loaded

    script = [sys.executable, "-c", WHOLE_AND_PIECES, json.dumps(SMALL), str(tmp_path)]
    subprocess.run(script, check=True, capture_output=True)
    frames, whole = np.load(tmp_path / "frames.npy"), np.load(tmp_path / "whole.npy")
    for precision, apart in (("float32", 1e-5), ("int8", 0.06)):
        bundle = open_bundle(
            tmp_path / f"{precision}.tflite", labels=OUTPUTS, front_end={"name": "micro"}, window_frames=3, hop_frames=3
        )
        assert bundle.stateful
        model = open_model(bundle)
        pieces = np.array([model.scores(frames[0, at : at + 3]) for at in range(0, 150, 3)])
        assert np.abs(pieces - whole).max() < apart
        assert np.ptp(whole[:, 0]) > 0.02


@pytest.mark.slow
@pytest.mark.train
def test_a_wake_word_is_trained_optimised_and_heard(beeps: Path, tmp_path: Path, cache: Path) -> None:
    from edged.classify.model import open_model  # noqa: PLC0415 - as above
    from edged.lane import Lane  # noqa: PLC0415 - as above

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(written(recipe_of(SMALL)), encoding="utf-8")
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    digests = []
    for name in ("one", "two"):
        line = [EDGED, "train", str(beeps), "--recipe", str(recipe), "--fold", "1/2", "--out", str(tmp_path / name)]
        subprocess.run(line, check=True, capture_output=True, env=environment)
        digests.append(open_bundle(tmp_path / name / "float.edged").sha256)
    assert digests[0] == digests[1]
    packed = tmp_path / "beeps.edged"
    subprocess.run([EDGED, "optimise", str(tmp_path / "one"), "--out", str(packed)], check=True, capture_output=True)
    bundle = open_bundle(packed)
    assert bundle.stateful
    assert bundle.labels == OUTPUTS
    lane = Lane(bundle, open_model(bundle))
    lane.hear(Chunk(np.zeros((16_000, 1), np.int16), 16_000, 0, 0, fresh=True))
    assert lane.windows == (1600 // 16 - 2) // 3
