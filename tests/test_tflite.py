"""`.tflite` models at work: answers, beside the bare loop and pymicro-wakeword; resets; and files that are damaged."""

from __future__ import annotations

import shutil
import subprocess
import sys
import wave
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nabu import nabu
from pymicro_wakeword import MicroWakeWord
from spoken import nabu_features

from edged.classify.bundle import Bundle, open_bundle
from edged.classify.flatbuffer import Damaged, _check_model, _Reader, read_outline
from edged.classify.model import open_model
from edged.classify.runtime import Library, installed, open_interpreter
from edged.classify.tflite import TfliteModel
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.features.spec import LogMel, Micro, RawPcm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edged.records import Frames

NABU = nabu()
SPEECH = nabu_features()
BUILTINS = sorted(NABU.path.parent.glob("*.json"))

MLPERF: dict[str, tuple[int, Any]] = {
    # labels, front end whose width divides the input; these models are judged by what they take, not by what they hear
    "micro_speech_quantized": (4, Micro(every=2)),
    "mlperf_kws_ref_model": (12, {"name": "mfcc"}),
    "mlperf_str_ww_ref_model": (3, {"name": "lfbe"}),
    "mlperf_ad01_int8": (640, LogMel(bands=128)),
    "mlperf_ic_pretrainedResnet_quant": (10, RawPcm()),
    "yamnet_spectra_in": (521, LogMel()),
}


def windows(frames: Frames, of: int) -> Frames:
    return frames[: len(frames) // of * of].reshape(-1, of, frames.shape[1])


def answers(model: TfliteModel | Any, frames: Frames, of: int = 3) -> list[list[float]]:
    return [model.scores(window).tolist() for window in windows(frames, of)]


@pytest.mark.parametrize("library", installed())
@pytest.mark.parametrize("description", BUILTINS, ids=lambda path: path.stem)
def test_answers_are_those_of_the_bare_loop_bit_for_bit(description: Path, library: Library) -> None:
    bundle = open_bundle(description)
    bare = open_interpreter(bundle.model, library=library, kernels="default", file=description)
    (takes,), (gives,) = bare.get_input_details(), bare.get_output_details()
    expected = []
    for window in windows(SPEECH, 3):
        # pymicro-wakeword's own arithmetic, in Python's floats
        quantised = np.round(window.astype(np.float64) / takes["quantization"][0] + takes["quantization"][1])
        bare.set_tensor(takes["index"], quantised.astype(np.int8)[np.newaxis])
        bare.invoke()
        expected.append([bare.get_tensor(gives["index"]).item() / 256])
    assert answers(open_model(bundle, library=library), SPEECH) == expected


@pytest.mark.parametrize("description", BUILTINS, ids=lambda path: path.stem)
def test_words_are_heard_at_the_windows_at_which_pymicro_wakeword_hears_them(description: Path) -> None:
    theirs = MicroWakeWord.from_config(description)
    heard = [theirs.process_streaming(frame.astype(np.float64).reshape(1, 1, 40)) for frame in SPEECH][2::3]
    bundle = open_bundle(description)
    (policy,) = bundle.policies.values()
    scores = np.array(answers(open_model(bundle, library=installed()[0], kernels="reference"), SPEECH))[:, 0]
    means = np.convolve(scores, np.full(policy.mean_of, 1 / policy.mean_of))[: len(scores)]
    means[: policy.mean_of - 1] = 0
    assert rises(list(means > policy.threshold)) == rises(heard)
    assert len(rises(heard)) == (3 if description.stem == "okay_nabu" else 0)


def rises(over: Sequence[bool | None]) -> list[int]:
    return [window for window in range(1, len(over)) if over[window] and not over[window - 1]]


@pytest.mark.parametrize("library", installed())
def test_a_reset_equals_a_fresh_model_bit_for_bit(library: Library) -> None:
    model = open_model(NABU, library=library)
    first = answers(model, SPEECH)
    assert answers(model, SPEECH) != first, "the model keeps no state: a reset would prove nothing"
    model.reset()
    assert answers(model, SPEECH) == first
    model.reset()
    model.reset()
    assert answers(model, SPEECH) == first
    model.close()
    model.close()


def test_two_models_of_one_bundle_share_nothing() -> None:
    expected = answers(open_model(NABU), SPEECH)
    one, other = open_model(NABU), open_model(NABU)
    mixed = [(one.scores(window).tolist(), other.scores(window).tolist()) for window in windows(SPEECH, 3)]
    assert [pair[0] for pair in mixed] == [pair[1] for pair in mixed] == expected


def test_features_beyond_the_models_range_saturate() -> None:
    far, edge = np.full((3, 40), 1e9, np.float32), np.full((3, 40), 255 * 0.10196078568696976, np.float32)
    model, other = open_model(NABU), open_model(NABU)
    assert [model.scores(far).tolist() for _ in range(30)] == [other.scores(edge).tolist() for _ in range(30)]


def test_a_window_of_another_size_is_refused_with_both_shapes() -> None:
    with pytest.raises(ModelError, match=r"a window of \[2, 40\] does not fill its input of \[1, 3, 40\]"):
        open_model(NABU).scores(np.zeros((2, 40), np.float32))


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=1))
@settings(max_examples=30)
def test_logits_become_posteriors(values: list[float]) -> None:
    model = TfliteModel(replace(NABU, output="sigmoid"), library=installed()[0], kernels="default")
    raw = model._posteriors(np.array([[int(abs(values[0]))]], dtype=np.uint8))
    assert raw == pytest.approx(1 / (1 + np.exp(-int(abs(values[0])) / 256)), abs=1e-6)
    assert raw.dtype == np.float32


