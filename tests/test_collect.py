"""`edged collect`: what is cut, what is refused, and that the dataset is whole whatever happens on the way."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from speech import say
from spoken import okay_nabu
from test_dataset import wav

from edged import cli
from edged.errors import DatasetError, SourceLost
from edged.workshop import writer as writing
from edged.workshop.dataset import read_audio, read_dataset
from edged.workshop.guided import MUTED_S, PATIENCE_S, Asked, record
from edged.workshop.silence import MARGIN_MS, sounds
from edged.workshop.take import CLIPPED_SAMPLES, SAME, Known, clipped_at, correlation, fault
from edged.workshop.taker import MARGIN_FRAMES, Said, Steady
from edged.workshop.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.gather import Gathered

RATE_HZ = 16_000


def room(seconds: float, *, seed: int = 0, rms: float = 20.0) -> Pcm:
    return np.random.default_rng(seed).normal(0, rms, round(seconds * RATE_HZ)).astype(np.int16)


def burst(seconds: float = 0.5, *, seed: int = 0, rms: float = 3000.0) -> Pcm:
    return room(seconds, seed=100 + seed, rms=rms)


def collect(*words: object, capsys: pytest.CaptureFixture[str] | None = None) -> tuple[int, dict[str, Any]]:
    code = cli.main(["collect", *map(str, words), "--json"])
    out = capsys.readouterr().out if capsys else ""
    return code, json.loads(out) if out else {}


# What is cut.


def test_a_word_is_cut_out_of_the_quiet_with_its_margins() -> None:
    [span] = sounds(np.concatenate([room(1), burst(0.5), room(1)]), rate_hz=RATE_HZ)
    margin = MARGIN_MS * RATE_HZ // 1000
    assert abs(span.start - (RATE_HZ - margin)) <= 160
    assert abs(span.stop - (RATE_HZ * 3 // 2 + margin)) <= 160


def test_sounds_far_apart_are_two_and_near_each_other_one() -> None:
    apart = np.concatenate([room(1), burst(), room(1.5), burst(), room(1)])
    near = np.concatenate([room(1), burst(), room(0.5), burst(), room(1)])
    assert (len(sounds(apart, rate_hz=RATE_HZ)), len(sounds(near, rate_hz=RATE_HZ))) == (2, 1)


def test_a_click_is_no_sound_and_a_hum_is_all_sound() -> None:
    click = np.concatenate([room(1), burst(0.02), room(1)])
    assert sounds(click, rate_hz=RATE_HZ) == []
    [span] = sounds(room(2, rms=500), rate_hz=RATE_HZ)
    assert (span.start, span.stop) == (0, 2 * RATE_HZ)
    assert sounds(np.zeros(RATE_HZ, np.int16), rate_hz=RATE_HZ) == []


def test_a_spoken_word_is_cut_without_loss() -> None:
    word = okay_nabu()
    heard = np.concatenate([room(0.8), word + room(len(word) / RATE_HZ)[: len(word)], room(0.8)])
    [span] = sounds(heard, rate_hz=RATE_HZ)
    lost = np.concatenate([heard[: span.start], heard[span.stop :]]).astype(float)
    assert span.stop - span.start < len(word) + RATE_HZ // 2
    assert np.sqrt((lost**2).mean()) < 30, "something louder than the room was cut off"


# What is refused.


def test_clipping_is_runs_at_full_scale_and_not_mere_loudness() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = 32767 * np.sin(2 * np.pi * 440 * t)
    loud = np.clip(np.rint(tone), -32768, 32767).astype(np.int16)
    clipped = np.clip(2 * tone, -32768, 32767).astype(np.int16)
    assert len(clipped_at(loud.reshape(-1, 1))) < CLIPPED_SAMPLES
    assert len(clipped_at(clipped.reshape(-1, 1))) > RATE_HZ // 4
    assert (np.abs(clipped[clipped_at(clipped.reshape(-1, 1))].astype(int)) >= 32767).all()


@pytest.mark.parametrize(
    ("samples", "clipped", "why"),
    [
        (burst(), 0, ""),
        (burst(0.05), 0, "too short"),
        (burst(), CLIPPED_SAMPLES, "clipped"),
        (burst(rms=20), 0, "too quiet: -64 dBFS"),
        (np.zeros(RATE_HZ, np.int16), 0, "digital silence"),
    ],
)
def test_what_is_not_fit_is_said(samples: Pcm, clipped: int, why: str) -> None:
    said = fault(samples, clipped=clipped)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_background_may_be_quiet() -> None:
    assert fault(np.zeros(RATE_HZ, np.int16), clipped=0, may_be_quiet=True) == ""


def known(**takes: Pcm) -> Known:
    made = Known()
    for name, samples in takes.items():
        made.add(name, samples, read=lambda samples=samples: samples)  # type: ignore[misc]
    return made


def test_the_same_audio_is_known_again_softer_shifted_and_compressed(tmp_path: Path) -> None:
    word = okay_nabu()
    others = {f"other{seed}": burst(seed=seed) for seed in range(40)}
    there = known(**others, word=word)
    assert there.same_as(word) == "word"
    assert there.same_as((word * 0.3).astype(np.int16)) == "word"
    assert there.same_as(np.concatenate([room(0.3), word, room(0.2)])) == "word"
    soundfile.write(tmp_path / "x.ogg", word, RATE_HZ)
    assert there.same_as(soundfile.read(tmp_path / "x.ogg", dtype="int16")[0]) == "word"
    assert there.same_as(burst(seed=99)) == ""


def test_another_take_of_the_word_is_not_the_same_audio(tmp_path: Path) -> None:
    takes = {voice: say("okay nabu", voice=voice, folder=tmp_path) for voice in ("en-us", "en-gb", "en-us+m3")}
    assert [known(first=takes["en-us"]).same_as(take) for take in takes.values()] == ["first", "", ""]
    assert correlation(takes["en-us"], takes["en-gb"]) < SAME


# From a folder.


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two words by two speakers at other rates, and one of each that is not fit."""
    folder = tmp_path / "recordings"
    speech = np.concatenate([room(1), burst(seed=1), room(1.5), burst(seed=2), room(1)])
    wav(folder / "jarvis" / "ann" / "both.wav", speech)
    stereo = np.repeat(np.concatenate([room(1, seed=5), burst(seed=3), room(1)]), 2)
    wav(folder / "jarvis" / "ben" / "stereo.wav", stereo, rate_hz=44_100, channels=2)
    soundfile.write(folder / "jarvis" / "deep.flac", burst(seed=4) / 32768, 48_000, subtype="PCM_24")
    wav(folder / "jarvis" / "clipped.wav", np.clip(burst(seed=5).astype(int) * 40, -32768, 32767))
    wav(folder / "jarvis" / "quiet.wav", room(1, rms=5))
    wav(folder / "jarvis" / "zz-again.wav", speech)
    (folder / "jarvis" / "broken.wav").write_bytes(b"nothing")
    wav(folder / "_noise_" / "room.wav", room(2))
    return folder


