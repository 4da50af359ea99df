"""Datasets: what is read, what is refused and in which words, and that no group straddles two folds."""

from __future__ import annotations

import time
import wave
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import AudioFileError, DatasetError
from edged.workshop.dataset import Clip, digest, folds, read_audio, read_dataset, straddling

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = "path,label,source,group,licence\n"


def wav(path: Path, samples: NDArray[np.int16], *, rate_hz: int = 16_000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def noise(seed: int = 0, n: int = 1600) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-9000, 9000, n).astype(np.int16)


def dataset(folder: Path, manifest: str) -> Path:
    for name in ("a.wav", "b.wav"):
        wav(folder / name, noise(len(name)))
    (folder / "manifest.csv").write_text(manifest, encoding="utf-8")
    return folder


def test_a_dataset_is_read_as_its_manifest_says(tmp_path: Path) -> None:
    rows = "a.wav,doorbell,mic,ann,CC0\nb.wav,_noise_,mic,,CC0\n"
    found = read_dataset(dataset(tmp_path, "\ufeff" + HEAD + rows))
    first, second = found.clips
    assert first == Clip(tmp_path / "a.wav", "doorbell", "mic", "ann", "CC0", "")
    assert first.speaker == ("mic", "ann")
    assert second.group == "b.wav", "an empty group makes the clip a group of its own"
    assert second.is_background
    assert not first.is_background


def test_labels_are_sorted_with_background_last(tmp_path: Path) -> None:
    found = read_dataset(dataset(tmp_path, HEAD + "a.wav,_noise_,s,g,l\nb.wav,word,s,g,l\n"))
    assert found.labels == ("word", "_noise_")


@pytest.mark.parametrize("changed", [False, True])
def test_the_samples_are_those_of_the_manifest_or_refused(tmp_path: Path, *, changed: bool) -> None:
    samples = noise()
    wav(tmp_path / "a.wav", samples)
    sha256 = digest(samples).upper()
    (tmp_path / "manifest.csv").write_text(HEAD.strip() + f",sha256\na.wav,x,s,g,l,{sha256}\n", encoding="utf-8")
    [clip] = read_dataset(tmp_path).clips
    if changed:
        wav(tmp_path / "a.wav", noise(1))
        with pytest.raises(DatasetError, match="not that of the samples") as told:
            read_audio(clip)
        assert (told.value.key, told.value.value, told.value.file) == ("sha256", sha256, str(clip.path))
    else:
        np.testing.assert_array_equal(read_audio(clip), samples)


@pytest.mark.parametrize(("rate_hz", "channels", "key", "value"), [(8000, 1, "rate", 8000), (16_000, 2, "channels", 2)])
def test_another_rate_or_shape_is_refused_with_the_way_out(
    tmp_path: Path, rate_hz: int, channels: int, key: str, value: int
) -> None:
    wav(tmp_path / "a.wav", noise(), rate_hz=rate_hz, channels=channels)
    with pytest.raises(DatasetError) as told:
        read_audio(Clip(tmp_path / "a.wav", "x", "s", "g", "l", ""))
    assert (told.value.key, told.value.value) == (key, value)
    assert "edged collect DATASET --from FOLDER" in str(told.value)


