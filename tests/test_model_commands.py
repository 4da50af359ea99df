"""`edged model list`, `info` and `verify`: what they say of a model, and with which exit code."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from nabu import nabu

from edged.classify.bundle import default_model, write_bundle
from edged.classify.head import Head
from edged.cli import main
from edged.features.spec import Micro
from edged.records import Policy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NABU = nabu()
CONFIG = """gateway = "test"
state_dir = "state"
runtime_dir = "run"
[mqtt]
host = "127.0.0.1"
port = 1
[sources.mic]
kind = "microphone"
"""


def made(path: Path, **changes: Any) -> Path:
    whole: dict[str, Any] = {
        "model": NABU.model,
        "name": "door",
        "version": "2.1",
        "description": "Tells the doorbell from the rest",
        "labels": ["bell", "knock", "other"],
        "background": ["other"],
        "front_end": Micro(),
        "window_frames": 3,
        "hop_frames": 3,
        "output": "softmax",
        "head": Head([[4.0], [1.0], [-4.0]], [0.0, 0.0, 1.0], normalise="none"),
        "policy": Policy(threshold=0.7, mean_of=4),
        "policies": {"knock": Policy(threshold=0.8, mean_of=4)},
        "provenance": {"trained_by": "the tests", "licence": "CC0", "data": "none"},
        "runtime": "checked nowhere",
        "golden": True,
    }
    write_bundle(path, **(whole | changes))
    return path


def typed(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    assert main(["model", *map(str, words)]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


# info


def test_info_tells_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = typed(capsys, "info", made(tmp_path / "door.edged"))
    for words in (
        "door 2.1",
        "Tells the doorbell from the rest",
        str(tmp_path / "door.edged"),
        NABU.sha256,
        f"{len(NABU.model):,}",
        "bell, knock\n",
        "background  other",
        "0.03 s (3 frames); a streaming model",
        "micro at 16000 Hz: every 1",
        "softmax",
        "linear, over an embedding of 1",
        "detection over 0.7, mean_of 4: bell",
        "detection over 0.8, mean_of 4: knock",
        "the tests",
        "CC0",
        "checked nowhere",
        "32 windows, answered by",
    ):
        assert words in said


def test_info_for_machines_holds_the_whole_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(typed(capsys, "info", made(tmp_path / "door.edged"), "--json"))
    assert told["labels"] == ["bell", "knock", "other"]
    assert told["background"] == ["other"]
    assert told["front_end"] == {"name": "micro", "every": 1}
    assert (told["window_s"], told["hop_s"], told["stateful"], told["bytes"]) == (0.03, 0.03, True, len(NABU.model))
    assert told["head"] == {"embedding": 1, "normalise": "none"}
    assert told["policies"]["knock"] == asdict(Policy(threshold=0.8, mean_of=4))
    assert told["provenance"] == {"trained_by": "the tests", "licence": "CC0", "data": "none"}
    assert (told["golden"]["windows"], told["golden"]["samples"]) == (32, 16_000)


def test_info_tells_what_a_model_without_manifest_is(capsys: pytest.CaptureFixture[str]) -> None:
    said = typed(capsys, "info", NABU.path)
    assert "Okay Nabu" in said
    assert "detection over 0.85, mean_of 5" in said
    assert "golden      none" in said


# verify


def test_a_good_bundle_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "door.edged")
    said = typed(capsys, "verify", path)
    assert f"sha256    as the manifest says: {NABU.sha256}" in said
    assert "golden    good: 32 windows, at most 0 off" in said
    told = json.loads(typed(capsys, "verify", path, "--json"))
    assert told["golden"] == {"windows": 32, "worst": 0.0, "allowed": 1e-4, "same": True}
    assert (told["sha256"], told["opens"]) == (NABU.sha256, True)


def test_what_has_no_golden_input_is_not_said_to_be_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "golden    none" in typed(capsys, "verify", made(tmp_path / "door.edged", golden=False))
    assert json.loads(typed(capsys, "verify", NABU.path, "--json"))["golden"] is None


def test_a_changed_model_is_refused_by_its_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made(tmp_path / "door") / "model.tflite"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    said = typed(capsys, "verify", tmp_path / "door", code=2)
    assert f"manifest.json: sha256 = '{NABU.sha256}': is not that of model.tflite, which has " in said


def test_a_changed_manifest_is_refused_by_its_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made(tmp_path / "door") / "manifest.json"
    told = json.loads(file.read_text())
    told["head"]["bias"] = [1.0, 0.0, 0.0]
    file.write_text(json.dumps(told))
    said = json.loads(typed(capsys, "verify", tmp_path / "door", "--json", code=2))
    assert said["key"] == "golden"
    assert "its golden input gives 'bell' 0.5761 in window 1 of 32, not 0.2119 as where it was made" in said["error"]
    assert "Fetch the bundle anew" in said["way_out"]


# list


def test_list_without_a_daemon_tells_of_files_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "door.edged")
    (tmp_path / "edged.toml").write_text(CONFIG + '[models.front]\npath = "door.edged"\n')
    said = typed(capsys, "list", "--config", tmp_path / "edged.toml")
    assert said.startswith("no daemon answers at ")
    assert "these are files:\nfront 2.1: in the config\n    hears bell, knock\n" in said
    assert f"{default_model().name}" in said
    assert ": built in\n" in said
    told = json.loads(typed(capsys, "list", "--config", tmp_path / "edged.toml", "--json"))
    assert (told["from"], told["models"][0]["name"], told["models"][0]["sha256"]) == ("files", "front", NABU.sha256)


def test_list_without_a_config_tells_what_is_built_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(typed(capsys, "list", "--config", tmp_path / "none.toml", "--json"))
    assert told["why"] == f"there is no config {tmp_path / 'none.toml'}"
    assert {model["state"] for model in told["models"]} == {"built in"}
    assert default_model().name in {model["name"] for model in told["models"]}


def test_list_shows_a_broken_model_of_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "door.edged").write_bytes(b"x" * 100)
    (tmp_path / "edged.toml").write_text(CONFIG + '[models.front]\npath = "door.edged"\n')
    assert "door.edged: is not a whole .edged file" in typed(
        capsys, "list", "--config", tmp_path / "edged.toml", code=2
    )


def test_a_golden_sound_may_be_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "door.edged", golden=np.zeros(8_000, np.int16))
    assert "golden    good: 16 windows" in typed(capsys, "verify", path)
