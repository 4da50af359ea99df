"""A linear head on somebody's model: the embedding found, one number changed, the head at work on the road."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tones import tones

from edged import cli
from edged.classifier import classify_with
from edged.classify.bundle import open_bundle
from edged.classify.flatbuffer import read_outline
from edged.classify.runtime import choose, open_interpreter
from edged.errors import ModelError
from edged.workshop.linear import recipe_for, truncated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.shared


@pytest.fixture
def yamnet(shared: Path) -> Path:
    return shared / "models" / "yamnet_spectra_in.tflite"


def test_the_embedding_is_what_goes_into_the_last_layer(yamnet: Path) -> None:
    whole = yamnet.read_bytes()
    model = truncated(whole, file=yamnet)
    assert read_outline(model).outputs[0].shape == (1, 1, 1, 1024)
    assert sum(a != b for a, b in zip(whole, model, strict=True)) <= 4  # an index, and the place of the signatures
    assert read_outline(model).inputs == read_outline(whole).inputs


def test_the_embedding_comes_out_where_the_scores_did(yamnet: Path) -> None:
    frames = np.random.default_rng(1).normal(size=(1, 96, 64)).astype(np.float32)
    answers = []
    for model in (yamnet.read_bytes(), truncated(yamnet.read_bytes(), file=yamnet)):
        interpreter = open_interpreter(model, library=choose(), kernels="default", file=yamnet)
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(takes["index"], frames)
        interpreter.invoke()
        answers.append((interpreter.get_tensor(gives["index"]), gives))
    (scores, _), (embedding, gives) = answers
    assert scores.size == 521
    assert embedding.size == 1024
    assert embedding.dtype == np.int8
    assert gives["quantization"][0] > 0
    assert len(np.unique(embedding)) > 10


@pytest.mark.parametrize("name", ["mlperf_kws_ref_model.tflite", "micro_speech_quantized.tflite"])
def test_other_classifiers_have_one_too(shared: Path, name: str) -> None:
    path = shared / "models" / name
    found = read_outline(truncated(path.read_bytes(), file=path)).outputs[0]
    assert np.prod(found.shape) > 12


def test_a_model_without_a_last_linear_layer_or_with_another_input_is_refused(shared: Path) -> None:
    kws = shared / "models" / "mlperf_kws_ref_model.tflite"
    with pytest.raises(ModelError, match="is not YAMNet's"):
        recipe_for(kws)
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        truncated(b"nonsense", file=kws)


def test_a_head_is_found_and_works_on_the_road(
    yamnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, work = tones(tmp_path / "tones"), tmp_path / "work"
    typed = ["train", str(folder), "--embedding", str(yamnet), "--fold", "1/4", "--out", str(work), "--json"]
    assert cli.main(typed) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["test"]["accuracy"] == 1.0
    bundle = open_bundle(work / "float.edged")
    assert bundle.labels == ("high", "low", "_background_")
    for label in ("high", "low"):
        found = classify_with(bundle, folder / f"{label}-0-1.wav", library=None, kernels="default")
        assert found["label"] == label
    again = tmp_path / "again"
    assert cli.main([*typed[:-2], str(again), "--json"]) == 0
    assert (again / "float.edged").read_bytes() == (work / "float.edged").read_bytes()
    shutil.rmtree(again)
