"""`edged optimise`: models looked at, two compared on the same clips, and a training made into a bundle of 8 bits."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from nabu import nabu
from speech import write_wav
from spoken import okay_nabu

from edged import cli
from edged.classify.bundle import open_bundle, write_bundle
from edged.classify.head import Head
from edged.classify.runtime import installed
from edged.errors import ConfigError, DatasetError, ModelError, UserError
from edged.workshop import optimise as module
from edged.workshop.dataset import Clip
from edged.workshop.optimise import compare, is_trained, optimise, read_trained
from edged.workshop.speed import Speed, speed_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.classify.bundle import Bundle
    from edged.records import Frames, Pcm

NABU = nabu()
OTHER_WORD = open_bundle(NABU.path.with_name("hey_jarvis.json"))
COLUMNS = ("path", "label", "source", "group", "licence", "role")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of a word and of noise."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    for number in range(3):
        word = np.concatenate([np.zeros(8000), okay_nabu(), np.zeros(4000)]) + rng.normal(0, 30 + number, 1)
        write_wav(folder / f"word-{number}.wav", word.astype(np.int16), rate_hz=16_000)
        write_wav(folder / f"noise-{number}.wav", rng.normal(0, 500, 16_000).astype(np.int16), rate_hz=16_000)
    return folder


@pytest.fixture
def work(tmp_path: Path, data: Path) -> Path:
    """What a training leaves, with a known model as its outcome."""
    folder = tmp_path / "work"
    (folder / "saved_model").mkdir(parents=True)
    write_bundle(folder / "float.edged", **told(NABU))
    np.savez_compressed(folder / "representative.npz", frames=np.zeros((2, 3, 40), np.float32))
    (folder / "datasets.json").write_text(json.dumps([str(data)]))
    split(folder, [(f"{what}-{i}.wav", label, "test") for what, label in KINDS for i in range(3)])
    return folder


KINDS = (("word", "okay_nabu"), ("noise", "_noise_"))


def split(folder: Path, lines: list[tuple[str, str, str]]) -> None:
    with (folder / "split.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((path, label, "us", "g", "CC0-1.0", role) for path, label, role in lines)


def told(bundle: Bundle, **otherwise: Any) -> dict[str, Any]:
    """The arguments of `write_bundle` that make such a bundle."""
    names = ("model", "labels", "front_end", "window_frames", "hop_frames", "policies")
    return {name: getattr(bundle, name) for name in names} | {"name": "okay_nabu"} | otherwise


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Frames]]:
    """In TensorFlow's place: whatever it is asked to convert, it answers with a model that is known."""
    asked: list[tuple[Path, Frames]] = []

    def quantise(saved_model: Path, representative: Frames) -> bytes:
        asked.append((saved_model, representative))
        return NABU.model

    monkeypatch.setattr(module, "quantise", quantise)
    return asked


def clips(data: Path) -> list[Clip]:
    return [Clip(data / f"{what}-{i}.wav", label, "us", "g", "", "") for what, label in KINDS for i in range(3)]


# Two models, compared.


def test_a_model_agrees_with_itself(data: Path) -> None:
    done: list[float] = []
    found = compare(NABU, NABU, clips(data), role="test", advanced=done.append)
    assert (found.clips, found.clips_agreed, found.float_right, found.int8_right) == (6, 6, 6, 6)
    assert (found.mean_difference, found.worst_difference) == (0, 0)
    assert found.top1_agreed == found.windows > 100
    assert done == [1, 2, 3, 4, 5, 6]


def test_one_that_hears_another_word_does_not(data: Path) -> None:
    deaf = replace(NABU, model=OTHER_WORD.model, sha256=OTHER_WORD.sha256)
    found = compare(NABU, deaf, clips(data), role="validation")
    assert (found.float_right, found.int8_right, found.clips_agreed) == (6, 3, 3)
    assert found.top1_agreed < found.windows
    assert 0 < found.mean_difference < found.worst_difference <= 1
    assert found.worst_difference > 0.9, "a word that one hears and the other does not"
    assert found.role == "validation"


def test_the_mean_difference_is_over_all_windows_and_labels(data: Path) -> None:
    """Held against the posteriors themselves, gathered here."""
    from edged.workshop.evaluate import Alone, needed  # noqa: PLC0415 - the sounds that `compare` makes
    from edged.workshop.scoring import Scorer  # noqa: PLC0415 - likewise

    deaf = replace(NABU, model=OTHER_WORD.model, sha256=OTHER_WORD.sha256)
    apart = []
    with Scorer(NABU) as one, Scorer(deaf) as other:
        for number, clip in enumerate(clips(data)):
            sound = Alone(clip, needed(NABU), None, (), (0, number))
            apart.append(np.abs(one.score(sound).values.astype(np.float64) - other.score(sound).values))
    found = compare(NABU, deaf, clips(data), role="test")
    assert found.mean_difference == pytest.approx(np.concatenate(apart).mean(), rel=1e-6)
    assert found.worst_difference == pytest.approx(max(each.max() for each in apart))
    assert found.windows == sum(map(len, apart))


