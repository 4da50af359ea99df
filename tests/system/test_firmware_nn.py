"""The board's engine at length: two hundred models an operator, whole models, and every compiler."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from engine import Engine
from firmware import FIRMWARE
from nn_runner import SANITIZED, built, told
from planned import compiled
from reference import Reference, differing, windows
from single_op import KINDS

from edged.classify.bundle import default_model
from edged.classify.runtime import Library, installed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MODELS = 200
BUILDS = {
    "gcc": ("gcc", "-O2"),
    "gcc, 32 bits": ("gcc", "-O2", "-m32"),
    "clang": ("clang", "-O2"),
    "clang, nothing optimised": ("clang", "-O0"),
}


@pytest.mark.parametrize("library", installed())
@pytest.mark.parametrize("operator", KINDS)
def test_two_hundred_models_of_each_operator(operator: str, library: Library) -> None:
    outputs = 0
    for seed in range(MODELS):
        model = KINDS[operator](np.random.default_rng([1, seed, *operator.encode()]))
        engine, reference = Engine(compiled(model, library)), Reference(model, library)
        given = windows(engine.input_bytes, count=6, seed=seed)
        expected = reference.run_all(given)
        assert differing(engine.run_all(given), expected) == 0, f"model {seed}"
        outputs += sum(map(len, expected))
    assert outputs > 3 * MODELS


@pytest.mark.shared
@pytest.mark.timeout(900)
def test_whole_models_on_recordings_and_at_random(shared: Path) -> None:
    assert shared.is_dir()
    done = subprocess.run(
        [sys.executable, FIRMWARE / "tools" / "bit_exactness.py", "--json", "--random", "100"],
        capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] or done.stdout[-3000:]
    rows = json.loads(done.stdout)
    assert len({row["model"] for row in rows}) == 10
    assert sum(row["inputs_are"] == "features" for row in rows) == 8 * len(installed())
    assert all(row["differing"] == 0 and row["inputs"] > 20 and row["outputs"] >= row["inputs"] for row in rows)


def plans(folder: Path) -> list[Path]:
    """A few of every operator, and the model that the gateway listens with."""
    made = {
        f"{operator}-{trial}": KINDS[operator](np.random.default_rng([4, trial]))
        for operator in KINDS
        for trial in range(6)
    }
    made["wake-en"] = default_model().model
    paths = []
    for name, model in made.items():
        paths.append(folder / f"{name}.plan")
        paths[-1].write_bytes(compiled(model))
    return paths


def test_every_compiler_and_word_size_gives_the_same_answers(tmp_path: Path) -> None:
    made = plans(tmp_path)
    answers = {}
    for name, (compiler, *flags) in BUILDS.items():
        folder = tmp_path / name
        folder.mkdir()
        program = built(folder, compiler, *flags)
        answers[name] = [told(program, "answers", path, "20") for path in made]
    first = answers.pop("gcc")
    assert len(set("".join(first).split())) > 1000
    for name, other in answers.items():
        assert other == first, name


@pytest.mark.parametrize("build", [("clang",), ("gcc", "-m32")], ids=" ".join)
def test_no_flipped_bit_leads_astray_in_other_builds(tmp_path: Path, build: tuple[str, ...]) -> None:
    compiler, *flags = build
    program = built(tmp_path, compiler, *SANITIZED, *flags)
    for path in plans(tmp_path):
        data = path.read_bytes()
        if len(data) < 4000:
            bits = 8 * len(data)
            assert told(program, "flips", path).startswith(f"bits {bits} refused {bits}; repaired: ")
