"""Front ends against plain re-writings of their equations, against pymicro-wakeword, and with models that know them."""

from __future__ import annotations

import cmath
import csv
import math
import shutil
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr
from pymicro_wakeword import MicroWakeWordFeatures

from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.features.mel import fft_length, hamming, hann, mel_matrix
from edged.features.spec import FrontEndSpec, Lfbe, LogMel, Mfcc, Micro, RawPcm, from_mapping
from edged.features.window import Windower

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.records import Frames, Pcm

KWS_LABELS = ["Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown"]


def noise(samples: int, *, loud: float = 3000, seed: int = 0) -> Pcm:
    return (np.random.default_rng(seed).standard_normal(samples) * loud).clip(-32768, 32767).astype(np.int16)


def mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def slow_magnitudes(frame: list[float], *, length: int) -> list[float]:
    """|DFT| by definition, bin by bin."""
    turns = [-2j * math.pi * k / length for k in range(length // 2 + 1)]
    return [abs(sum(x * cmath.exp(turn * n) for n, x in enumerate(frame))) for turn in turns]


def slow_mel(spectrum: list[float], *, bands: int, low_hz: float, high_hz: float, rate_hz: int = 16_000) -> list[float]:
    """Triangular filters, each by scalar arithmetic."""
    width = (mel(high_hz) - mel(low_hz)) / (bands + 1)
    out = []
    for band in range(bands):
        centre = mel(low_hz) + (band + 1) * width
        hz = [k * rate_hz / 2 / (len(spectrum) - 1) for k in range(len(spectrum))]
        weights = [max(0.0, 1 - abs(mel(f) - centre) / width) for f in hz]
        out.append(sum(w * x for w, x in zip(weights[1:], spectrum[1:], strict=True)))
    return out


def slow_log_mel(frame: Pcm, spec: LogMel | Mfcc) -> list[float]:
    n = len(frame)
    tapered = [float(x) / 32768 * (0.5 - 0.5 * math.cos(2 * math.pi * i / n)) for i, x in enumerate(frame)]
    magnitudes = slow_magnitudes(tapered, length=fft_length(n))
    bands = slow_mel(magnitudes, bands=spec.bands, low_hz=spec.low_hz, high_hz=spec.high_hz)
    return [math.log(value + spec.offset) for value in bands]


def slow_mfcc(frame: Pcm, spec: Mfcc) -> list[float]:
    values = slow_log_mel(frame, spec)
    n = len(values)
    return [
        math.sqrt(2 / n) * sum(v * math.cos(math.pi / n * (i + 0.5) * order) for i, v in enumerate(values))
        for order in range(spec.coefficients)
    ]


def slow_lfbe(frame: list[float], spec: Lfbe) -> list[float]:
    """The frame comes with the sample before it."""
    n = len(frame) - 1
    emphasised = [(b - 0.96875 * a) / 32768 for a, b in pairwise(frame)]
    tapered = [x * (0.54 - 0.46 * math.cos(2 * math.pi * i / (n - 1))) for i, x in enumerate(emphasised)]
    power = [value**2 / n for value in slow_magnitudes(tapered, length=fft_length(n))]
    bands = slow_mel(power, bands=spec.bands, low_hz=spec.low_hz, high_hz=spec.high_hz)
    return [min(1.0, max(0.0, (10 * math.log10(value) + 52) / 64)) for value in bands]


def test_log_mel_is_its_equation() -> None:
    spec, audio = LogMel(), noise(900)
    frames = open_front_end(spec).push(audio)
    assert frames.shape == (4, 64)
    for k in (0, 3):
        np.testing.assert_allclose(frames[k], slow_log_mel(audio[k * 160 : k * 160 + 400], spec), atol=2e-6)


@pytest.mark.parametrize("window_ms", [30, 40])
def test_mfcc_is_its_equation(window_ms: int) -> None:
    spec, audio = Mfcc(window_ms=window_ms), noise(1000)
    frames = open_front_end(spec).push(audio)
    assert frames.shape == (2, 10)
    size = window_ms * 16
    np.testing.assert_allclose(frames[1], slow_mfcc(audio[320 : 320 + size], spec), atol=2e-5)


def test_lfbe_is_its_equation() -> None:
    spec, audio = Lfbe(), noise(1600, loud=6000)
    frames = open_front_end(spec).push(audio)
    assert frames.shape == (2, 40)
    assert 0 < frames.min() < frames.max() < 1, "a reference that is all clipped would show nothing"
    np.testing.assert_allclose(frames[0], slow_lfbe([0.0, *map(float, audio[:1024])], spec), atol=2e-6)
    np.testing.assert_allclose(frames[1], slow_lfbe([*map(float, audio[511 : 512 + 1024])], spec), atol=2e-6)


def test_gain_is_louder_audio() -> None:
    audio = noise(1000, loud=500)
    loud = open_front_end(LogMel(gain=4)).push(audio)
    np.testing.assert_array_equal(loud, open_front_end(LogMel()).push(4 * audio))


def test_windows_are_tensorflows() -> None:
    assert hann(4).tolist() == pytest.approx([0, 0.5, 1, 0.5])
    assert hamming(3).tolist() == pytest.approx([0.08, 1, 0.08])
    assert [fft_length(n) for n in (400, 480, 512, 640)] == [512, 512, 512, 1024]


def test_a_band_narrower_than_a_bin_is_silent_not_wrong() -> None:
    """With 64 bands below 300 Hz most triangles hold no bin at all."""
    spec = LogMel(low_hz=20, high_hz=300)
    frames = open_front_end(spec).push(noise(400))
    empty = mel_matrix(rate_hz=16_000, bins=257, bands=64, low_hz=20, high_hz=300).sum(axis=0) == 0
    assert 0 < empty.sum() < 64
    assert np.array_equal(frames[0] == np.float32(math.log(0.001)), empty)


@pytest.mark.parametrize("spec", [Micro(), LogMel(), Mfcc(), Lfbe(), RawPcm()])
@pytest.mark.parametrize("value", [0, 32767, -32768])
def test_constant_audio_gives_finite_frames(spec: FrontEndSpec, value: int) -> None:
    frames = open_front_end(spec).push(np.full(3200, value, dtype=np.int16))
    assert len(frames) > 0
    assert np.isfinite(frames).all()


@pytest.mark.parametrize(
    "spec", [Micro(), Micro(every=2), Micro(every=3), LogMel(), Mfcc(), Lfbe(), RawPcm(), Mfcc(window_ms=20)]
)
def test_frame_k_comes_with_its_last_sample(spec: FrontEndSpec) -> None:
    front_end, heard, frames = open_front_end(spec), 0, 0
    if isinstance(spec, RawPcm):
        assert (front_end.window, front_end.step) == (1, 1)
        return
    for _ in range(400):
        got = front_end.push(np.zeros(16, dtype=np.int16))
        heard += 16
        assert got.shape == (len(got), front_end.width)
        assert got.dtype == np.float32
        frames += len(got)
        due = (heard - front_end.window) // front_end.step + 1
        assert frames == max(0, due), f"after {heard} samples"
    assert frames > 5


def test_micro_is_pymicro_wakeword_exactly() -> None:
    audio = noise(48_000, loud=9000)
    peer = MicroWakeWordFeatures()
    pieces = np.split(audio, [5, 700, 20_000])
    theirs = [features.reshape(40) for piece in pieces for features in peer.process_streaming(piece.tobytes())]
    ours = open_front_end(Micro()).push(audio)
    assert len(ours) == 298
    np.testing.assert_array_equal(ours.astype(np.float64), np.array(theirs))
    np.testing.assert_array_equal(open_front_end(Micro(every=2)).push(audio), ours[::2])


def test_pcm_is_the_samples() -> None:
    audio = np.array([-32768, -1, 0, 32767], dtype=np.int16)
    assert open_front_end(RawPcm()).push(audio).tolist() == [[-32768.0], [-1.0], [0.0], [32767.0]]
    assert open_front_end(RawPcm(scale=1 / 32768)).push(audio).tolist() == [
        [-1.0],
        [-(2.0**-15)],
        [0.0],
        [1 - 2.0**-15],
    ]


def test_a_mapping_opens_what_it_names() -> None:
    asked = {"name": "mfcc", "window_ms": 30, "step_ms": 20, "bands": 40, "coefficients": 10}
    assert from_mapping(asked) == Mfcc(window_ms=30)
    assert from_mapping({"name": "micro", "every": 2}) == Micro(every=2)
    assert from_mapping({"name": "pcm", "scale": 1}) == RawPcm()
    assert from_mapping({"name": "log-mel"}) == LogMel()
    assert from_mapping({"name": "lfbe"}) == Lfbe()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "front_end.name: no name is given"),
        ({"name": "mfc"}, "Did you mean mfcc"),
        ({"name": 3}, "front_end.name = 3: unknown front end"),
        ({"name": "zzz"}, "Known are: micro, log-mel, mfcc, lfbe, pcm"),
        (
            {"name": "mfcc", "coeficients": 10},
            "front_end.coeficients: unknown parameter of mfcc. Did you mean coefficients",
        ),
        ({"name": "mfcc", "bands": 40.5}, "front_end.bands = 40.5: not a whole number"),
        ({"name": "mfcc", "bands": True}, "front_end.bands = true: not a whole number"),
        ({"name": "mfcc", "window_ms": "40"}, "front_end.window_ms = '40': not a number"),
        ({"name": "mfcc", "coefficients": 41}, "front_end.coefficients = 41: out of range"),
        ({"name": "log-mel", "window_ms": 0.03125}, "front_end.window_ms = 0.03125: out of range"),
        ({"name": "log-mel", "window_ms": 25.01}, "front_end.window_ms = 25.01: not a whole number of samples"),
        ({"name": "log-mel", "step_ms": 30}, "front_end.step_ms = 30: out of range"),
        ({"name": "log-mel", "high_hz": 8001}, "front_end.high_hz = 8001: out of range"),
        ({"name": "log-mel", "offset": 0}, "front_end.offset = 0: out of range"),
        ({"name": "log-mel", "gain": math.nan}, "front_end.gain = nan: out of range"),
        ({"name": "lfbe", "low_hz": 8000}, "front_end.low_hz = 8000: out of range"),
        ({"name": "pcm", "rate_hz": 0}, "front_end.rate_hz = 0: out of range"),
        ({"name": "micro", "every": 0}, "front_end.every = 0: out of range"),
    ],
)
def test_a_wrong_mapping_names_the_key_and_the_way_out(asked: dict[str, object], says: str) -> None:
    with pytest.raises(ModelError) as refused:
        from_mapping(asked, file="manifest.json")
    assert str(refused.value).startswith("manifest.json: front_end.")
    assert says in str(refused.value)
    assert refused.value.way_out


