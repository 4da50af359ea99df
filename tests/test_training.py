"""A training that is killed, typed again, typed twice, on a full disk: the bundle is the same to the last bit.

Each training is typed for real, in a process of its own: it is there that SIGKILL comes, and TensorFlow wants to be
alone with its settings.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tones import RECIPE, tones

from edged.classifier import classify_with
from edged.classify.bundle import open_bundle
from edged.errors import ConfigError
from edged.workshop.recipe import read_recipe
from edged.workshop.work import STATE, WorkFolder

EDGED = str(Path(sys.executable).with_name("edged"))
WITHIN_S = 280.0
FILES = ("recipe.toml", "split.csv", "history.json", "representative.npz", "float.edged")


def typed(folder: Path, *words: str | Path) -> subprocess.Popen[str]:
    """`edged train` on the tones of this folder, on its way."""
    line = [EDGED, "train", str(folder / "tones"), "--recipe", str(folder / "recipe.toml"), *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trained(folder: Path, *words: str | Path) -> dict[str, Any]:
    """The same, when it is done: what it says with --json."""
    process = typed(folder, *words, "--json")
    out, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, said
    assert not said
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tones, their recipe, and `once`: an uninterrupted training, with what it said in `told.json`."""
    folder = tmp_path_factory.mktemp("training")
    tones(folder / "tones")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    told = trained(folder, "--fold", "1/4", "--out", folder / "once")
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.train
@pytest.mark.timeout(900)
class TestTrained:
    def test_it_learns_and_says_how_well(self, folder: Path) -> None:
        told = json.loads((folder / "told.json").read_text())
        assert told["test"]["accuracy"] == 1.0
        assert told["labels"] == ["high", "low", "_background_"]
        assert [moment["step"] for moment in told["history"]] == [40, 80, 120]
        assert told["kept"] in (40, 80, 120)

    def test_what_it_leaves(self, folder: Path) -> None:
        work = folder / "once"
        assert {each.name for each in work.iterdir()} >= {*FILES, "saved_model", "checkpoint", "training.json"}
        recipe = read_recipe(work / "recipe.toml")
        assert recipe.training.steps == 120
        frames = np.load(work / "representative.npz")["frames"]
        assert frames.shape[1:] == (recipe.window_frames, 40)
        with (work / "split.csv").open(newline="") as file:
            roles = {(row["source"], row["group"]): row["role"] for row in csv.DictReader(file)}
        assert sorted(roles.values()) == ["test", "train", "train", "validation"]

    def test_its_bundle_says_where_it_comes_from_and_works_on_the_road(self, folder: Path) -> None:
        bundle = open_bundle(folder / "once" / "float.edged")
        assert bundle.name == "tones"
        assert bundle.background == ("_background_",)
        assert bundle.provenance["licence"] == "CC0-1.0 (27 clips)"
        assert bundle.provenance["data"] == "synthetic (27 clips)"
        assert "Seed 1" in bundle.provenance["notes"]
        for label in ("high", "low"):
            found = classify_with(bundle, folder / "tones" / f"{label}-0-1.wav", library=None, kernels="default")
            assert found["label"] == label

    def test_killed_and_typed_again_it_gives_the_same_bundle(self, folder: Path) -> None:
        work = folder / "killed"
        for times in range(2):
            process = typed(folder, "--fold", "1/4", "--out", work)
            state, deadline = work / STATE, time.monotonic() + WITHIN_S
            before = state.stat().st_mtime_ns if times else 0
            while not state.exists() or state.stat().st_mtime_ns == before:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.send_signal((signal.SIGKILL, signal.SIGINT)[times])
            process.communicate(timeout=WITHIN_S)
            assert not (work / "float.edged").exists()
        trained(folder, "--fold", "1/4", "--out", work)
        for name in FILES:
            assert (work / name).read_bytes() == (folder / "once" / name).read_bytes(), name

    def test_the_same_seed_gives_the_same_bundle_and_another_another(self, folder: Path) -> None:
        trained(folder, "--fold", "1/4", "--out", folder / "twice")
        once = (folder / "once" / "float.edged").read_bytes()
        assert (folder / "twice" / "float.edged").read_bytes() == once
        trained(folder, "--fold", "1/4", "--seed", "2", "--out", folder / "other")
        assert (folder / "other" / "float.edged").read_bytes() != once

    def test_typed_again_when_it_is_done_it_says_the_same(self, folder: Path) -> None:
        before = (folder / "once" / "float.edged").read_bytes()
        told = trained(folder, "--fold", "1/4", "--out", folder / "once")
        assert told == json.loads((folder / "told.json").read_text())
        assert (folder / "once" / "float.edged").read_bytes() == before

    def test_another_threshold_needs_no_other_training(self, folder: Path) -> None:
        shutil.copytree(folder / "once", folder / "decided")
        recipe = folder / "decided.toml"
        recipe.write_text(RECIPE + "\n[policy]\nthreshold = 0.9\n", encoding="utf-8")
        trained(folder, "--recipe", recipe, "--fold", "1/4", "--out", folder / "decided")
        once, decided = (open_bundle(folder / name / "float.edged") for name in ("once", "decided"))
        assert decided.policies["low"].threshold == 0.9 != once.policies["low"].threshold
        assert decided.model == once.model

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
    def test_on_a_full_disk_it_can_go_on_later(self, folder: Path) -> None:
        disk = folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", disk], check=True)
        try:
            process = typed(folder, "--fold", "1/4", "--out", disk / "work")
            _, said = process.communicate(timeout=WITHIN_S)
            assert process.returncode == 2
            assert "cannot be written: no space left on device" in said
            assert "typed again, a training goes on where it was" in said
            assert not [each for each in disk.rglob(".*") if each.is_file()]
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            trained(folder, "--fold", "1/4", "--out", disk / "work")
            for name in FILES:
                assert (disk / "work" / name).read_bytes() == (folder / "once" / name).read_bytes(), name
        finally:
            subprocess.run(["umount", "-l", disk], check=True)


