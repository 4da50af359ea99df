"""A bundle's golden input and output: made where the bundle is, proven where it arrives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from nabu import nabu
from speech import spoken

from edged.audio.resample import Converter
from edged.audio.sources import FileSource
from edged.classify import proof
from edged.classify.bundle import Bundle, open_bundle, write_bundle
from edged.classify.golden import MAX_SAMPLES
from edged.classify.head import Head
from edged.classify.proof import EXACT, make_golden, prove, sweep
from edged.classify.runtime import installed
from edged.errors import ModelError
from edged.features.frontend import open_front_end
from edged.features.spec import Lfbe, LogMel, Mfcc, Micro, RawPcm
from edged.features.window import Windower

if TYPE_CHECKING:
    from pathlib import Path

    from edged.classify.runtime import Kernels, Library
    from edged.features.spec import FrontEndSpec
    from edged.records import Pcm

NABU = nabu()
WHOLE: dict[str, Any] = {
    "model": NABU.model,
    "name": "nabu",
    "labels": ["okay_nabu"],
    "front_end": Micro(),
    "window_frames": 3,
    "hop_frames": 3,
    "policy": NABU.policies["okay_nabu"],
}


@pytest.fixture(scope="session")
def word(tmp_path_factory: pytest.TempPathFactory) -> Pcm:
    """Two seconds, at 16 kHz, in which "okay nabu" is said."""
    chunks = list(FileSource(spoken(tmp_path_factory.mktemp("word") / "w.wav", [("okay nabu", "en-us")])).chunks())
    converter = Converter(chunks[0].rate_hz, 1, 16_000)
    return np.concatenate([converter.push(chunk.samples) for chunk in chunks])[16_000:48_000]


def made(path: Path, golden: Literal[True] | Pcm | None, **changes: Any) -> Bundle:
    return write_bundle(path, golden=False if golden is None else golden, **(WHOLE | changes))


@pytest.mark.parametrize("name", ["nabu", "nabu.edged"])
def test_a_bundle_proves_itself_where_it_was_made(tmp_path: Path, word: Pcm, name: str) -> None:
    wrote = made(tmp_path / name, word)
    read = open_bundle(tmp_path / name)
    assert read == wrote
    assert read.golden is not None
    assert max(read.golden.posteriors["okay_nabu"]) > 0.9  # the word is in it
    found = prove(read)
    assert found is not None
    assert (found.worst, found.allowed, found.same) == (0, EXACT, True)
    assert found.windows == len(read.golden.posteriors["okay_nabu"]) == 66


def test_the_same_content_still_makes_the_same_file(tmp_path: Path) -> None:
    made(tmp_path / "a.edged", golden=True)
    made(tmp_path / "b.edged", golden=True)
    assert (tmp_path / "a.edged").read_bytes() == (tmp_path / "b.edged").read_bytes()


def test_a_bundle_without_a_golden_input_proves_nothing(tmp_path: Path) -> None:
    assert prove(made(tmp_path / "a", None)) is None


@pytest.mark.parametrize("library", installed())
@pytest.mark.parametrize("kernels", ["default", "reference"])
def test_every_runtime_comes_near_enough(tmp_path: Path, word: Pcm, library: Library, kernels: Kernels) -> None:
    bundle = made(tmp_path / "a", word)
    found = prove(bundle, library=library, kernels=kernels)
    assert found is not None
    assert found.worst <= found.allowed


def test_another_runtime_is_allowed_what_the_same_one_is_not(
    tmp_path: Path, word: Pcm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One output is off by a step of int8: a changed model on the same runtime, and nothing odd on another."""
    bundle = made(tmp_path / "a", word)
    golden = bundle.golden
    assert golden is not None
    first, *rest = golden.posteriors["okay_nabu"]
    off = replace(bundle, golden=replace(golden, posteriors={"okay_nabu": (first + 1 / 256, *rest)}))
    with pytest.raises(ModelError, match=r"gives 'okay_nabu' 0\.0000 in window 1 of 66, not 0\.0039 as where"):
        prove(off)
    monkeypatch.setattr(proof, "version_of", lambda _library: "9.9")
    found = prove(off)
    assert found is not None
    assert not found.same


# What was changed on the way is found.


def changed(path: Path, change: dict[str, Any]) -> Path:
    file = path / "manifest.json"
    told = json.loads(file.read_text())
    for key, value in change.items():
        *tables, last = key.split(".")
        inner = told
        for table in tables:
            inner = inner[table]
        inner[last] = value
    file.write_text(json.dumps(told))
    return path


HEADED: dict[str, Any] = {
    "labels": ["door", "bell"],
    "head": Head([[3.0], [-3.0]], [0.5, 0.0]),
    "output": "softmax",
}


@pytest.mark.parametrize(
    "change",
    [
        {"output": "sigmoid"},
        {"labels": ["bell", "door"]},
        {"head.bias": [0.0, 0.5]},
        {"head.weights": [[-3.0], [3.0]]},
        {"head.normalise": "l2"},
    ],
)
def test_a_manifest_that_was_changed_answers_otherwise(tmp_path: Path, word: Pcm, change: dict[str, Any]) -> None:
    made(tmp_path / "a", word, **HEADED)
    bundle = open_bundle(changed(tmp_path / "a", change))
    with pytest.raises(ModelError, match="its golden input gives") as refusal:
        prove(bundle)
    assert (refusal.value.key, refusal.value.file) == ("golden", str(tmp_path / "a"))
    assert refusal.value.way_out