class Model:
    """A `.tflite` with its quantisation, for what these tests need."""

    def __init__(self, path: Path) -> None:
        litert = pytest.importorskip("ai_edge_litert.interpreter")
        self._interpreter = litert.Interpreter(str(path))
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def __call__(self, frames: Frames) -> NDArray[np.float64]:
        scale, zero = self._input["quantization"]
        values = frames.astype(np.float64).reshape(self._input["shape"])
        if scale:
            values = np.clip(np.round(values / scale + zero), -128, 127)
        self._interpreter.set_tensor(self._input["index"], values.astype(self._input["dtype"]))
        self._interpreter.invoke()
        scale, zero = self._output["quantization"]
        out = self._interpreter.get_tensor(self._output["index"])[0].astype(np.float64)
        return np.asarray((out - zero) * scale if scale else out)


def read(path: Path) -> Pcm:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16_000
    return np.asarray(samples, dtype=np.int16)


@pytest.mark.shared
def test_micro_speech_hears_yes_and_no(shared: Path) -> None:
    model = Model(shared / "models/micro_speech_quantized.tflite")
    for label, word in ((0, "silence"), (2, "yes"), (3, "no")):
        frames = open_front_end(Micro(every=2)).push(read(shared / f"models/wav/{word}_1000ms.wav"))
        assert frames.shape == (49, 40)
        assert model(frames).argmax() == label, word


