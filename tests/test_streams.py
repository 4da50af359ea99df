"""Streams: the truth is where it is said to be, the noise as loud as it is said to be, and a seed is a seed."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from speech import write_wav

from edged.errors import DatasetError
from edged.workshop.chosen import clips_of
from edged.workshop.dataset import read_dataset
from edged.workshop.evaluate import Alone
from edged.workshop.noise import Noise
from edged.workshop.snr import rms
from edged.workshop.streams import recorded, woven
from edged.workshop.truth import read_truth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.scoring import Sound

RATE_HZ = 16_000
COLUMNS = ("path", "label", "source", "group", "licence")


def tone(hertz: float, *, level: float = 4000.0) -> Pcm:
    """Half a second of tone, 0.4 s into a second and a half that is otherwise still."""
    samples = np.zeros(RATE_HZ * 3 // 2)
    at = np.arange(RATE_HZ // 2)
    samples[6400 : 6400 + len(at)] = np.sin(at * 2 * np.pi * hertz / RATE_HZ) * level
    return np.rint(samples).astype(np.int16)


def dataset(folder: Path, clips: Iterable[tuple[str, str, Pcm]]) -> Path:
    """Write a dataset of (label, group, samples)."""
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for number, (label, group, samples) in enumerate(clips):
            write_wav(folder / f"{number}.wav", samples, rate_hz=RATE_HZ)
            rows.writerow([f"{number}.wav", label, "here", group, "CC0-1.0"])
    return folder


@pytest.fixture
def words(tmp_path: Path) -> tuple[Clip, ...]:
    shapes = [("high", 1500.0, 4000.0), ("low", 300.0, 1000.0), ("_unknown_", 700.0, 2000.0), ("high", 1600.0, 500.0)]
    made = dataset(tmp_path / "words", [(label, "me", tone(hz, level=level)) for label, hz, level in shapes])
    return read_dataset(made).clips


@pytest.fixture
def hum(tmp_path: Path) -> tuple[Clip, ...]:
    rng = np.random.default_rng(3)
    pieces = [("_noise_", "", np.rint(rng.normal(0, level, RATE_HZ * 3)).astype(np.int16)) for level in (50, 900)]
    return read_dataset(dataset(tmp_path / "hum", pieces)).clips


def whole(sound: Sound, rate_hz: int = RATE_HZ) -> Pcm:
    return np.concatenate(list(sound.blocks(rate_hz)))


def test_the_truth_is_where_the_words_are(words: tuple[Clip, ...]) -> None:
    (stream,) = woven(words, labels=["high", "low"], seed=1)
    samples = whole(stream.sound)
    assert sorted(truth.name for truth in stream.truths) == ["high", "high", "low", "words"]
    known = np.zeros(len(samples), bool)
    for truth in stream.truths:
        within = slice(round(truth.start_s * RATE_HZ), round(truth.end_s * RATE_HZ))
        known[within] = True
        if truth.label != "_unknown_":
            assert rms(samples[within]) > 300
            assert truth.end_s - truth.start_s == pytest.approx(0.5, abs=0.045)
    assert rms(samples[~known]) < 100
    assert 0 < rms(samples[: round(0.9 * RATE_HZ)]) < 8  # a hiss, never silence
    gaps = np.diff([0.0, *(at for truth in stream.truths for at in (truth.start_s, truth.end_s))])[::2]
    assert gaps.min() >= 1.0


def test_the_same_seed_is_the_same_stream_to_the_last_sample(words: tuple[Clip, ...], hum: tuple[Clip, ...]) -> None:
    shape = {"labels": ["high"], "snr_db": 5.0, "noise": hum}
    first, again = (woven(words, seed=4, **shape)[0] for _ in range(2))  # type: ignore[arg-type]
    (other,) = woven(words, seed=5, **shape)  # type: ignore[arg-type]
    assert first.truths == again.truths != other.truths
    assert np.array_equal(whole(first.sound), whole(again.sound))
    assert np.array_equal(whole(first.sound), whole(first.sound))


def test_parts_hold_every_clip_once(words: tuple[Clip, ...]) -> None:
    parts = woven(words * 5, labels=["high", "low"], seed=2, part_s=20.0)
    assert len(parts) > 2
    assert sum(len(part.truths) for part in parts) == 20
    for part in parts:
        assert part.truths[-1].end_s < len(whole(part.sound)) / RATE_HZ < 35


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0])
def test_words_stand_so_far_over_the_noise(words: tuple[Clip, ...], hum: tuple[Clip, ...], snr_db: float) -> None:
    (stream,) = woven(words, labels=["high", "low"], seed=1, snr_db=snr_db, noise=hum)
    samples = whole(stream.sound).astype(float)
    between = samples[: round(0.95 * RATE_HZ)]
    for truth in stream.truths:
        if truth.label == "_unknown_":
            continue
        both = rms(samples[round(truth.start_s * RATE_HZ) + 400 : round(truth.end_s * RATE_HZ) - 400])
        found = 10 * np.log10((both**2 - rms(between) ** 2) / rms(between) ** 2)
        assert found == pytest.approx(snr_db, abs=1.0)


@pytest.mark.parametrize("snr_db", [10.0, 0.0])
def test_a_clip_alone_stands_so_far_over_the_noise(
    words: tuple[Clip, ...], hum: tuple[Clip, ...], snr_db: float
) -> None:
    clip = words[0]
    noisy = whole(Alone(clip, 0, snr_db, hum, (1, 2))).astype(float)
    noise = noisy - whole(Alone(clip, 0, None, (), (1, 2)))
    assert len(noisy) == round(2.25 * RATE_HZ)
    level = 4000 / np.sqrt(2)
    assert 20 * np.log10(level / rms(noise)) == pytest.approx(snr_db, abs=0.3)


def test_a_model_of_another_rate_hears_the_same_stream(words: tuple[Clip, ...]) -> None:
    (stream,) = woven(words, labels=["high"], seed=1)
    assert len(whole(stream.sound, 8000)) == pytest.approx(len(whole(stream.sound)) / 2, abs=2)


def test_noise_goes_on_for_ever_and_is_as_loud_everywhere(hum: tuple[Clip, ...]) -> None:
    noise = Noise(hum, rng=np.random.default_rng(1))
    taken = noise.take(RATE_HZ * 60)
    assert rms(taken) == pytest.approx(1.0, abs=0.03)
    pieces = [rms(noise.piece(8000)) for _ in range(20)]
    assert pieces == pytest.approx([1.0] * 20)


def test_silence_is_no_noise(tmp_path: Path) -> None:
    clips = read_dataset(dataset(tmp_path / "still", [("_noise_", "", np.zeros(RATE_HZ, np.int16))])).clips
    with pytest.raises(DatasetError, match="there is no sound in any of its clips"):
        Noise(clips, rng=np.random.default_rng(1))


def test_a_ratio_needs_noise_and_a_stream_needs_clips(words: tuple[Clip, ...]) -> None:
    with pytest.raises(DatasetError, match="a ratio needs noise"):
        woven(words, labels=["high"], seed=1, snr_db=10)
    with pytest.raises(DatasetError, match="no clips"):
        woven((), labels=["high"], seed=1)


def test_a_recording_comes_with_its_truth(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "day.wav", tone(440), rate_hz=RATE_HZ)
    truth = tmp_path / "day.csv"
    truth.write_text("label,start_s,end_s,said\nhigh,0.4,0.9,\n_unknown_,1.0,1.2,alexa\n")
    stream = recorded(wav, truth, labels=["high"])
    assert [(each.label, each.start_s, each.end_s, each.name) for each in stream.truths] == [
        ("high", 0.4, 0.9, "high"),
        ("_unknown_", 1.0, 1.2, "alexa"),
    ]
    assert np.array_equal(whole(stream.sound), tone(440))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label,begin,end_s\nhigh,1,2\n", "start_s: the column is missing"),
        ("label,start_s,end_s\nhigh,1\n", ":2: the line has more or fewer values"),
        ("label,start_s,end_s\nhigh,1,2,3,4\n", ":2: the line has more or fewer values"),
        ("label,start_s,end_s\nhihg,1,2\n", "label = 'hihg': is no label of the model"),
        ("label,start_s,end_s\nhigh,soon,2\n", "start_s = 'soon': is no time"),
        ("label,start_s,end_s\nhigh,-1,2\n", "start_s = '-1': is no time"),
        ("label,start_s,end_s\nhigh,1,nan\n", "end_s = 'nan': is no time"),
        ("label,start_s,end_s\nhigh,3,2\n", "end_s = 2.0: is before its beginning"),
        ("label,start_s,end_s\nhigh,11,12\n", "start_s = 11.0: is past the end of the recording"),
        ("\xff\xfe", "it is not CSV in UTF-8"),
    ],
)
def test_a_wrong_truth_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError) as caught:
        read_truth(path, labels=["high"], length_s=10)
    assert said in str(caught.value)
    assert caught.value.way_out


def split(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    lines = [",".join((*COLUMNS, "role")), *(f"x.wav,high,here,{group},CC0-1.0,{role}" for group, role in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_only_those_who_test_are_heard_and_those_who_came_later(tmp_path: Path) -> None:
    made = dataset(tmp_path / "d", [("high", group, tone(440)) for group in ("ann", "ben", "cat")])
    who = split(tmp_path / "split.csv", [("ann", "train"), ("ben", "test")])
    assert [clip.group for clip in clips_of([made], split=who)] == ["ben", "cat"]
    assert [clip.group for clip in clips_of([made], split=who, role="train")] == ["ann"]
    assert len(clips_of([made])) == 3


def test_who_trained_does_not_test(tmp_path: Path) -> None:
    made = dataset(tmp_path / "d", [("high", "ann", tone(440))])
    who = split(tmp_path / "split.csv", [("ann", "train"), ("ann", "test")])
    with pytest.raises(DatasetError, match=r"group = 'ann': of here is in train and in test"):
        clips_of([made], split=who)


def test_a_part_with_nobody_in_it_is_refused(tmp_path: Path) -> None:
    made = dataset(tmp_path / "d", [("high", "ann", tone(440))])
    who = split(tmp_path / "split.csv", [("ann", "train")])
    with pytest.raises(DatasetError, match="none of the clips is of that part"):
        clips_of([made], split=who)
