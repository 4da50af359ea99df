"""Examples of windows: pure functions of seed and step, and no label given away by a clip's length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tones import tone, tones, write_manifest, write_wav

from edged.errors import AudioFileError, DatasetError
from edged.features.frontend import open_front_end
from edged.workshop.dataset import read_dataset
from edged.workshop.recipe import recipe_of
from edged.workshop.split import Fold, split_of
from edged.workshop.windowed import Windows, prepare, scored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.workshop.recipe import Recipe

PLAIN: dict[str, Any] = {
    "cut": 0.0, "gain_db": [0.0, 0.0], "speed": 0.0, "colour_db": 0.0, "room": 0.0, "noise": 0.0, "bands_masked": 0,
    "frames_masked": 0,
}  # fmt: skip
"""No augmentation but the place in the window and a microphone's noise."""


def material(folder: Path, recipe: Recipe, *, fold: Fold | None = None) -> Windows:
    return prepare(recipe, split_of([read_dataset(folder)], recipe, fold=fold))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("tones"))


def test_a_batch_is_a_function_of_seed_and_step(folder: Path) -> None:
    recipe = recipe_of({"augment": {"mixup": 0.5}, "training": {"batch": 6, "seed": 3}})
    one, other = material(folder, recipe), material(folder, recipe)
    forth = [one.batch_of(step) for step in range(4)]
    back = [other.batch_of(step) for step in reversed(range(4))][::-1]
    for a, b in zip(forth, back, strict=True):
        assert a.inputs.tobytes() == b.inputs.tobytes()
        assert a.targets.tobytes() == b.targets.tobytes()
    assert forth[0].inputs.tobytes() != forth[1].inputs.tobytes()
    elsewhere = recipe_of({"augment": {"mixup": 0.5}, "training": {"batch": 6, "seed": 4}})
    assert material(folder, elsewhere).batch_of(0).inputs.tobytes() != forth[0].inputs.tobytes()


def test_a_batch_has_the_shapes_of_the_recipe_and_targets_that_are_distributions(folder: Path) -> None:
    recipe = recipe_of({"augment": {"mixup": 1.0}, "training": {"batch": 16}})
    batch = material(folder, recipe).batch_of(0)
    width = open_front_end(recipe.spec).width
    assert batch.inputs.shape == (16, recipe.window_frames, width)
    assert batch.inputs.dtype == batch.targets.dtype == np.float32
    assert np.allclose(batch.targets.sum(axis=1), 1)
    assert ((batch.targets > 0).sum(axis=1) > 1).any()
    assert np.isfinite(batch.inputs).all()


def heard(windows: Windows, *, output: int, count: int = 200) -> NDArray[np.float64]:
    """In how many frames of each example of a label anything sounds."""
    rng = np.random.default_rng(0)
    found: list[float] = []
    while len(found) < count:
        frames, target = windows._example(rng)
        if target.argmax() == output:
            found.append(float((frames.max(axis=1) > 0).mean()))
    return np.array(found)


def test_how_long_a_clip_is_does_not_give_its_label_away(tmp_path: Path) -> None:
    # Both labels are the same tone without an end: only the clips of one are shorter than a window.
    rng = np.random.default_rng(1)
    rows = []
    t = np.arange(16_000 * 3) / 16_000
    for label, seconds in (("short", 0.4), ("long", 3.0)):
        for maker in range(3):
            for take in range(3):
                sound = 8000 * np.sin(2 * np.pi * 500 * t[: round(seconds * 16_000)]) + rng.normal(
                    size=round(seconds * 16_000)
                )
                write_wav(tmp_path / f"{label}{maker}{take}.wav", sound.astype(np.int16))
                rows.append((f"{label}{maker}{take}.wav", label, "synthetic", f"m{maker}", "CC0-1.0"))
    write_manifest(tmp_path, rows)
    windows = material(tmp_path, recipe_of({"augment": PLAIN | {"background": 0.0}, "training": {"validation": 0}}))
    long, short = heard(windows, output=0), heard(windows, output=1)
    assert short.max() < 0.6
    assert 0.3 < (long < 0.6).mean() < 0.7  # half of them are cut to the length of a short one
    assert (long > 0.9).any()


def test_a_model_is_scored_on_windows_with_sound_in_them_only(tmp_path: Path) -> None:
    silence, sound = np.zeros(48_000, np.int16), tone(500, rng=np.random.default_rng(2))
    rows = []
    for maker in range(9):
        write_wav(tmp_path / f"{maker}.wav", np.concatenate([silence, sound, silence]))
        rows.append((f"{maker}.wav", "tone", "synthetic", f"m{maker}", "CC0-1.0"))
    write_manifest(tmp_path, rows)
    recipe = recipe_of({"hop_frames": 62, "training": {"validation": 0}})
    for _, windows in material(tmp_path, recipe).windows_of("train"):
        assert 1 <= len(windows) <= 3  # of seven seconds
        assert (windows.max(axis=(1, 2)) > 0).any()


def test_features_are_those_of_the_road(folder: Path) -> None:
    recipe = recipe_of({"window_frames": 30, "hop_frames": 30, "training": {"validation": 0}})
    windows = material(folder, recipe)
    sound = windows._parts["train"][0]
    front_end = open_front_end(recipe.spec)
    frames = front_end.push(sound.samples)
    assert windows.windows_of("train")[0][1].tobytes() == frames[:60].tobytes()


def test_a_score_counts_each_output_the_same() -> None:
    outputs = np.array([0, 0, 0, 1, 2])
    posteriors = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
    score = scored(outputs, posteriors)
    assert score.accuracy == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert score.closed == pytest.approx((2 / 3 + 1) / 2)
    assert score.clips == 5


def test_a_front_end_of_another_rate_is_refused(folder: Path) -> None:
    recipe = recipe_of({"front_end": {"name": "log-mel", "rate_hz": 8000, "high_hz": 4000}})
    with pytest.raises(DatasetError, match="16000 Hz"):
        material(folder, recipe)


def test_a_clip_that_is_no_audio_is_named(tmp_path: Path) -> None:
    bad = tones(tmp_path / "sensor")
    (bad / "low-0-0.wav").write_text("time,x,y,z\n0,0.1,0.2,9.8\n", encoding="utf-8")
    with pytest.raises(AudioFileError, match=r"low-0-0\.wav"):
        material(bad, recipe_of({}))