def test_a_folder_becomes_a_dataset(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = collect(tmp_path / "set", "--from", recordings, "--licence", "CC0-1.0", capsys=capsys)
    assert code == 0
    dataset = read_dataset(tmp_path / "set")
    assert dataset.labels == ("jarvis", "_noise_")
    groups = sorted(clip.group for clip in dataset.clips)
    assert groups == ["_noise_/room", "ann", "ann", "ben", "jarvis/deep"]
    assert {(clip.source, clip.licence) for clip in dataset.clips} == {("recordings", "CC0-1.0")}
    for clip in dataset.clips:
        assert len(read_audio(clip)) > RATE_HZ // 10, "read_audio also holds the sha256 against the samples"
        assert (len(clip.sha256), clip.path.stat().st_mode & 0o777) == (64, 0o644)
    why = {Path(each["file"]).name: each["why"] for each in told["refused"]}
    assert why["clipped.wav"].startswith("clipped: ")
    assert why["quiet.wav"].startswith("too quiet: -7")
    assert why["zz-again.wav"].startswith("the same audio as ")
    assert why["broken.wav"].startswith("this is not a recording that can be read")
    assert (told["kept"], told["labels"]["jarvis"]) == (5, {"clips": 4, "groups": 3})


def test_collecting_again_adds_nothing(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (tmp_path / "set", "--from", recordings, "--licence", "CC0-1.0")
    collect(*words, capsys=capsys)
    before = (tmp_path / "set" / "manifest.csv").read_bytes()
    code, told = collect(*words, capsys=capsys)
    assert (code, told["kept"]) == (2, 0), "what is not fit is not fit now either"
    assert (tmp_path / "set" / "manifest.csv").read_bytes() == before


def test_what_is_all_there_already_is_no_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav(tmp_path / "in" / "bell" / "a.wav", burst(seed=1))
    words = (tmp_path / "set", "--from", tmp_path / "in", "--licence", "CC0-1.0")
    assert [collect(*words, capsys=capsys)[0] for _ in range(2)] == [0, 0]
    assert len(read_dataset(tmp_path / "set").clips) == 1


def test_a_dataset_is_converted_with_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav(tmp_path / "old" / "a.wav", burst(seed=1), rate_hz=8000)
    rows = "path,label,source,group,licence\na.wav,bell,shop,door,CC BY 4.0\n"
    (tmp_path / "old" / "manifest.csv").write_text(rows)
    code, _ = collect(tmp_path / "set", "--from", tmp_path / "old", capsys=capsys)
    [clip] = read_dataset(tmp_path / "set").clips
    assert (code, clip.label, clip.speaker, clip.licence) == (0, "bell", ("shop", "door"), "CC BY 4.0")
    assert abs(len(read_audio(clip)) - RATE_HZ) < 50


def test_columns_of_ones_own_stay(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", burst())
    (tmp_path / "manifest.csv").write_text("path,label,source,group,licence,mood\na.wav,x,s,g,l,good\n")
    with Writer(tmp_path) as writer:
        writer.add(burst(seed=1), label='a "bell", rung', source="s", group="../g", licence="l")
    with (tmp_path / "manifest.csv").open() as file:
        moods = [row["mood"] for row in csv.DictReader(file)]
    assert moods == ["good", ""]
    new = read_dataset(tmp_path).clips[1]
    assert (new.label, new.group) == ('a "bell", rung', "../g")
    assert new.path.parent.parent == tmp_path


# The dataset is whole, whatever happens.


def test_only_one_adds_at_a_time(tmp_path: Path) -> None:
    with Writer(tmp_path / "set"), pytest.raises(DatasetError, match="another edged is adding"):
        Writer(tmp_path / "set").__enter__()
    assert not (tmp_path / "set").exists(), "nothing was added, so nothing is left"


def test_what_was_kept_before_an_error_stays(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Writer(tmp_path) as writer:
            writer.add(burst(), label="x", source="s", group="g", licence="l")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(read_dataset(tmp_path).clips) == 1


@pytest.mark.parametrize("fails_at", range(13))
def test_a_disk_that_fails_at_any_step_leaves_the_dataset_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """Count the calls that write, and have one of them fail: what was there is there, and no file is left over."""
    with Writer(tmp_path) as writer:
        writer.add(burst(), label="x", source="s", group="g", licence="l")
    calls = iter(range(1000))

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **more: Any) -> Any:
            if next(calls) == fails_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*given, **more)

        return write

    monkeypatch.setattr(Path, "write_bytes", failing(Path.write_bytes))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    monkeypatch.setattr(writing, "_to_disk", failing(writing._to_disk))
    failed = False
    try:
        with Writer(tmp_path) as writer:
            for seed in (1, 2):
                writer.add(burst(seed=seed), label=f"new{seed}", source="s", group="g", licence="l")
    except DatasetError as error:
        failed = "no space left on device" in str(error)
    monkeypatch.undo()
    assert failed == (fails_at < 11)
    clips = read_dataset(tmp_path).clips
    for clip in clips:
        read_audio(clip)
    there = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {tmp_path / "manifest.csv", *(clip.path for clip in clips)}
    assert clips[0].label == "x"


def test_a_full_disk_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    try:
        for seed in range(30):
            wav(tmp_path / "in" / "bell" / f"{seed:02}.wav", burst(0.5, seed=seed))
        first = tmp_path / "in" / "bell" / "00.wav"
        collect(disk / "set", "--from", first.parent.parent, "--licence", "l", capsys=capsys)
        said = cli.main(["collect", str(disk / "set"), "--from", str(tmp_path / "in"), "--licence", "l"])
        assert said == 2
        assert "it cannot be written: no space left on device" in capsys.readouterr().err
        if (disk / "set").exists():
            clips = read_dataset(disk / "set").clips
            assert [len(read_audio(clip)) for clip in clips]
            assert len(list((disk / "set").rglob("*"))) == len(clips) + 2
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_killed_in_the_middle_it_is_whole_and_goes_on(tmp_path: Path) -> None:
    for seed in range(130):
        wav(tmp_path / "in" / "bell" / f"{seed:03}.wav", burst(0.3, seed=seed))
    command = [sys.executable, "-m", "edged", "collect", str(tmp_path / "set"), "--from", str(tmp_path / "in")]
    process = subprocess.Popen([*command, "--licence", "l"], stdout=subprocess.DEVNULL)
    until_s = time.monotonic() + 60
    while not (tmp_path / "set" / "manifest.csv").exists():
        assert time.monotonic() < until_s
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = read_dataset(tmp_path / "set").clips
    assert len(whole) >= 100
    assert [len(read_audio(clip)) for clip in whole]
    (tmp_path / "set" / "bell" / ".x.wav.part").write_bytes(b"half")
    subprocess.run([*command, "--licence", "l"], check=False, stdout=subprocess.DEVNULL)
    assert len(read_dataset(tmp_path / "set").clips) == 130
    assert len(list((tmp_path / "set" / "bell").iterdir())) == 130


# Takes that are said.


def cut(said: Pcm, *, length_s: float = 2.0, pieces: list[int] | None = None) -> list[Pcm]:
    taking, takes, at = Said(length_s=length_s), [], 0
    for size in [*(pieces or []), len(said)]:
        takes += taking.push(said[at : at + size])
        at += size
    return [take.samples for take in takes]


SAYING = np.concatenate([room(1.5), burst(seed=1), room(1.2), burst(0.3, seed=2), room(1.5)])


def test_takes_are_cut_as_they_are_said() -> None:
    takes = cut(SAYING)
    margins = 2 * MARGIN_FRAMES / 50
    assert [round(len(take) / RATE_HZ, 1) for take in takes] == [round(0.5 + margins, 1), round(0.3 + margins, 1)]
    assert all(take.tobytes() in SAYING.tobytes() for take in takes)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 9000), max_size=30))
