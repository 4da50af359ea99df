"""The mission's example: record two seconds into a file; and every way in which that can fail."""

from __future__ import annotations

import resource
import time
import wave
from typing import TYPE_CHECKING, Any

import fake_portaudio
import numpy as np
import pytest
from family import children

from edged import audio
from edged.audio import recorder as recorder_module
from edged.errors import ConfigError, SourceLost, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rig import Rig

pytest_plugins = ("rig_fixtures",)


def samples(path: Path) -> tuple[int, NDArray[Any]]:
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), data


def nothing_left(folder: Path) -> bool:
    return not list(folder.iterdir()) and not children()


def test_the_missions_example(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorder = audio.Recorder()
    assert rig.plugged
    recorder.record("sample.wav", length=2000)
    rate, heard = samples(tmp_path / "sample.wav")
    assert (rate, heard.shape) == (16000, (32000, 1))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["sample.wav"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recordings").mkdir()
    return tmp_path / "recordings"


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, **case: object) -> None:
    fake_portaudio.use(folder.parent / "fake", monkeypatch, **({"speed": 20} | case))


def test_progress_is_told_and_the_length_is_exact(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch)
    told: list[int] = []
    path = audio.Recorder("name:fake", chunk_ms=100).record(folder / "x.wav", length=333, progress=told.append)
    assert told == [100, 200, 300, 333]
    assert len(samples(path)[1]) == 16000 * 333 // 1000


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (16000, 2)])
def test_what_the_device_insists_on_is_converted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rate: int, channels: int
) -> None:
    use(folder, monkeypatch, accepts=[[rate, channels]])
    path = audio.Recorder("name:fake").record(folder / "x.wav", length=500)
    got_rate, heard = samples(path)
    assert (got_rate, heard.shape) == (16000, (8000, 1))


def test_two_channels_are_recorded_where_there_are_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch)
    path = audio.Recorder("name:fake", rate_hz=44100, channels=2).record(folder / "x.wav", length=100)
    rate, heard = samples(path)
    assert (rate, heard.shape) == (44100, (4410, 2))
    assert (heard[:, 0] != heard[:, 1]).all()


def test_two_channels_are_not_made_of_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch, accepts=[[16000, 1]])
    with pytest.raises(SourceLost, match="1 channel"):
        audio.Recorder("name:fake", channels=2).record(folder / "x.wav", length=100)
    assert nothing_left(folder)


def test_no_microphone_names_those_that_are_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch)
    with pytest.raises(SourceLost) as caught:
        audio.Recorder("name:other").record(folder / "x.wav")
    assert str(caught.value) == "name:other: no such device; there are: name:fake"
    assert nothing_left(folder)


def test_a_microphone_that_goes_leaves_nothing_half_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch, reads=5)
    (folder / "x.wav").write_bytes(b"older")
    with pytest.raises(SourceLost, match="gone"):
        audio.Recorder("name:fake").record(folder / "x.wav")
    assert (folder / "x.wav").read_bytes() == b"older"
    assert len(list(folder.iterdir())) == 1


def test_a_stalled_server_is_given_up_in_bounded_time(rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_S", 1.0)
    rig.stall()
    began_s = time.monotonic()
    with pytest.raises(SourceLost, match="not answered for 1 s"):
        audio.Recorder().record(folder / "x.wav")
    assert time.monotonic() - began_s < 3
    rig.kill_server()
    assert nothing_left(folder)


def test_a_dead_child_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch, die=True)
    with pytest.raises(SourceLost, match="capture process ended"):
        audio.Recorder("name:fake").record(folder / "x.wav")


def test_garbage_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch, garbage=True)
    with pytest.raises(SourceLost, match="garbage"):
        audio.Recorder("name:fake").record(folder / "x.wav")


def test_a_path_that_cannot_be_written_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch)
    for path in (folder / "no" / "such.wav", folder, folder.parent / "fake" / "pyaudio.py" / "x.wav"):
        with pytest.raises(UserError) as caught:
            audio.Recorder("name:fake").record(path)
        assert caught.value.file == str(path)
    assert nothing_left(folder)


def test_a_file_that_can_grow_no_more_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(folder, monkeypatch)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(UserError, match="File too large"):
            audio.Recorder("name:fake").record(folder / "x.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert nothing_left(folder)


@pytest.mark.parametrize(
    "wrong", [{"rate_hz": 0}, {"channels": 0}, {"channels": 9}, {"chunk_ms": 0}, {"device": "3"}], ids=str
)
def test_wrong_arguments_are_refused(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ConfigError) as caught:
        audio.Recorder(**wrong)  # type: ignore[arg-type]
    assert caught.value.key == next(iter(wrong))


def test_a_length_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="length"):
        audio.Recorder().record(tmp_path / "x.wav", length=0)


def test_the_package_offers_nothing_else() -> None:
    with pytest.raises(AttributeError, match="Recordr"):
        audio.Recordr  # noqa: B018 - the access is the test