def test_softmax_of_logits_sums_to_one() -> None:
    model = TfliteModel(replace(NABU, output="softmax"), library=installed()[0], kernels="default")
    posteriors = model._posteriors(np.array([[0, 128, 255]], dtype=np.uint8))
    assert posteriors.sum() == pytest.approx(1)
    assert posteriors.tolist() == sorted(posteriors.tolist())


# Other people's models.


def describe(shared: Path, name: str) -> Bundle:
    count, front_end = MLPERF[name]
    labels = [f"label{i}" for i in range(count)]
    return open_bundle(shared / "models" / f"{name}.tflite", labels=labels, front_end=front_end)


@pytest.mark.shared
@pytest.mark.parametrize("library", installed())
@pytest.mark.parametrize("name", sorted(MLPERF))
def test_every_layout_runs(shared: Path, name: str, library: Library) -> None:
    bundle = describe(shared, name)
    model = open_model(bundle, library=library)
    width = open_front_end(bundle.front_end).width
    scores = model.scores(np.random.default_rng(3).normal(0, 1, (bundle.window_frames, width)).astype(np.float32))
    assert scores.shape == (len(bundle.labels),)
    assert scores.dtype == np.float32


@pytest.mark.shared
@pytest.mark.parametrize("word", ["yes", "no", "silence"])
def test_micro_speech_hears_its_own_clips(shared: Path, word: str) -> None:
    labels = ["silence", "unknown", "yes", "no"]
    bundle = open_bundle(shared / "models/micro_speech_quantized.tflite", labels=labels, front_end=Micro(every=2))
    assert (bundle.window_frames, bundle.stateful) == (49, False)
    with wave.open(str(shared / f"models/wav/{word}_1000ms.wav")) as clip:
        samples = np.frombuffer(clip.readframes(clip.getnframes()), dtype=np.int16)
    frames = open_front_end(bundle.front_end).push(np.concatenate([samples, np.zeros(640, np.int16)]))[:49]
    scores = open_model(bundle).scores(frames)
    assert labels[int(scores.argmax())] == word


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mww_v2_okay_nabu", "mww_v2_hey_jarvis", "mww_v2_vad"])
def test_streaming_models_reset(shared: Path, name: str) -> None:
    model = open_model(open_bundle(shared / "models" / f"{name}.json"))
    first = answers(model, SPEECH)
    model.reset()
    assert answers(model, SPEECH) == first


# Damaged files. tflite-runtime dies of SIGSEGV on most of these: that this run comes to an end is part of the proof.


def damaged(tmp_path: Path, data: bytes) -> Path:
    shutil.copy(NABU.path, tmp_path)
    (tmp_path / "okay_nabu.tflite").write_bytes(data)
    return tmp_path / NABU.path.name


@pytest.mark.parametrize("length", [0, 1, 7, 8, 19, 20, 28, 64, 1000, 40_000, 80_000])
def test_a_truncated_model_is_refused_by_name(tmp_path: Path, length: int) -> None:
    with pytest.raises(ModelError, match=r"okay_nabu\.tflite: (not a TensorFlow Lite model|truncated|damaged)"):
        open_bundle(damaged(tmp_path, NABU.model[:length]))


@given(st.integers(0, len(NABU.model) - 1))
def test_no_truncation_reaches_an_interpreter(length: int) -> None:
    with pytest.raises(Damaged):
        read_outline(NABU.model[:length])


