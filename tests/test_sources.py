"""Recordings and commands as sources."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from family import children
from rig import Listening, wait_until

from edged.audio import sources
from edged.audio.files import AudioFile
from edged.audio.sources import CommandSource, FileSource
from edged.errors import AudioFileError
from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edged.audio.sources import Source
    from edged.records import Heard

SAMPLES = np.random.default_rng(5).integers(-9000, 9000, (8000, 1)).astype(np.int16)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "half a second.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(SAMPLES.tobytes())
    return path


def hear(source: Source, *, most: int = 10**6, within_s: float = 10) -> list[Heard]:
    """Everything that a source says until it ends, or so many items of it."""

    async def collect() -> list[Heard]:
        heard: list[Heard] = []
        async with asyncio.timeout(within_s), contextlib.aclosing(source.listen()) as listening:
            async for one in listening:
                heard.append(one)
                if len(heard) == most:
                    break
        return heard

    return asyncio.run(collect())


def sound(heard: list[Heard]) -> NDArray[Any]:
    return np.concatenate([one.samples for one in heard if isinstance(one, Chunk)])


def words(heard: list[Heard]) -> list[Condition]:
    return [one for one in heard if isinstance(one, Condition)]


# Recordings.


def test_a_file_is_given_in_chunks_without_a_clock(wav: Path) -> None:
    chunks = list(FileSource(wav, chunk_ms=100).chunks())
    assert [len(chunk.samples) for chunk in chunks] == [1600] * 5
    assert [chunk.first for chunk in chunks] == [0, 1600, 3200, 4800, 6400]
    assert [chunk.fresh for chunk in chunks] == [True] + [False] * 4
    assert {chunk.ended_ns for chunk in chunks} == {0}
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), SAMPLES)


def test_listening_at_full_speed_hears_the_same_and_ends(wav: Path) -> None:
    began_s = time.monotonic()
    heard = hear(FileSource(wav, paced=False))
    assert time.monotonic() - began_s < 0.4
    assert np.array_equal(sound(heard), SAMPLES)
    assert [said.state for said in words(heard)] == ["hearing", "ended"]
    assert words(heard)[-1].why == f"{wav}: played to its end, 0.5 s"


def test_listening_paced_takes_its_time_without_drift(wav: Path) -> None:
    began_s = time.monotonic()
    heard = hear(FileSource(wav, paced=True, chunk_ms=20))
    assert 0.48 < time.monotonic() - began_s < 0.8
    ends = [one.ended_ns for one in heard if isinstance(one, Chunk)]
    assert set(np.diff(ends).tolist()) == {20_000_000}
    assert np.array_equal(sound(heard), SAMPLES)


def test_a_loop_begins_anew_each_time(wav: Path) -> None:
    heard = [
        one for one in hear(FileSource(wav, paced=False, loop=True, chunk_ms=250), most=8) if isinstance(one, Chunk)
    ]
    assert [chunk.fresh for chunk in heard[:6]] == [True, False, True, False, True, False]
    assert [chunk.first for chunk in heard[:4]] == [0, 4000, 0, 4000]


def test_a_paced_loop_keeps_time_over_the_joints(wav: Path) -> None:
    heard = hear(FileSource(wav, paced=True, loop=True, chunk_ms=250), most=6)
    assert set(np.diff([one.ended_ns for one in heard if isinstance(one, Chunk)]).tolist()) == {250_000_000}


def test_a_looped_file_that_goes_is_absent_until_it_is_back(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FILE_RETRY_S", 0.05)
    away = wav.with_name("away.wav")
    with Listening(FileSource(wav, paced=True, loop=True)) as heard:
        heard.wait_chunks(2)
        wav.rename(away)
        wait_until(lambda: len(heard.conditions) > 3, within_s=4, what="it is missed, again and again")
        back_s = time.monotonic()
        away.rename(wav)
        heard.wait_state("hearing", since_s=back_s, within_s=2)
        before = len(heard.chunks)
        heard.wait_chunks(before + 2)
    states = [condition.state for _, condition in heard.conditions]
    assert [states[0], states[-1], {*states[1:-1]}] == ["hearing", "hearing", {"absent"}]
    assert heard.conditions[1][1].why == f"{wav}: there is no such file"


def test_a_file_that_cannot_be_read_to_its_end_has_ended_there(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_file: AudioFile, _frames: int) -> Iterator[NDArray[Any]]:
        yield SAMPLES[:4000]
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(AudioFile, "blocks", failing)
    *_, last = hear(FileSource(wav))
    assert last == Condition("ended", f"{wav}: cannot be read any further: Input/output error, 0.2 s")


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no such file"):
        FileSource(tmp_path / "none.wav", paced=True)


# Commands.


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import os, sys, time, subprocess, signal; {code}"]


TONE = "[(os.write(1, bytes(range(64)) * 50), time.sleep(0.1)) for _ in iter(int, 1)]"
"""16 kHz mono, in real time, for ever."""


def test_a_commands_pcm_is_heard_bit_for_bit_and_its_end_is_absence(tmp_path: Path) -> None:
    raw = tmp_path / "pcm.raw"
    raw.write_bytes(SAMPLES.astype("<i2").tobytes())
    heard = hear(CommandSource(["cat", str(raw)]), most=12)
    first_life = [one for one in heard if isinstance(one, Chunk)][:8]
    assert np.array_equal(np.concatenate([chunk.samples for chunk in first_life]), SAMPLES)
    assert [said.state for said in words(heard)][:3] == ["starting", "hearing", "absent"]
    assert words(heard)[2].why == "cat: the command ended, exit status 0"


def test_a_command_that_ends_says_its_last_words_and_is_started_again() -> None:
    code = "os.write(1, bytes(range(64)) * 50); sys.stderr.write('x' * 100_000 + '\\nno such camera\\n'); sys.exit(3)"
    heard = hear(CommandSource(python(code)), most=8)
    assert words(heard)[2].why.endswith("the command ended, exit status 3: no such camera")
    chunks = [one for one in heard if isinstance(one, Chunk)]
    assert [chunk.fresh for chunk in chunks[:3]] == [True, False, True]
    assert chunks[2].first == 0


def test_a_password_in_a_commands_last_words_is_not_repeated() -> None:
    url = "rtsp://admin:s3cr/et@camera/1".replace("/et", "@et")
    heard = hear(CommandSource(python(f"sys.stderr.write('{url}: Connection refused\\n'); sys.exit(1)")), most=2)
    assert words(heard)[1].why.endswith("exit status 1: rtsp://…@camera/1: Connection refused")


def test_a_command_that_ends_soon_is_not_started_in_a_frenzy() -> None:
    with Listening(CommandSource(["head", "-c", "4096", "/dev/zero"])) as heard:
        wait_until(lambda: len(heard.conditions) > 6, within_s=6, what="three lives")
    lives = [at for at, said in heard.conditions if said.state == "hearing"]
    assert lives[2] - lives[1] > 0.9


def test_a_trickle_is_no_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FIRST_AUDIO_S", 0.5)
    heard = hear(CommandSource(python("[(os.write(1, b'x'), time.sleep(0.05)) for _ in iter(int, 1)]")), most=2)
    assert words(heard)[1].why.endswith("no audio for 0.5 s")


def test_a_command_that_cannot_be_started_is_absent_and_tried_again() -> None:
    with Listening(CommandSource(["no-such-recorder", "-x"])) as heard:
        wait_until(lambda: len(heard.conditions) > 2, within_s=4, what="two attempts")
    said = heard.conditions[1][1]
    assert said == Condition("absent", "no-such-recorder: the command cannot be started: No such file or directory")


def test_a_command_that_hangs_is_killed_with_all_its_children_and_replaced() -> None:
    code = (
        "subprocess.Popen(['sleep', '300']); "
        "[(os.write(1, bytes(range(64)) * 50), time.sleep(0.1)) for _ in range(5)]; time.sleep(300)"
    )
    with Listening(CommandSource(python(code))) as heard:
        heard.wait_chunks(5)
        family = children(recursive=True)
        assert len(family) == 2
        silent_s = time.monotonic()
        assert heard.wait_state("absent", since_s=silent_s, within_s=4) < 2
        heard.wait_state("hearing", since_s=silent_s, within_s=4)
        wait_until(lambda: not any(one.is_running() for one in family), within_s=2, what="the old family is gone")


def test_closing_kills_the_whole_family() -> None:
    with Listening(CommandSource(python(f"subprocess.Popen(['sleep', '300']); {TONE}"))) as heard:
        heard.wait_chunks(2)
        family = children(recursive=True)
        assert len(family) == 2
    wait_until(
        lambda: all(not one.is_running() or one.status() == "zombie" for one in family), within_s=2, what="all are gone"
    )
    assert not children()


def test_odd_bytes_and_two_channels_are_put_together() -> None:
    code = (
        "data = bytes(range(256)) * 40; [(os.write(1, data[i:][:333]), time.sleep(0.001)) for i in range(0, 9999, 333)]"
    )
    heard = hear(CommandSource(python(code), rate_hz=8000, channels=2, chunk_ms=10), most=30)
    chunks = [one for one in heard if isinstance(one, Chunk)]
    assert chunks[0].samples.shape == (80, 2)
    assert sound(heard)[:64].tobytes() == bytes(range(256))


def test_a_command_that_never_stops_writing_does_not_hold_up_the_loop() -> None:
    async def share() -> int:
        turns = 0
        async with contextlib.aclosing(CommandSource(["cat", "/dev/zero"]).listen()) as listening:
            ticker = asyncio.create_task(asyncio.sleep(0.2))
            async for _ in listening:
                turns += 1
                if ticker.done():
                    break
        return turns

    assert asyncio.run(asyncio.wait_for(share(), 5)) > 10


def test_a_slow_consumer_makes_the_command_wait_and_loses_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "counter.raw"
    raw.write_bytes(np.arange(30000, dtype="<i2").tobytes() * 5)

    async def dawdle() -> NDArray[Any]:
        pieces = []
        async with contextlib.aclosing(CommandSource(["cat", str(raw)]).listen()) as listening:
            async for heard in listening:
                if isinstance(heard, Chunk):
                    pieces.append(heard.samples)
                    await asyncio.sleep(0.002)
                elif heard.state == "absent":
                    break
        return np.concatenate(pieces)

    assert np.array_equal(asyncio.run(dawdle())[:, 0], np.tile(np.arange(30000, dtype=np.int16), 5))
