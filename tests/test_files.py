"""Recordings of every kind that people have, and of the kinds that they should not have."""

from __future__ import annotations

import subprocess
import sys
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from edged.audio.files import duration_s, open_audio
from edged.errors import AudioFileError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLES = np.random.default_rng(7).integers(-20000, 20000, (5000, 2)).astype(np.int16)


def read(path: Path, frames: int = 1024) -> NDArray[Any]:
    with open_audio(path) as file:
        return np.concatenate(list(file.blocks(frames)))


def write_wave(path: Path, samples: NDArray[Any] = SAMPLES) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


@pytest.mark.parametrize("frames", [1, 999, 1024, 10**6])
def test_plain_wav_is_read_bit_for_bit(tmp_path: Path, frames: int) -> None:
    path = write_wave(tmp_path / "plain.wav")
    assert np.array_equal(read(path, frames), SAMPLES)
    assert duration_s(path) == 5000 / 16000


def test_plain_wav_needs_no_soundfile(tmp_path: Path) -> None:
    write_wave(tmp_path / "plain.wav")
    code = (
        "import sys; from edged.audio.files import open_audio\n"
        f"with open_audio({str(tmp_path / 'plain.wav')!r}) as file: list(file.blocks(100))\n"
        "sys.exit('soundfile' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.flac", {"format": "FLAC", "subtype": "PCM_16"}),
        ("x.wav", {"format": "WAVEX", "subtype": "PCM_16"}),
        ("x.wav", {"format": "WAV", "subtype": "PCM_24"}),
        ("x.wav", {"format": "WAV", "subtype": "FLOAT"}),
        ("x.wav", {"format": "WAV", "subtype": "DOUBLE"}),
        ("x.flac", {"format": "FLAC", "subtype": "PCM_24"}),
    ],
)
def test_other_kinds_give_the_same_samples(tmp_path: Path, name: str, kind: dict[str, str]) -> None:
    path = tmp_path / name
    data = SAMPLES / 32768 if kind["subtype"] in {"FLOAT", "DOUBLE"} else SAMPLES
    soundfile.write(path, data, 16000, **kind)
    assert np.array_equal(read(path), SAMPLES)
    assert duration_s(path) == 5000 / 16000


def test_ogg_is_nearly_the_same(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(16000) * 0.05)).astype(np.int16).reshape(-1, 1)
    soundfile.write(tmp_path / "x.ogg", tone, 16000)
    assert np.abs(read(tmp_path / "x.ogg").astype(int)[1000:9000] - tone[1000:9000]).max() < 1500


def test_a_float_file_that_is_too_loud_is_clipped_not_wrapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.array([2.0, -2.0, 0.5]), 16000, subtype="FLOAT")
    assert read(tmp_path / "x.wav").ravel().tolist() == [32767, -32768, 16384]


@pytest.mark.parametrize("claim", [0x7FFFFFFF, 0xFFFFFFFF - 100, 30000])
def test_a_header_that_claims_too_much_is_read_as_far_as_it_goes(tmp_path: Path, claim: int) -> None:
    path = write_wave(tmp_path / "streamed.wav")
    data = bytearray(path.read_bytes())
    data[40:44] = claim.to_bytes(4, "little")
    path.write_bytes(data)
    assert np.array_equal(read(path), SAMPLES)
    assert duration_s(path) == pytest.approx(5000 / 16000, abs=0.001)


def test_a_file_cut_short_is_read_to_the_last_whole_sample(tmp_path: Path) -> None:
    path = write_wave(tmp_path / "cut.wav")
    path.write_bytes(path.read_bytes()[:-5])
    assert np.array_equal(read(path), SAMPLES[:-2])


def test_a_damaged_flac_gives_what_was_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    long = np.random.default_rng(7).integers(-20000, 20000, (50000, 1)).astype(np.int16)
    soundfile.write(path, long, 16000)
    path.write_bytes(path.read_bytes()[:60000])
    heard = read(path)
    assert 4096 <= len(heard) < 50000
    assert np.array_equal(heard, long[: len(heard)])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"This is a diary, not a recording.\n" * 50, "not a recording"),
        (b"RIFF\x24\x00\x00\x00WAVE", "not a recording"),
        (b"fLaC" + bytes(100), "not a recording"),
    ],
)
def test_what_is_not_audio_is_named_with_the_reason(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "strange.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioFileError, match=why) as caught:
        read(path)
    assert caught.value.file == str(path)


def test_a_wav_without_one_sample_is_refused(tmp_path: Path) -> None:
    path = write_wave(tmp_path / "none.wav", SAMPLES[:0])
    with pytest.raises(AudioFileError, match="no sound in it"):
        read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="folder"):
        read(tmp_path)


@pytest.mark.shared
def test_the_shared_recordings_can_be_read(shared: Path) -> None:
    files = sorted((shared / "data" / "fsdd").glob("*.wav"))[:20] + sorted((shared / "data" / "noise").glob("*.flac"))
    for path in files:
        assert duration_s(path) == pytest.approx(len(read(path, 65536)) / soundfile.info(path).samplerate, abs=0.001)