# A training, made into a bundle.


def test_a_bundle_of_8_bits_is_what_the_one_in_float_was(
    work: Path, tmp_path: Path, converter: list[tuple[Path, Frames]]
) -> None:
    trained = read_trained(work)
    made, found = optimise(trained, tmp_path / "int8.edged")
    (asked,) = converter
    assert asked[0] == work / "saved_model"
    assert asked[1].shape == (2, 3, 40)
    again = open_bundle(tmp_path / "int8.edged")
    assert again.golden is not None
    assert replace(again, golden=None) == replace(trained.bundle, path=made.path)
    assert (found.role, found.clips, found.clips_agreed) == ("test", 6, 6)


def test_without_a_test_the_clips_of_validation_are_compared_on(work: Path) -> None:
    lines = [("word-0.wav", "okay_nabu", "validation"), ("word-1.wav", "okay_nabu", "train")]
    split(work, lines)
    trained = read_trained(work)
    assert (trained.role, [clip.path.name for clip in trained.clips]) == ("validation", ["word-0.wav"])


def test_a_second_dataset_and_one_that_has_moved(work: Path, data: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(data, tmp_path / "moved")
    split(work, [("word-0.wav", "okay_nabu", "test"), ("1:noise-1.wav", "_noise_", "test")])
    found = read_trained(work, datasets=[data, moved]).clips
    assert [clip.path for clip in found] == [data / "word-0.wav", moved / "noise-1.wav"]
    with pytest.raises(DatasetError, match=r"split\.csv:3: path = '1:noise-1\.wav': it is not known where .*--data"):
        read_trained(work)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(mounted)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=20)
    if done.returncode:
        pytest.skip(f"needs the right to mount a small disk: {done.stderr.decode().strip()}")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True, timeout=20)


@pytest.mark.usefixtures("converter")
def test_a_full_disk_leaves_nothing_behind_and_what_was_there(work: Path, small_disk: Path) -> None:
    out = small_disk / "int8.edged"
    out.write_bytes(b"the one before")
    with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with pytest.raises(ModelError, match="cannot be written: no space left on device"):
        optimise(read_trained(work), out)
    assert {path.name for path in small_disk.iterdir()} == {"ballast", "int8.edged"}
    assert out.read_bytes() == b"the one before"
    (small_disk / "ballast").unlink()
    optimise(read_trained(work), out)
    assert open_bundle(out).name == "okay_nabu"


@pytest.mark.usefixtures("converter")
def test_a_clip_that_cannot_be_read_leaves_no_bundle(work: Path, data: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(data, tmp_path / "moved")
    trained = read_trained(work, datasets=[moved])
    (moved / "noise-2.wav").write_bytes(b"")
    with pytest.raises(UserError, match=r"noise-2\.wav"):
        optimise(trained, tmp_path / "int8.edged")
    assert not list(tmp_path.glob("*.edged*"))


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda work: (work / "float.edged").unlink(), ModelError, "there is no float.edged in it. Name what"),
        (lambda work: shutil.rmtree(work / "saved_model"), ModelError, "saved_model: there is no such folder. Let"),
        (lambda work: (work / "representative.npz").unlink(), ModelError, "npz: there is no such file. Let"),
        (lambda work: (work / "representative.npz").write_bytes(b"x"), ModelError, "npz: holds no windows to quantise"),
        (lambda work: (work / "split.csv").unlink(), ModelError, "split.csv: there is no such file. Let"),
        (lambda work: split(work, [("word-0.wav", "x", "")]), DatasetError, "role: no clip in it has one"),
        (lambda work: split(work, [("w.wav", "x", "test")]), DatasetError, "split.csv:2: path = 'w.wav': there is no"),
        (lambda work: (work / "datasets.json").unlink(), DatasetError, "it is not known where the dataset"),
        (lambda work: (work / "datasets.json").write_text("{"), DatasetError, "it is not known where the dataset"),
        (lambda work: (work / "datasets.json").write_text("[1]"), DatasetError, "it is not known where the dataset"),
        ("head", ModelError, "is a head over an embedding, which is not trained here. Use"),
    ],
)
def test_what_is_no_whole_training_is_refused(work: Path, spoil: Any, error: type[UserError], words: str) -> None:
    if spoil == "head":
        head = Head(np.ones((1, 1)), np.zeros(1))
        write_bundle(work / "float.edged", **told(NABU, head=head, output="sigmoid"))
    else:
        spoil(work)
    with pytest.raises(error) as caught:
        read_trained(work)
    assert words in str(caught.value)
    assert caught.value.way_out


