"""Teaching, with the embedding that edged ships: words said by machines, learnt from some voices, known from others."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from speech import say

from edged import cli
from edged.audio.resample import Converter
from edged.classify.bundle import open_bundle
from edged.errors import DatasetError
from edged.replay import replay
from edged.shipped import shipped
from edged.workshop.dataset import Clip, read_dataset
from edged.workshop.embedder import BACKGROUND, EMBEDDING, Embedder, open_embedder, read_background, write_background
from edged.workshop.teach import LEAST_CLIPS, ear_of, teach, write_taught
from edged.workshop.views import POSITIONS, VIEWS, heard, rougher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.records import Pcm
    from edged.workshop.teach import Taught

TAUGHT = ("en-us+m1", "en-us+f2", "en-gb+m3", "en-gb+f4", "en-us+m7", "en-gb-scotland+f1")
UNHEARD = ("en-gb-x-rp+m2", "en-us+f3", "en-029+m4")
WORDS = ("marmalade", "open sesame")
RATE_HZ = 16_000


def spoken(words: str, voice: str, folder: Path) -> Pcm:
    converter = Converter(22_050, 1, RATE_HZ)
    return np.concatenate([converter.push(say(words, voice=voice, folder=folder)[:, None]), converter.flush()])


def write(path: Path, samples: Pcm) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    opened = open_embedder()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two words, each by six voices."""
    folder = tmp_path_factory.mktemp("words")
    rows = ["path,label,source,group,licence"]
    for word in WORDS:
        label = word.replace(" ", "_")
        for voice in TAUGHT:
            path = write(folder / f"{label}-{voice}.wav", spoken(word, voice, folder))
            rows.append(f"{path.name},{label},espeak,{voice},CC0-1.0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def taught(words: Path, embedder: Embedder) -> Taught:
    return teach(read_dataset(words).clips, embedder=embedder)


def test_the_shipped_embedding_is_small_and_has_its_background(embedder: Embedder) -> None:
    assert shipped(EMBEDDING).stat().st_size <= 200_000
    assert (shipped(EMBEDDING).parent / BACKGROUND).stat().st_size <= 200_000
    assert embedder.background.shape[1] == embedder.size
    assert len(embedder.background) >= 1000


def test_words_are_known_from_voices_that_were_not_taught(taught: Taught, embedder: Embedder, tmp_path: Path) -> None:
    bundle = write_taught(tmp_path / "two.edged", taught, embedder=embedder, notes="")
    right = 0
    for word in WORDS:
        for voice in UNHEARD:
            quiet = np.zeros(RATE_HZ * 2, np.int16)
            file = write(tmp_path / "said.wav", np.concatenate([quiet, spoken(word, voice, tmp_path), quiet]))
            events = {event.label for event in replay([file], [bundle])}
            right += events == {word.replace(" ", "_")}
    assert right >= len(WORDS) * len(UNHEARD) - 1


def test_other_words_and_noise_are_mostly_ignored(taught: Taught, embedder: Embedder, tmp_path: Path) -> None:
    bundle = write_taught(tmp_path / "two.edged", taught, embedder=embedder, notes="")
    rng = np.random.default_rng(0)
    heard = [spoken("the weather is fine today and tomorrow", voice, tmp_path) for voice in UNHEARD]
    noise = (2000 * rng.standard_normal(10 * RATE_HZ)).astype(np.int16)
    file = write(tmp_path / "other.wav", np.concatenate([*heard, noise]))
    assert len(list(replay([file], [bundle]))) <= 1  # of three sentences and ten seconds of noise


def test_it_is_judged_by_voices_held_back(taught: Taught) -> None:
    assert taught.held_back == "groups"
    assert [(each.label, each.clips, each.groups) for each in taught.judged] == [
        ("marmalade", len(TAUGHT), len(TAUGHT)),
        ("open_sesame", len(TAUGHT), len(TAUGHT)),
    ]
    assert all(each.detected <= each.recognised <= each.clips for each in taught.judged)
    assert taught.false_windows <= taught.background * 0.002 or taught.policy.threshold > 0.94


def test_where_all_clips_are_of_one_voice_it_says_so(words: Path, embedder: Embedder) -> None:
    one = [clip for clip in read_dataset(words).clips if clip.label == "marmalade"]
    same = [Clip(clip.path, clip.label, clip.source, "one", clip.licence, clip.sha256) for clip in one]
    assert teach(same, embedder=embedder).held_back == "clips"


def test_the_same_clips_and_seed_give_the_same_head(words: Path, embedder: Embedder, taught: Taught) -> None:
    clips = read_dataset(words).clips
    assert teach(clips, embedder=embedder).head == taught.head
    assert teach(clips, embedder=embedder, seed=1).head != taught.head


def test_negatives_are_learnt_to_be_ignored(words: Path, embedder: Embedder, taught: Taught, tmp_path: Path) -> None:
    """Clips that are taken for a word, given as negatives, are taken for it less."""
    clips = read_dataset(words).clips
    near = []
    for voice in TAUGHT:
        path = write(tmp_path / f"{voice}.wav", spoken("marmot lad", voice, tmp_path))
        near.append(Clip(path, "_unknown_", "espeak", voice, "", ""))
    wiser = teach([*clips, *near], embedder=embedder)
    assert wiser.negatives == len(near)
    points = embedder.points(
        heard(spoken("marmot lad", UNHEARD[0], tmp_path), ear_of(embedder), rng=np.random.default_rng(0))
    )
    before = max(taught.head.logits(point)[0] - taught.head.logits(point)[-1] for point in points)
    after = max(wiser.head.logits(point)[0] - wiser.head.logits(point)[-1] for point in points)
    assert after < before


@pytest.mark.parametrize("count", [1, LEAST_CLIPS - 1])
def test_too_few_clips_are_refused(count: int, words: Path, embedder: Embedder) -> None:
    clips = read_dataset(words).clips
    few = [clip for clip in clips if clip.label == "marmalade"][:count]
    with pytest.raises(DatasetError, match=f"'marmalade': has {count} clip"):
        teach([*few, *(clip for clip in clips if clip.label != "marmalade")], embedder=embedder)


def test_the_command_writes_a_bundle_and_tells(words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "two.edged"
    assert cli.main(["teach", str(words), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    bundle = open_bundle(out)
    assert told["sha256"] == bundle.sha256
    assert told["labels"] == list(bundle.labels) == ["marmalade", "open_sesame", "_background_"]
    assert told["policy"]["threshold"] == bundle.policies["marmalade"].threshold
    assert told["took_s"] > 0
    first = out.read_bytes()
    assert cli.main(["teach", str(words), "--out", str(out)]) == 0
    assert "open_sesame      6       6" in capsys.readouterr().out
    assert out.read_bytes() == first


def test_every_window_to_learn_from_holds_the_whole_sound(embedder: Embedder) -> None:
    """A tone of half a second: as many loud frames in each window as the tone has, wherever it lies."""
    tone = (8000 * np.sin(np.arange(RATE_HZ // 2) * 2 * np.pi * 1000 / RATE_HZ)).astype(np.int16)
    windows = rougher(tone, ear_of(embedder), rng=np.random.default_rng(0))
    assert windows.shape == (VIEWS * POSITIONS, embedder.bundle.window_frames, 40)
    loud = (windows[:POSITIONS].max(axis=2) > 0.5 * windows[:POSITIONS].max()).sum(axis=1)
    assert (loud >= 45).all()  # 50 frames of 10 ms
    assert len({int(window.max(axis=1).argmax()) for window in windows[:POSITIONS]}) > 1


def test_the_background_is_read_as_it_was_written(embedder: Embedder, tmp_path: Path) -> None:
    write_background(tmp_path / "b.npz", embedder.background, bundle=embedder.bundle)
    again = read_background(tmp_path / "b.npz", bundle=embedder.bundle)
    np.testing.assert_allclose(again, embedder.background, atol=np.abs(embedder.background).max() / 254)