@pytest.mark.shared
def test_mlperf_keyword_spotting_hears_yes_and_no(shared: Path) -> None:
    model = Model(shared / "models/mlperf_kws_ref_model.tflite")
    for word in ("yes", "no"):
        audio = read(shared / f"models/wav/{word}_1000ms.wav")
        frames = open_front_end(Mfcc(gain=32768 / audio.max())).push(audio)  # trained on clips scaled to their peak
        assert frames.shape == (49, 10)
        assert KWS_LABELS[model(frames).argmax()] == word.capitalize()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("dog_bark", {"Dog", "Animal", "Domestic animals, pets"}),
        ("chainsaw", {"Chainsaw", "Engine", "Light engine (high frequency)"}),
        ("rain", {"Rain", "Water", "Raindrop", "Rain on surface"}),
        ("sea_waves", {"Ocean", "Waves, surf", "Water", "Boat, Water vehicle", "Rowboat, canoe, kayak"}),
    ],
)
def test_yamnet_hears_what_is_there(shared: Path, folder: str, expected: set[str]) -> None:
    model = Model(shared / "models/yamnet_spectra_in.tflite")
    with (shared / "models/yamnet_class_map.csv").open() as table:
        names = [row["display_name"] for row in csv.DictReader(table)]
    clips = sorted((shared / "data/esc10" / folder).iterdir())[:4]
    hits = sum(yamnet_best(model, read(clip), names=names) in expected for clip in clips)
    assert hits >= 3, f"{hits} of {len(clips)}"