def test_a_training_that_was_cut_off_is_told_to_go_on(work: Path) -> None:
    (work / "float.edged").unlink()
    (work / "training.json").write_text("{}")
    with pytest.raises(ModelError, match="Let `edged train` come to its end"):
        read_trained(work)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("int8", "--out = '.*int8': is no name for a bundle. Name a file: NAME.edged"),
        ("there.edged", "--out = '.*there.edged': is no name for a bundle"),
        ("nowhere/int8.edged", "its folder is not there. Make .*nowhere first"),
    ],
)
def test_where_no_bundle_can_be_is_said_before_anything_is_converted(
    work: Path, tmp_path: Path, converter: list[tuple[Path, Frames]], name: str, words: str
) -> None:
    (tmp_path / "there.edged").mkdir()
    with pytest.raises(ConfigError, match=words):
        optimise(read_trained(work), tmp_path / name)
    assert converter == []


def test_a_bundles_folder_is_no_training(tmp_path: Path, work: Path) -> None:
    write_bundle(tmp_path / "bundle", **told(NABU))
    assert not is_trained(tmp_path / "bundle")
    assert not is_trained(work / "float.edged")
    assert not is_trained(tmp_path / "nowhere")
    assert is_trained(work)


# Time.


def test_the_clock_says_whose_kernels_it_timed() -> None:
    speed = speed_of(NABU.model, file=NABU.path)
    assert isinstance(speed, Speed)
    assert speed.runtime.partition(" ")[0] in ("tflite-runtime", "litert")
    assert speed.calls >= 5
    assert speed.invoke_ms > 0


def test_a_model_that_no_runtime_here_takes_has_a_reason_for_a_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edged.classify.runtime.PACKAGES", {"tflite-runtime": "no_such_package"})
    assert speed_of(NABU.model, file=NABU.path) == "no TensorFlow Lite runtime is installed"


# What is typed.


