"""Every kind of model that can be named, what is made of it, and what is refused with which words."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nabu import NABU_PATH, nabu

from edged.classify.archive import MAX_MANIFEST_BYTES
from edged.classify.bundle import Bundle, default_model, open_bundle, write_bundle
from edged.classify.labels import read_labels
from edged.classify.manifest import read_manifest
from edged.errors import ModelError
from edged.features.spec import LogMel, Micro
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

NABU = nabu()
MODELS = NABU_PATH.parent
WHOLE: dict[str, Any] = {
    "model": NABU.model,
    "name": "nabu",
    "labels": ["okay_nabu"],
    "front_end": Micro(),
    "window_frames": 3,
    "hop_frames": 3,
    "policy": Policy(threshold=0.85, mean_of=5),
    "version": "1.2.0",
    "description": "Hears “okay nabu”.",
    "provenance": {"trained_by": "Kevin Ahrendt", "licence": "Apache-2.0"},
}


FULL: dict[str, Any] = {
    "edged_bundle": 1,
    "name": "nabu",
    "version": "1",
    "description": "",
    "sha256": "0" * 64,
    "labels": ["a", "b"],
    "background": ["b"],
    "front_end": {"name": "micro"},
    "window_frames": 3,
    "hop_frames": 3,
    "output": "softmax",
    "head": {"normalise": "l2", "centre": [0.5], "weights": [[1.5], [2]], "bias": [0, 1]},
    "policy": {"threshold": 0.5},
    "policies": {"a": {"n": 1}},
    "provenance": {"data": "none"},
    "runtime": "",
    "golden": {"made_with": {}, "tolerance": 0.5, "audio": "AAA=", "posteriors": {"a": [0.5], "b": [0.5]}},
}
"""Every key of a manifest."""


def made(path: Path, **changes: Any) -> Bundle:
    return write_bundle(path, **(WHOLE | changes))


def test_a_bundle_costs_no_validation_library(tmp_path: Path) -> None:
    """The daemon reads manifests itself: pydantic would cost it 10 MB for as long as it lives."""
    made(tmp_path / "a.edged", golden=True)
    program = (
        "import sys; from edged.classify.bundle import open_bundle; from edged.classify.proof import prove; "
        f"prove(open_bundle({str(tmp_path / 'a.edged')!r})); "
        "print(*sorted({'pydantic', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# The place.


@pytest.mark.parametrize(
    ("name", "why"),
    [("absent.tflite", "there is no such model"), ("n" * 300, "cannot be looked at: .*too long"), ("a\0b", "NUL|null")],
)
def test_a_place_that_cannot_be_looked_at_is_the_users_to_mend(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        open_bundle(tmp_path / name)


def test_a_wake_word_that_names_no_possible_file_is_refused(tmp_path: Path) -> None:
    told = json.loads((MODELS / "okay_nabu.json").read_text()) | {"model": "n" * 300}
    (tmp_path / "word.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match="is not beside this file"):
        open_bundle(tmp_path / "word.json")


def test_every_output_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("index,display_name\n0,Dog\n1,\n")
    with pytest.raises(ModelError, match="one of them is empty"):
        read_labels(tmp_path / "map.csv")


# The round trip.


@pytest.mark.parametrize("name", ["nabu", "nabu.edged"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    wrote = made(tmp_path / name)
    read = open_bundle(tmp_path / name)
    assert read == wrote
    assert (read.name, read.version, read.description) == ("nabu", "1.2.0", "Hears “okay nabu”.")
    assert (read.labels, read.front_end, read.window_frames, read.hop_frames) == (("okay_nabu",), Micro(), 3, 3)
    assert read.policies == {"okay_nabu": Policy(threshold=0.85, mean_of=5)}
    assert read.provenance == {"trained_by": "Kevin Ahrendt", "licence": "Apache-2.0"}
    assert read.sha256 == hashlib.sha256(NABU.model).hexdigest()
    assert (read.rate_hz, read.step_ms, read.stateful, read.kind) == (16_000, 10, True, "tflite")


def test_a_folder_may_be_named_by_its_manifest(tmp_path: Path) -> None:
    made(tmp_path / "nabu")
    assert open_bundle(tmp_path / "nabu" / "manifest.json") == open_bundle(tmp_path / "nabu")


def test_the_same_content_makes_the_same_file_and_replaces_it_whole(tmp_path: Path) -> None:
    made(tmp_path / "a.edged")
    first = (tmp_path / "a.edged").read_bytes()
    made(tmp_path / "a.edged", version="2")
    assert open_bundle(tmp_path / "a.edged").version == "2"
    made(tmp_path / "a.edged")
    assert (tmp_path / "a.edged").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["a.edged"]


def test_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    made(tmp_path / "nabu")
    with pytest.raises(ModelError, match="cannot be written: directory not empty"):
        made(tmp_path / "nabu", version="2")
    assert [path.name for path in tmp_path.iterdir()] == ["nabu"]
    assert open_bundle(tmp_path / "nabu").version == "1.2.0"


def test_nothing_is_written_that_would_be_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"labels: 2 given, but its output uint8 \[1, 1\] has 1"):
        made(tmp_path / "nabu.edged", labels=["a", "b"])
    assert list(tmp_path.iterdir()) == []


POLICIES = st.builds(
    Policy,
    kind=st.sampled_from(["detection", "sound"]),
    threshold=st.floats(0.5, 1),
    release=st.none() | st.floats(0, 0.5),
    mean_of=st.integers(1, 100),
    n=st.integers(1, 5),
    of_m=st.integers(5, 9),
    refractory_s=st.floats(0, 100),
    min_s=st.floats(0, 5),
    max_s=st.none() | st.floats(5, 50),
    update_s=st.floats(0.1, 100),
)


@given(policy=POLICIES)
def test_every_policy_survives_the_round_trip(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> None:
    folder = tmp_path_factory.mktemp("round")
    assert made(folder / "a.edged", policy=policy).policies["okay_nabu"] == policy


# A model that is not what is said of it.


def with_manifest(tmp_path: Path, **changes: Any) -> Path:
    """A bundle folder whose manifest was changed by hand."""
    path = tmp_path / "nabu"
    if not path.exists():
        made(path)
    manifest = json.loads((path / "manifest.json").read_text()) | changes
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    ("changes", "key", "what"),
    [
        ({"labels": []}, "labels", "at least 1 item"),
        ({"labels": ["a", "a"]}, "labels", "'a' stands there twice"),
        ({"labels": ["a", "b"]}, "labels", r"2 given, but its output uint8 \[1, 1\] has 1"),
        (
            {"window_frames": 4},
            "window_frames",
            r"4 frames of 40 \(micro\) make 160 numbers, its input int8 \[1, 3, 40\]",
        ),
        ({"window_frames": "3"}, "window_frames", "valid integer"),
        ({"hop_frames": 0}, "hop_frames", "greater than or equal to 1"),
        ({"hop_frames": 1}, "hop_frames", "does not suit a streaming model"),
        ({"front_end": {"name": "mirco"}}, "front_end.name", "unknown front end"),
        ({"front_end": {"name": "log-mel"}}, "window_frames", "3 frames of 64"),
        ({"sha256": "0" * 64}, "sha256", "is not that of model.tflite"),
        ({"sha256": "0"}, "sha256", "match pattern"),
        ({"edged_bundle": 2}, "edged_bundle", "a format that this edged does not know"),
        ({"colour": 1}, "colour", "is not a known key. Take it out; known here are edged_bundle, name"),
        ({"label": ["x"]}, "label", r"not a known key \(did you mean `labels`"),
        ({"policy": {"treshold": 0.3}}, "policy.treshold", r"not a known key \(did you mean `threshold`"),
        ({"policy": {"threshold": 1.5}}, "policy.threshold", "less than or equal to 1"),
        ({"policy": {"threshold": 0.5, "release": 0.6}}, "policy.release", r"is above threshold, 0\.5"),
        ({"policies": {"okay_nabu": {"n": 3, "of_m": 2}}}, "policies.okay_nabu.n", "is above of_m, 2"),
        ({"policies": {"okay_nabo": {}}}, "policies", r"no label 'okay_nabo' \(did you mean `okay_nabu`"),
        ({"background": ["noise"]}, "background", "no label 'noise'"),
        ({"provenance": {"license": "MIT"}}, "provenance.license", r"not a known key \(did you mean `licence`"),
        ({"output": "logits"}, "output", "'posterior', 'softmax' or 'sigmoid'"),
        ({"name": "a/b"}, "name", "pattern"),
    ],
)
def test_a_wrong_manifest_is_refused_by_file_and_key(
    tmp_path: Path, changes: dict[str, Any], key: str, what: str
) -> None:
    path = with_manifest(tmp_path, **changes)
    with pytest.raises(ModelError, match=what) as refusal:
        open_bundle(path)
    assert refusal.value.key == key
    assert refusal.value.file in {str(path / "manifest.json"), str(path)}
    assert refusal.value.way_out


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = with_manifest(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["labels"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"manifest\.json: labels: is missing\. Add it"):
        open_bundle(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\ufeff{}", "[" * 100_000])
def test_a_manifest_that_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    path = with_manifest(tmp_path)
    (path / "manifest.json").write_text(text)
    with pytest.raises(ModelError):
        open_bundle(path)


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_manifests_reader(data: bytes) -> None:
    with pytest.raises(ModelError):
        read_manifest(data, file="manifest.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def refusal_of(data: bytes) -> ModelError | None:
    try:
        read_manifest(data, file="manifest.json")
    except ModelError as refusal:
        return refusal
    return None


def test_every_key_may_stand_there() -> None:
    assert refusal_of(json.dumps(FULL).encode()) is None


@given(key=st.sampled_from(sorted(FULL)), value=JSON, inner=st.none() | st.text(max_size=8))
def test_no_value_at_any_key_upsets_the_manifests_reader(key: str, value: Any, inner: str | None) -> None:
    """It is read, or refused by a key; nothing else comes out, whatever stands where."""
    told = json.loads(json.dumps(FULL))
    if inner is None or not isinstance(told[key], dict):
        told[key] = value
    else:
        told[key] |= {inner or next(iter(told[key])): value}
    refusal = refusal_of(json.dumps(told).encode())
    assert refusal is None or (refusal.file == "manifest.json" and refusal.way_out)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = with_manifest(tmp_path)
    (path / "model.tflite").unlink()
    with pytest.raises(ModelError, match=r"nabu/model\.tflite: there is no such file"):
        open_bundle(path)


# Archives.


def packed(path: Path, members: dict[str, bytes], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"x" * 99]
)
def test_a_damaged_archive_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    made(tmp_path / "a.edged")
    whole = (tmp_path / "a.edged").read_bytes()
    (tmp_path / "a.edged").write_bytes(spoil(whole))
    with pytest.raises(ModelError, match=r"a\.edged: is not a whole \.edged file"):
        open_bundle(tmp_path / "a.edged")


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_in_an_archive_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("flip") / "a.edged"
    wrote = made(path)
    data = bytearray(path.read_bytes())
    for place, value in flips:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        read = open_bundle(path)
    except ModelError:
        return
    assert read == wrote


def test_an_archive_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no manifest\.json"):
        open_bundle(packed(tmp_path / "a.edged", {"../manifest.json": b"{}"}))
    with pytest.raises(ModelError, match=r"holds no model\.tflite"):
        open_bundle(packed(tmp_path / "a.edged", {"manifest.json": b"{}"}))


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    bomb = {"manifest.json": b" " * (MAX_MANIFEST_BYTES + 1), "model.tflite": b""}
    with pytest.raises(ModelError, match=f"manifest.json in it is larger than {MAX_MANIFEST_BYTES} bytes"):
        open_bundle(packed(tmp_path / "a.edged", bomb, compression=zipfile.ZIP_DEFLATED))
    many = {f"{number:0100}": b"" for number in range(1000)}
    with pytest.raises(ModelError, match="its table of contents"):
        open_bundle(packed(tmp_path / "b.edged", many))


def test_an_archive_is_never_unpacked(tmp_path: Path) -> None:
    made(tmp_path / "a.edged")
    data = io.BytesIO((tmp_path / "a.edged").read_bytes())
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("../../escaped", b"x")
    (tmp_path / "a.edged").write_bytes(data.getvalue())
    assert open_bundle(tmp_path / "a.edged").name == "nabu"
    assert [path.name for path in tmp_path.iterdir()] == ["a.edged"]


# microWakeWord.


@pytest.mark.parametrize("description", sorted(MODELS.glob("*.json")), ids=lambda path: path.stem)
def test_microwakeword_models_are_used_as_they_are(description: Path) -> None:
    told = json.loads(description.read_text())
    bundle = open_bundle(description)
    assert bundle.name == bundle.labels[0] == description.stem
    assert (bundle.front_end, bundle.window_frames, bundle.hop_frames, bundle.stateful) == (Micro(), 3, 3, True)
    policy = Policy(threshold=told["micro"]["probability_cutoff"], mean_of=told["micro"]["sliding_window_size"])
    assert bundle.policies == {description.stem: policy}


def test_wishes_go_over_what_a_model_says_of_itself() -> None:
    bundle = open_bundle(NABU.path, name="Kitchen", policy={"threshold": 0.5}, policies={"okay_nabu": {"mean_of": 2}})
    assert bundle.name == "Kitchen"
    assert bundle.policies == {"okay_nabu": Policy(threshold=0.5, mean_of=2)}
    assert open_bundle(NABU.path, background=["okay_nabu"]).policies == {}


@pytest.mark.parametrize(
    ("wishes", "key"),
    [
        ({"policy": {"treshold": 1}}, "policy.treshold"),
        ({"policy": {"threshold": 2.0}}, "policy.threshold"),
        ({"policies": {"okay_nabu": {"release": 0.9}}}, "policies.okay_nabu.release"),
        ({"policies": {"hey": {}}}, "policies"),
        ({"background": ["hey"]}, "background"),
        ({"hop_ms": 15}, "hop_ms"),
        ({"hop_ms": 10}, "hop_ms"),
        ({"hop_frames": 1}, "hop_frames"),
        ({"labels": ["a", "b"]}, "labels"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_key(wishes: dict[str, Any], key: str) -> None:
    with pytest.raises(ModelError) as refusal:
        open_bundle(NABU.path, **wishes)
    model = BARE if key == "labels" else NABU.path
    assert (refusal.value.file, refusal.value.key) == (str(model), key)
    with pytest.raises(ModelError) as refusal:
        open_bundle(NABU.path, **wishes, file="edged.toml", table="models.nabu")
    assert (refusal.value.file, refusal.value.key) == ("edged.toml", f"models.nabu.{key}")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"type": "macro"}, "is not a microWakeWord description"),
        ({"version": 1}, "version = 1: is not supported. Fetch version 2"),
        ({"model": "../okay_nabu.tflite"}, "model = '../okay_nabu.tflite': is not a bare file name"),
        ({"model": "other.tflite"}, r"model = 'other\.tflite': is not beside this file\. Fetch other\.tflite too"),
        ({"micro": 3}, "micro = 3: is not an object"),
        ({"micro": {"feature_step_size": 20}}, "micro.feature_step_size = 20: is not supported"),
        ({"micro": {"feature_step_size": 10}}, "micro.probability_cutoff: is missing"),
        (
            {"micro": {"feature_step_size": 10, "probability_cutoff": "high"}},
            "probability_cutoff = 'high': is not a number",
        ),
        ({"micro": {"feature_step_size": 10, "probability_cutoff": 7}}, "probability_cutoff = 7: is not from 0 to 1"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    path = tmp_path / "okay_nabu.json"
    path.write_text(json.dumps(json.loads(NABU.path.read_text()) | changes))
    shutil.copy(NABU.path.with_suffix(".tflite"), tmp_path)
    with pytest.raises(ModelError, match=what):
        open_bundle(path)


# The one that listens where none is named.


def test_the_default_model_hears_four_words_and_nothing_of_its_background() -> None:
    bundle = default_model()
    assert bundle.name == "wake-en"
    assert set(bundle.policies) == {"computer", "jarvis", "smart_mirror", "view_glass"}
    assert {policy.kind for policy in bundle.policies.values()} == {"detection"}


def test_an_edged_installed_without_its_models_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.classify.bundle.DEFAULT", "none/none.edged")
    with pytest.raises(ModelError, match=r"none\.edged': comes with edged, but is not in .*Install edged with"):
        default_model()


# A bare .tflite, and what is nothing of all that.

BARE = NABU.path.with_suffix(".tflite")


def test_a_bare_model_is_described_by_its_user(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Okay Nabu\n\n")
    bundle = open_bundle(BARE, labels=tmp_path / "labels.txt", front_end={"name": "micro"})
    assert (bundle.name, bundle.labels, bundle.window_frames, bundle.hop_frames) == ("okay_nabu", ("Okay Nabu",), 3, 3)
    assert bundle.policies == {"Okay Nabu": Policy()}


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        ({}, "labels: a bare .tflite needs labels. Give 1, one for each of its outputs"),
        ({"labels": ["a"]}, "front_end: a bare .tflite needs a front end"),
        ({"labels": ["a", "b"], "front_end": Micro()}, r"labels: 2 given, but its output uint8 \[1, 1\] has 1"),
        ({"labels": ["a", "a"], "front_end": Micro()}, "labels = 'a': stands there twice"),
        (
            {"labels": ["a"], "front_end": LogMel()},
            r"1 frames of 64 \(log-mel\) make 64 numbers, its input int8 \[1, 3, 40\]",
        ),
        ({"labels": ["a"], "front_end": Micro(), "window_frames": 2}, "make 80 numbers.*Give 3"),
        (
            {"labels": ["a"], "front_end": {"name": "micr"}},
            "front_end.name = 'micr': unknown front end. Did you mean micro",
        ),
        ({"labels": Path("/nowhere.txt"), "front_end": Micro()}, "/nowhere.txt: there is no such file"),
    ],
)
def test_a_bare_model_that_is_not_described_is_refused(wishes: dict[str, Any], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        open_bundle(BARE, **wishes)


@pytest.mark.parametrize("name", ["a.onnx", "a", "a.tflit"])
def test_what_is_no_model_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="there is no such model"):
        open_bundle(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        ModelError, match=r"no kind of model that edged knows\. Name a bundle folder, or a file that ends"
    ):
        open_bundle(tmp_path / name)


@pytest.mark.shared
def test_yamnet_takes_its_labels_from_its_class_map(shared: Path) -> None:
    models = shared / "models"
    labels = models / "yamnet_class_map.csv"
    bundle = open_bundle(
        models / "yamnet_spectra_in.tflite", labels=labels, front_end=LogMel(), hop_ms=480, background=["Silence"]
    )
    assert (len(bundle.labels), bundle.labels[0], bundle.window_frames, bundle.hop_frames) == (521, "Speech", 96, 48)
    assert len(bundle.policies) == 520