def yamnet_best(model: Model, audio: Pcm, *, names: list[str]) -> str:
    """The class with the highest mean score over the clip, silence left out: these clips are padded with it."""
    front_end = open_front_end(LogMel())
    windows = Windower(front_end, frames=96, hop=48).push(front_end.push(audio))
    scores = np.mean([model(window.frames) for window in windows], axis=0)
    scores[names.index("Silence")] = 0
    return names[int(scores.argmax())]


@pytest.mark.shared
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng, which speaks the words, is not installed")
def test_mlperf_streaming_wake_word_hears_marvin(shared: Path, tmp_path: Path) -> None:
    model = Model(shared / "models/mlperf_str_ww_ref_model.tflite")
    assert wake_word_peak(model, spoken("marvin", file=tmp_path / "marvin.wav")) > 0.9
    assert wake_word_peak(model, spoken("seven", file=tmp_path / "seven.wav")) < 0.3


def spoken(word: str, *, file: Path) -> Pcm:
    """The word at 16 kHz, half a second of silence on either side."""
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", str(file), word], check=True, timeout=20)
    samples, rate_hz = soundfile.read(file, dtype="float32")
    voice = soxr.resample(samples, rate_hz, 16_000)
    rest = np.zeros(12_000)
    return np.asarray(np.concatenate((rest, voice / np.abs(voice).max() * 20_000, rest)), dtype=np.int16)


def wake_word_peak(model: Model, audio: Pcm) -> float:
    front_end = open_front_end(Lfbe())
    windows = Windower(front_end, frames=30, hop=1).push(front_end.push(audio))
    return max(float(model(window.frames)[0]) for window in windows)