def test_it_does_not_matter_how_the_stream_is_cut(pieces: list[int]) -> None:
    assert [take.tobytes() for take in cut(SAYING, pieces=pieces)] == [take.tobytes() for take in cut(SAYING)]


@pytest.mark.parametrize("taking", [Said(length_s=2.0), Steady(length_s=0.5)])
def test_no_take_is_spliced(taking: Said | Steady) -> None:
    taking.push(np.concatenate([room(1.5), burst(0.4, seed=1)]))
    taking.broken()
    after = np.concatenate([room(1.2, seed=7), burst(0.6, seed=2), room(1.2, seed=8)])
    takes = taking.push(after)
    assert takes
    assert all(take.samples.tobytes() in after.tobytes() for take in takes)


def test_a_take_that_goes_on_is_not_whole() -> None:
    taking = Said(length_s=1.0)
    takes = taking.push(np.concatenate([room(1.5), burst(3.0), room(1.5), burst(seed=3), room(1.5)]))
    assert [take.whole for take in takes] == [False, True]


def test_a_noisy_room_is_learnt_and_a_steady_sound_cut_by_the_clock() -> None:
    noisy = np.concatenate([room(1), room(8, rms=600), room(0.5, rms=600) + burst(), room(2, rms=600)])
    assert 1 <= len(cut(noisy)) <= 2, "the change of the room itself may be a take, and then it is known"
    takes = Steady(length_s=0.5).push(room(1.7))
    assert [len(take.samples) for take in takes] == [RATE_HZ // 2] * 3


class Notes:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def ask(self, number: int, count: int) -> None:
        self.said.append(f"ask {number}/{count}")

    def level(self, dbfs: float, *, clipped: bool) -> None:
        pass

    def kept(self, clip: Clip, *, length_s: float, left: int) -> None:  # noqa: ARG002 - the shape of a Screen
        self.said.append(f"kept, {left} left")
        assert clip in read_dataset(clip.path.parents[1]).clips, "whatever comes now, it is kept"

    def refused(self, why: str) -> None:
        self.said.append(why.partition(":")[0].partition(" as ")[0].partition(";")[0])


def guided(folder: Path, heard: Iterator[Pcm], *, count: int = 2, notes: Notes) -> Gathered:
    asked = Asked("jarvis", "own recordings", "ann", "private", count)
    with Writer(folder) as writer:
        return record(heard, asked=asked, taking=Said(length_s=1.0), writer=writer, known=Known(), screen=notes)


def chunks(*parts: Pcm) -> Iterator[Pcm]:
    whole = np.concatenate(parts)
    yield from (whole[at : at + 1024] for at in range(0, len(whole), 1024))


def test_a_take_that_is_not_fit_is_asked_for_again(tmp_path: Path) -> None:
    quiet = room(1.2)
    clipped = np.clip(burst(seed=2).astype(int) * 40, -32768, 32767).astype(np.int16)
    notes = Notes()
    good, other = burst(seed=1), burst(seed=3)
    parts = (room(1.5), clipped, quiet, burst(rms=70), quiet, good, quiet, good, quiet, burst(2.5), quiet, other, quiet)
    guided(tmp_path, chunks(*parts), notes=notes)
    assert notes.said == [
        "ask 1/2", "clipped", "ask 1/2", "too quiet", "ask 1/2", "kept, 1 left", "ask 2/2", "the same audio",
        "ask 2/2", "it went on for longer than 1.4 s", "ask 2/2", "kept, 0 left",
    ]  # fmt: skip
    assert [clip.speaker for clip in read_dataset(tmp_path).clips] == [("own recordings", "ann")] * 2


def test_a_microphone_that_goes_leaves_what_was_kept(tmp_path: Path) -> None:
    def heard() -> Iterator[Pcm]:
        yield from chunks(room(1.5), burst(seed=1), room(1.2))
        raise SourceLost("mic: it was unplugged")

    with pytest.raises(SourceLost, match="unplugged"):
        guided(tmp_path, heard(), notes=Notes())
    assert len(read_dataset(tmp_path).clips) == 1


def test_nobody_there_ends_it_and_a_muted_microphone_is_said(tmp_path: Path) -> None:
    notes = Notes()
    with pytest.raises(SourceLost, match="for 60 s; 0 of 2 takes are kept"):
        guided(tmp_path / "set", chunks(np.zeros(round((PATIENCE_S + 1) * RATE_HZ), np.int16)), notes=notes)
    assert notes.said == ["ask 1/2", "digital silence"]
    assert MUTED_S < PATIENCE_S
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("left_out", ["--label", "--group", "--licence"])
def test_what_is_left_open_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str], left_out: str) -> None:
    given = {"--label": "x", "--group": "ann", "--licence": "private"}
    words = [word for key, value in given.items() if key != left_out for word in (key, value)]
    assert cli.main(["collect", str(tmp_path / "set"), *words]) == 2
    assert f"{left_out}: is missing" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