def test_a_folder_belongs_to_one_training(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "work")
    work.begin({"recipe": "a", "clips": "b"}, {"recipe.toml": "a"})
    work.begin({"recipe": "a", "clips": "b"}, {"recipe.toml": "a"})
    with pytest.raises(ConfigError, match="holds a training with another clips"):
        work.check({"recipe": "a", "clips": "c"})


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ConfigError, match=r"holds letters\.txt, and no training"):
        WorkFolder(tmp_path).begin({"recipe": "a"}, {"recipe.toml": "a"})
    assert [each.name for each in tmp_path.iterdir()] == ["letters.txt"]
    with pytest.raises(ConfigError, match="is no folder"):
        WorkFolder(tmp_path / "none" / "work").check({"recipe": "a"})


def test_a_checkpoint_is_read_as_it_was_saved_and_refused_when_damaged(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    assert work.saved() is None
    arrays = {"model": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7)], "mean": [np.ones(2)]}
    work.save(arrays, {"step": 3})
    found = work.saved()
    assert found is not None
    assert found[1] == {"step": 3}
    assert [each.tobytes() for each in found[0]["model"]] == [each.tobytes() for each in arrays["model"]]
    state = tmp_path / STATE
    state.write_bytes(state.read_bytes()[:-60])
    with pytest.raises(ConfigError, match="is no whole checkpoint"):
        work.saved()


def test_what_a_killed_run_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.begin({"recipe": "a"}, {})
    (tmp_path / "checkpoint").mkdir()
    for name in (".recipe.toml.x1", "checkpoint/.state.npz.x2", ".keep"):
        (tmp_path / name).write_text("half")
    (tmp_path / ".saved_model.x3").mkdir()
    work.begin({"recipe": "a"}, {})
    left = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*"))
    assert left == [".keep", "checkpoint", "training.json"]