@given(st.lists(st.tuples(st.integers(0, len(NABU.model) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=300)
def test_flipped_bytes_are_refused_or_run(flips: list[tuple[int, int]]) -> None:
    data = bytearray(NABU.model)
    for place, value in flips:
        data[place] = value
    try:
        outline = read_outline(bytes(data))
    except Damaged:
        return
    assert outline.inputs
    assert outline.outputs


def test_a_vector_longer_than_the_file_is_refused() -> None:
    assert bytes(_Reader(b"\2\0\0\0ab")._vector(0, "B")) == b"ab"
    with pytest.raises(Damaged, match="byte 7 is wanted of 6"):
        _Reader(b"\3\0\0\0ab")._vector(0, "B")


def test_a_table_before_the_file_is_refused() -> None:
    # Python itself would read on from the end.
    with pytest.raises(Damaged):
        _Reader(b"\x7f\0\0\0\4\0\4\0")._vtable(0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda model: model.update(subgraphs=[]), "it holds no graph"),
        (lambda model: main(model).update(inputs=(9999,)), "its graph names tensor 9999"),
        (lambda model: main(model).update(outputs=(-1,)), "its graph names tensor -1"),
        (lambda model: main(model)["operators"][0].update(opcode=99), "an operator has number 99"),
        (lambda model: main(model)["operators"][0].update(inputs=(-2,)), "an operator names tensor -2"),
        (lambda model: main(model)["operators"][0].update(outputs=(9999,)), "an operator names tensor 9999"),
        (lambda model: main(model)["tensors"][0].update(buffer=9999), "a tensor names buffer 9999"),
        (lambda model: main(model)["tensors"][0].update(shape=(-7,)), r"has the shape \[-7\]"),
        (lambda model: main(model)["tensors"][0].update(shape=(10**9,)), "is too large"),
        (lambda model: constant(model).update(shape=(1, 2, 3, 5, 7)), "needs .* bytes, not"),
        (lambda model: model["buffers"][0].update(offset=10**9), "its constants lie beyond its end"),
        (lambda model: main(model)["operators"][0]["options"].update(graph=2), "an operator runs graph 2 of 2"),
        (lambda model: main(model)["operators"][0]["options"].update(graph=0), "a graph of it runs itself"),
        (lambda model: model["signatures"][0].update(subgraph=99), "a signature names a graph"),
        (lambda model: model["signatures"][0]["inputs"][0].update(tensor=9999), "a signature names a tensor"),
    ],
)
def test_a_number_that_points_at_nothing_is_refused(change: Callable[[dict[str, Any]], None], why: str) -> None:
    model = _Reader(NABU.model).table(int.from_bytes(NABU.model[:4], "little"), "Model")
    _check_model(model, size=len(NABU.model))
    change(model)
    with pytest.raises(Damaged, match=why):
        _check_model(model, size=len(NABU.model))


def test_a_file_whose_numbers_do_not_agree_is_refused() -> None:
    model = _Reader(NABU.model).table(int.from_bytes(NABU.model[:4], "little"), "Model")
    weights = bytes(model["buffers"][constant(model)["buffer"]]["data"])
    at = NABU.model.index(len(weights).to_bytes(4, "little") + weights)
    shorter = (len(weights) - 1).to_bytes(4, "little")
    with pytest.raises(Damaged, match=f"needs {len(weights)} bytes, not {len(weights) - 1}"):
        read_outline(NABU.model[:at] + shorter + NABU.model[at + 4 :])


def main(model: dict[str, Any]) -> dict[str, Any]:
    graph: dict[str, Any] = model["subgraphs"][0]
    return graph


def constant(model: dict[str, Any]) -> dict[str, Any]:
    return next(tensor for tensor in main(model)["tensors"] if len(model["buffers"][tensor["buffer"]]["data"]))


@given(st.binary(max_size=300))
def test_garbage_behind_the_identifier_is_refused(tail: bytes) -> None:
    with pytest.raises(Damaged):
        read_outline(b"\x08\0\0\0TFL3" + tail)


def test_flipped_bytes_never_crash_the_interpreter(tmp_path: Path) -> None:
    script = (
        "import sys, random; from pathlib import Path; import numpy as np\n"
        "from edged.classify.bundle import open_bundle; from edged.classify.model import open_model\n"
        "from edged.errors import ModelError\n"
        "path, whole, dice, refused = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), random.Random(5), 0\n"
        "for _ in range(150):\n"
        "    data = bytearray(whole)\n"
        "    for _ in range(dice.choice([1, 1, 4])): data[dice.randrange(len(data))] = dice.randrange(256)\n"
        "    path.with_suffix('.tflite').write_bytes(data)\n"
        "    try: open_model(open_bundle(path)).scores(np.zeros((3, 40), np.float32))\n"
        "    except ModelError: refused += 1\n"
        "print(refused)\n"
    )
    path = damaged(tmp_path, b"")
    command = [sys.executable, "-c", script, str(path), str(NABU.path.with_suffix(".tflite"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 < int(done.stdout) < 150
