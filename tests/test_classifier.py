"""`from edged import audio, classifier`: one call, one answer; below the threshold the label still comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from nabu import NABU_PATH
from speech import spoken, write_wav

from edged import classifier
from edged.classify.bundle import default_model
from edged.errors import AudioFileError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

WORDS = tuple(default_model().policies)


@pytest.fixture(autouse=True)
def no_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.delenv("EDGED_MODEL", raising=False)


@pytest.fixture
def computer(tmp_path: Path) -> Path:
    """A recording in which "computer" is said once."""
    return spoken(tmp_path / "computer.wav", [("computer", "en-us")])


def test_names_what_was_said(computer: Path) -> None:
    result = classifier.classify(str(computer))
    assert (result["label"], result["model"]) == ("computer", "wake-en")
    assert result["confidence"] > 0.9
    assert result["detected"]
    assert set(result["labels"]) == set(WORDS)
    assert result["labels"]["computer"] == result["confidence"]


def test_below_the_threshold_the_label_still_comes(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-300, 300, 32000).astype(np.int16)
    result = classifier.classify(write_wav(tmp_path / "noise.wav", noise, rate_hz=16000))
    assert result["label"] in WORDS
    assert not result["detected"]
    assert 0 <= result["confidence"] < 0.5


def test_a_clip_shorter_than_the_model_needs_is_heard_out(tmp_path: Path) -> None:
    click = np.full(160, 1000, np.int16)
    result = classifier.classify(write_wav(tmp_path / "click.wav", click, rate_hz=16000))
    assert result["label"] in WORDS
    assert not result["detected"]


def test_the_named_model_comes_first_then_the_environment_then_the_config(
    okay_nabu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = NABU_PATH.parent
    config = tmp_path / "edged.toml"
    config.write_text(
        f'[sources.mic]\nkind = "microphone"\n[models.mine]\npath = "{models / "alexa.json"}"\n'
        f'[models.other]\npath = "{models / "hey_jarvis.json"}"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("EDGED_CONFIG", str(config))
    assert classifier.classify(okay_nabu)["label"] == "alexa"
    monkeypatch.setenv("EDGED_MODEL", str(models / "hey_mycroft.json"))
    assert classifier.classify(okay_nabu)["label"] == "hey_mycroft"
    assert classifier.classify(okay_nabu, model=models / "okay_nabu.json")["label"] == "okay_nabu"


def test_what_is_missing_is_named(tmp_path: Path, okay_nabu: Path) -> None:
    with pytest.raises(AudioFileError, match=r"none\.wav"):
        classifier.classify(tmp_path / "none.wav")
    with pytest.raises(ModelError, match=r"none\.tflite"):
        classifier.classify(okay_nabu, model=tmp_path / "none.tflite")