def test_a_front_end_that_was_changed_answers_otherwise(tmp_path: Path, word: Pcm) -> None:
    """The numbers still fit; only the sound tells."""
    mfcc = Mfcc(window_ms=30, step_ms=10, coefficients=40)
    made(tmp_path / "a", word, front_end=mfcc, head=Head([[40.0]], [-0.1]), output="sigmoid")
    told = json.loads((tmp_path / "a" / "manifest.json").read_text())
    bundle = open_bundle(changed(tmp_path / "a", {"front_end": told["front_end"] | {"gain": 40.0}}))
    with pytest.raises(ModelError, match="its golden input gives"):
        prove(bundle)


@pytest.mark.parametrize(
    ("change", "key", "what"),
    [
        ({"golden.audio": "????"}, "golden.audio", "is not base64"),
        ({"golden.audio": "AAA="}, "golden.posteriors", "makes 0 windows"),
        ({"golden.audio": "AA=="}, "golden.audio", "has 1 bytes, not 1 to 65536 samples of 2"),
        ({"golden.audio": ""}, "golden.audio", "has 0 bytes"),
        ({"golden.audio": "AAAA" * 60_000}, "golden.audio", "has 180000 bytes"),
        ({"golden.audio": 3}, "golden.audio", "should be a valid string"),
        ({"golden.posteriors": {"okay_nabu": [0.5]}}, "golden.posteriors", "'okay_nabu' has 1, and golden.audio"),
        ({"golden.posteriors": {"okay_nabu": []}}, "golden.posteriors.okay_nabu", "at least 1 item"),
        ({"golden.posteriors": {"okay_nabu": [10**400]}}, "golden.posteriors.okay_nabu[0]", "a finite number"),
        ({"golden.posteriors": {}}, "golden.posteriors", "is missing"),
        ({"golden.posteriors.nabu": [0.1]}, "golden.posteriors", "'nabu': is no label"),
        ({"golden.tolerance": 2}, "golden.tolerance", "less than or equal to 1"),
        ({"golden.made_with": "me"}, "golden.made_with", "should be an object"),
        ({"golden": {}}, "golden.made_with", "is missing"),
        ({"golden.window": []}, "golden.window", "is not a known key"),
    ],
)
def test_a_wrong_golden_is_refused_by_file_and_key(tmp_path: Path, change: dict[str, Any], key: str, what: str) -> None:
    path = changed(made(tmp_path / "a", golden=True).path, change)
    with pytest.raises(ModelError, match=what) as refusal:
        open_bundle(path)
    assert (refusal.value.key, refusal.value.file) == (key, str(path / "manifest.json"))
    assert refusal.value.way_out


@pytest.mark.parametrize(("length", "what"), [(MAX_SAMPLES + 1, "65536 are the most"), (400, "too few for one window")])
def test_a_sound_that_cannot_be_kept_writes_nothing(tmp_path: Path, length: int, what: str) -> None:
    with pytest.raises(ModelError, match=what):
        made(tmp_path / "a.edged", np.zeros(length, np.int16))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_answers_nothing_is_refused(tmp_path: Path, word: Pcm, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = made(tmp_path / "a", word)
    monkeypatch.setattr(proof, "_posteriors", lambda *_, **__: np.full((66, 1), np.nan, np.float32))
    with pytest.raises(ModelError, match="gives 'okay_nabu' nan in window 1"):
        prove(bundle)


# The sound that stands in.


@pytest.mark.parametrize("spec", [Micro(), Micro(every=2), LogMel(), Mfcc(), Lfbe(), RawPcm(rate_hz=48_000)])
@pytest.mark.parametrize(("window_frames", "hop_frames"), [(3, 3), (49, 24), (10, 20)])
def test_a_sweep_makes_the_windows_that_the_manifest_counts(
    tmp_path: Path, spec: FrontEndSpec, window_frames: int, hop_frames: int
) -> None:
    """`edged.classify.bundle` computes how many windows there are; here they are counted."""
    bundle = replace(NABU, front_end=spec, window_frames=window_frames, hop_frames=hop_frames, path=tmp_path)
    heard = sweep(bundle)
    assert len(heard) <= MAX_SAMPLES
    assert np.abs(heard.astype(int)).max() > 10_000
    front_end = open_front_end(spec)
    cut = Windower(front_end, frames=window_frames, hop=hop_frames).push(front_end.push(heard))
    frames = (len(heard) - front_end.window) // front_end.step + 1
    assert len(cut) == (frames - window_frames) // hop_frames + 1 >= 3


def test_a_given_library_is_named_as_what_it_was_made_with() -> None:
    golden = make_golden(NABU, library=installed()[-1], kernels="reference")
    assert (golden.made_with.library, golden.made_with.kernels) == (installed()[-1], "reference")
    assert golden.made_with.version