def test_a_clip_without_a_sample_is_refused(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", noise(n=0))
    with pytest.raises(AudioFileError, match="there is no sound in it"):
        read_audio(Clip(tmp_path / "a.wav", "x", "s", "g", "l", ""))


@pytest.mark.parametrize(
    ("manifest", "line", "key", "value", "what"),
    [
        ("path,label,source,licence\n", "", "group", None, "column is missing"),
        ("", "", "path", None, "column is missing"),
        (HEAD, "", None, None, "lists no clip"),
        (HEAD + "a.wav,,s,g,l\n", ":2", "label", None, "is empty"),
        (HEAD + "a.wav,x,s,g,l\na.wav,y,s,g,l\n", ":3", "path", "a.wav", "stands in line 2 too"),
        (HEAD + "a.wav,x,s,g,l\nc.wav,x,s,g,l\n", ":3", "path", "c.wav", "no such file"),
        (HEAD + "../a.wav,x,s,g,l\n", ":2", "path", "../a.wav", "leads out"),
        (HEAD + "/a.wav,x,s,g,l\n", ":2", "path", "/a.wav", "leads out"),
        (HEAD + "a.wav,x,s,g\n", ":2", None, None, "more or fewer values"),
        (HEAD + "a.wav,x,s,g,l,l\n", ":2", None, None, "more or fewer values"),
        (HEAD + 'a.wav,"x"y,s,g,l\n', "", None, None, "not CSV"),
    ],
)
def test_a_wrong_manifest_is_refused_at_its_place(
    tmp_path: Path, *, manifest: str, line: str, key: str | None, value: str | None, what: str
) -> None:
    with pytest.raises(DatasetError, match=what) as told:
        read_dataset(dataset(tmp_path, manifest))
    assert told.value.file == f"{tmp_path / 'manifest.csv'}{line}"
    assert (told.value.key, told.value.value) == (key, value)
    assert told.value.way_out


def test_another_encoding_is_no_csv(tmp_path: Path) -> None:
    dataset(tmp_path, "")
    (tmp_path / "manifest.csv").write_bytes(HEAD.encode() + "a.wav,grün,s,g,l\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="not CSV in UTF-8"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(("name", "what"), [("", "no manifest.csv"), ("none", "no such folder")])
def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(DatasetError, match=what) as told:
        read_dataset(tmp_path / name)
    assert "edged collect" in str(told.value.way_out)


def clip(speaker: int, label: str) -> Clip:
    return Clip(Path("/x.wav"), label, f"source{speaker % 3}", f"group{speaker}", "l", "")


CLIPS = st.lists(st.builds(clip, st.integers(0, 40), st.sampled_from("abc_")), min_size=1, max_size=200)


@given(clips=CLIPS, k=st.integers(1, 6), seed=st.integers(0, 5))
def test_every_group_is_in_one_fold_and_every_fold_has_one(clips: list[Clip], k: int, seed: int) -> None:
    speakers = {clip.speaker for clip in clips}
    if len(speakers) < k:
        with pytest.raises(DatasetError, match="groups to deal out"):
            folds(clips, k=k, seed=seed)
        return
    dealt = folds(clips, k=k, seed=seed)
    assert set(dealt) == speakers
    assert set(dealt.values()) == set(range(k))
    assert dealt == folds(clips[::-1], k=k, seed=seed), "the order of the manifest does not matter"
    parts = [[clip for clip in clips if dealt[clip.speaker] == fold] for fold in range(k)]
    assert not straddling(*parts)


def test_a_group_in_two_parts_is_found() -> None:
    assert straddling([clip(1, "a"), clip(2, "a")], [clip(2, "b")]) == {("source2", "group2")}


def test_the_folds_are_balanced_over_the_labels() -> None:
    rng = np.random.default_rng(3)
    clips = [clip(speaker, label) for speaker in range(60) for label in "ab" for _ in range(rng.integers(1, 12))]
    clips += [clip(100 + speaker, "_noise_") for speaker in range(10)]
    dealt = folds(clips, k=5, seed=7)
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for each in clips:
        counts[dealt[each.speaker]][each.label] += 1
    for label in ("a", "b", "_noise_"):
        per_fold = [counts[fold][label] for fold in range(5)]
        assert max(per_fold) - min(per_fold) <= 0.15 * sum(per_fold) / 5 + 1, (label, per_fold)
    assert dealt != folds(clips, k=5, seed=8)


@pytest.mark.shared
def test_the_shared_recordings_are_read_at_once(shared: Path) -> None:
    began = time.monotonic()
    found = read_dataset(shared / "data")
    assert time.monotonic() - began < 1.0
    assert len(found.clips) == 3688
    assert len({clip.speaker for clip in found.clips if clip.label == "_noise_"}) == 3
    dealt = folds([clip for clip in found.clips if clip.source.startswith("karoldvl")], k=4, seed=0)
    assert sorted(dealt.values()) == [0, 1, 2, 3], "ESC-10 comes in four folds"
    eight_khz = next(clip for clip in found.clips if clip.path.match("fsdd/*.wav"))
    with pytest.raises(DatasetError, match="8000"):
        read_audio(eight_khz)
    assert len(read_audio(found.clips[0])) > 8000