def typed(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["optimise", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_models_cost_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(NABU.path, "--json", capsys=capsys)
    found = json.loads(out)
    assert code == 0
    assert found["cost"]["file_bytes"] == len(NABU.model)
    assert found["cost"]["arena"]["total_bytes"] == sum(
        found["cost"]["arena"][f"{part}_bytes"] for part in ("activations", "state")
    )
    assert found["macs_per_s"] == round(found["cost"]["macs"] / found["hop_s"])
    assert found["speed"]["calls"] > 0
    assert {key: board["holds"] for key, board in found["boards"].items()} == {
        "nano-33-ble-sense": True,
        "esp32-c3": True,
        "stm32f405": True,
    }
    assert found["float"] is found["comparison"] is None


def test_a_models_cost_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(NABU.path, capsys=capsys)
    assert code == 0
    for words in (f"{len(NABU.model):,} bytes", "of it state", "once in 30 ms", "VAR_HANDLE", "STM32F405", "holds it"):
        assert words in out


def test_a_bare_tflite_is_not_asked_how_often(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bare.tflite"
    file.write_bytes(NABU.model)
    code, out, _ = typed(file, capsys=capsys)
    assert code == 0
    assert "unknown: nothing says how often it is asked" in out
    assert json.loads(typed(file, "--json", capsys=capsys)[1])["macs_per_s"] is None


def test_a_model_larger_than_the_flash_is_held_by_no_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(typed(NABU.path, "--json", capsys=capsys)[1])["boards"]["stm32f405"]["flash_bytes"]
    boards = tmp_path / "boards.toml"
    shipped = (Path(__file__).parents[1] / "mcu-firmware" / "boards.toml").read_text()
    for room, holds in ((told, True), (told - 1, False)):
        boards.write_text(shipped.replace("slot_bytes = 393216", f"slot_bytes = {room}"))
        code, out, _ = typed(NABU.path, "--boards", boards, capsys=capsys)
        assert code == 0
        assert (f"STM32F405: flash: it takes {told:,} bytes, a slot has {told - 1:,}." in out) is not holds


def test_a_bundle_with_a_head_is_the_gateways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "taught.edged"
    write_bundle(path, **told(NABU, head=Head(np.ones((1, 1)), np.zeros(1)), output="sigmoid"))
    _, out, _ = typed(path, capsys=capsys)
    assert "All: the firmware has no head over an embedding." in out


@pytest.mark.skipif("litert" not in installed(), reason="LiteRT, which has the schema, is not for here")
def test_an_unknown_operator_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from model_maker import changed  # noqa: PLC0415 - needs LiteRT

    def unknown(model: Any) -> None:
        model.operatorCodes[7].builtinCode, model.operatorCodes[7].deprecatedBuiltinCode = 250, 127

    file = tmp_path / "newer.tflite"
    file.write_bytes(changed(NABU.model, unknown))
    code, out, _ = typed(file, capsys=capsys)
    assert code == 0
    assert "operator 250" in out
    assert "The MACs leave out operator 250." in out
    assert "refuses this model" in out
    assert "All: the firmware has no operator 250." in out


@pytest.mark.usefixtures("converter")
def test_a_training_is_compared_and_written(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "int8.edged"
    code, said, _ = typed(work, "--out", out, "--json", capsys=capsys)
    found = json.loads(said)
    assert code == 0
    assert found["sha256"] == open_bundle(out).sha256
    assert found["comparison"]["clips"] == found["comparison"]["clips_agreed"] == 6
    assert found["float"]["cost"]["macs"] == found["cost"]["macs"]
    code, said, _ = typed(work, "--out", out, capsys=capsys)
    assert code == 0
    assert "6 clips of test, heard by both down the road:" in said
    assert "6 of 6 (100.00 %), +0.00 points" in said


def test_without_boards_none_is_judged(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("edged.commands.optimise.boards_file", lambda: None)
    code, out, _ = typed(NABU.path, capsys=capsys)
    assert code == 0
    assert "no board is judged. Name one with --boards." in out


@pytest.mark.parametrize("option", ["--out", "--data"])
def test_what_is_for_a_training_is_refused_beside_a_model(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = typed(NABU.path, option, "x.edged", capsys=capsys)
    assert code == 2
    assert f"{option} is for what `edged train` made" in err


# The whole way, with TensorFlow.


def speak(word: str, *, voice: str, words_a_minute: int, folder: Path) -> Pcm:
    """A word at 16 kHz, in a little noise."""
    from edged.workshop.scoring import Recording  # noqa: PLC0415 - it resamples

    file = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(words_a_minute), "-w", str(file), word], check=True)
    said = np.concatenate(list(Recording(file).blocks(16_000))).astype(np.float64)
    whole = np.concatenate([np.zeros(3000), said, np.zeros(4000)])
    whole += np.random.default_rng(len(whole)).normal(0, 20, len(whole))
    return np.asarray(whole.clip(-32768, 32767), dtype=np.int16)


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two words, two others and noise, by six voices."""
    folder = tmp_path_factory.mktemp("words")
    rows = ["path,label,source,group,licence"]
    spoken = (("computer", "computer"), ("jarvis", "jarvis"), ("banana", "_unknown_"), ("window", "_unknown_"))
    for voice in ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc"):
        for word, label in spoken:
            for pace in (130, 160, 190):
                name = f"{word}-{voice}-{pace}.wav"
                samples = speak(word, voice=voice, words_a_minute=pace, folder=folder)
                write_wav(folder / name, samples, rate_hz=16_000)
                rows.append(f"{name},{label},espeak,{voice},CC0-1.0")
        hiss = np.random.default_rng(len(rows)).normal(0, 10 * len(rows), (3, 24_000)).astype(np.int16)
        for number, samples in enumerate(hiss):
            name = f"noise-{voice}-{number}.wav"
            write_wav(folder / name, samples, rate_hz=16_000)
            rows.append(f"{name},_noise_,noise,{voice},CC0-1.0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "said.wav").unlink()
    return folder


@pytest.mark.slow
@pytest.mark.train
def test_the_whole_way_from_clips_to_8_bits(words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work, out = tmp_path / "work", tmp_path / "toy.edged"
    # In a process of its own: TensorFlow and tflite-runtime do not go together.
    train = ["train", str(words), "--out", str(work), "--fold", "1/3", "--steps", "60", "--json"]
    subprocess.run([sys.executable, "-m", "edged", *train], check=True, capture_output=True)
    code, said, _ = typed(work, "--out", out, "--json", capsys=capsys)
    found = json.loads(said)
    assert code == 0
    bundle, given = open_bundle(out), open_bundle(work / "float.edged")
    assert bundle.labels == given.labels == ("computer", "jarvis", "_background_")
    assert bundle.policies == given.policies
    assert bundle.front_end == given.front_end
    cost, before = found["cost"], found["float"]["cost"]
    assert "float32" not in cost["types"]
    assert "float32" in before["types"]
    assert cost["macs"] == before["macs"] > 100_000
    # Each weight takes a byte and no longer four; biases stay int32.
    assert cost["constants_bytes"] < 0.4 * before["constants_bytes"]
    assert cost["arena"]["total_bytes"] == pytest.approx(before["arena"]["total_bytes"] / 4, rel=0.1)
    # 8 bits are a small error on a small network: as good to a clip or two, and the posteriors alike.
    compared = found["comparison"]
    assert compared["role"] == "test"
    assert compared["clips"] == 30
    assert abs(compared["float_right"] - compared["int8_right"]) <= 2
    assert compared["top1_agreed"] >= 0.97 * compared["windows"]
    assert 0 < compared["mean_difference"] < 0.02
