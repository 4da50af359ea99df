"""Clips: what is a near miss, what is cut around it, that the quota holds, and that nothing ever waits for the disk."""

from __future__ import annotations

import csv
import errno
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged import clips as keeping
from edged import clipstore
from edged.clips import LATE_S, MAX_WAITING, NEAR_MISS, Clips, Rolls
from edged.clipstore import COLUMNS, ClipStore
from edged.errors import StateError
from edged.nearmiss import REST_S, NearMisses
from edged.records import Chunk, Decision, Event, Policy, Scores
from edged.workshop.dataset import digest, read_audio, read_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.lane import Lane
    from edged.records import Pcm

RATE_HZ = 16_000
ROLLS = Rolls(pre_s=1.0, post_s=0.5, near=0.5)
NS = 1_000_000_000


# What is a near miss.


def misses(posteriors: list[float], *, active_at: set[int] = frozenset(), policy: Policy | None = None) -> list[Any]:  # type: ignore[assignment]
    """Put a label's posteriors through, one window a second."""
    watched = NearMisses({"bell": policy or Policy(threshold=0.8)}, share=0.5, rate_hz=1)
    found = []
    for at, value in enumerate(posteriors, 1):
        active = frozenset({"bell"} if at in active_at else ())
        found += watched.step(np.array([value]), ends=at, active=lambda active=active: active)  # type: ignore[misc]
    return [(miss.label, round(miss.score, 3), miss.at) for miss in found]


def test_what_came_near_and_was_not_decided_is_a_near_miss() -> None:
    assert misses([0.1, 0.4, 0.7, 0.5, 0.1]) == [("bell", 0.7, 3)]


def test_what_did_not_come_near_is_none() -> None:
    assert misses([0.1, 0.39, 0.1]) == []


def test_the_rise_and_fall_of_a_decision_is_none() -> None:
    assert misses([0.1, 0.5, 0.9, 0.5, 0.1], active_at={3}) == []


def test_over_the_threshold_without_a_decision_is_one() -> None:
    assert misses([0.1, 0.9, 0.1]) == [("bell", 0.9, 2)], "too few votes, or too short a sound"


def test_echoes_are_none() -> None:
    rest = int(REST_S)
    echo = [0.1, 0.9, 0.1, 0.6, 0.1]
    assert misses(echo, active_at={2}) == []
    assert misses(echo) == [("bell", 0.9, 2)]
    assert len(misses([0.6, *[0.1] * (rest + 1), 0.6, 0.1])) == 2
    assert len(misses([0.6, *[0.1] * (rest + 1), 0.6, 0.1], policy=Policy(threshold=0.8, refractory_s=20))) == 1


def test_a_stream_that_begins_anew_knows_nothing_of_the_old_one() -> None:
    watched = NearMisses({"bell": Policy(threshold=0.8)}, share=0.5, rate_hz=1)
    assert watched.step(np.array([0.7]), ends=100, active=frozenset) == []
    assert watched.step(np.array([0.1]), ends=1, active=frozenset) == []
    assert watched.step(np.array([0.6]), ends=2, active=frozenset) == []
    assert len(watched.step(np.array([0.1]), ends=3, active=frozenset)) == 1


def test_a_quiet_window_asks_for_nothing() -> None:
    watched = NearMisses({"bell": Policy(threshold=0.8)}, share=0.5, rate_hz=1)

    def never() -> frozenset[str]:
        raise AssertionError("asked")

    assert watched.step(np.array([0.1]), ends=1, active=never) == []


# The folder.


def row(number: int, samples: Pcm) -> dict[str, str]:
    values = (f"{number}.wav", "bell", "door", "pi-2026", "private", digest(samples), "2026", "m", "bell", "0.9")
    return dict(zip(COLUMNS, values, strict=True))


def noise(seed: int, n: int = 8000) -> Pcm:
    return np.random.default_rng(seed).integers(-9000, 9000, n).astype(np.int16)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 30_000), min_size=1, max_size=40))
def test_the_quota_holds_and_the_oldest_go_first(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    folder = tmp_path_factory.mktemp("state") / "clips"
    store, kept = ClipStore(folder, quota_bytes=200_000), 0
    for number, length in enumerate(lengths):
        samples = noise(number, length)
        assert store.add(samples, row(number, samples))
        kept += 1
        assert size(folder) == store.bytes <= 200_000
    names = [clip.path.name for clip in read_dataset(folder).clips]
    assert names == [f"{number}.wav" for number in range(len(lengths) - store.count, len(lengths))]
    assert store.count + store.dropped == kept
    assert [digest(read_audio(clip)) for clip in read_dataset(folder).clips]


def test_it_is_private_and_a_dataset(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips", quota_bytes=10**6)
    store.add(noise(1), row(1, noise(1)))
    assert (tmp_path / "clips").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "clips").iterdir()} == {0o600}
    [clip] = read_dataset(tmp_path / "clips").clips
    assert (clip.label, clip.speaker) == ("bell", ("door", "pi-2026"))
    np.testing.assert_array_equal(read_audio(clip), noise(1))


def test_one_larger_than_the_quota_is_not_kept_and_nothing_goes_for_it(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, quota_bytes=20_000)
    assert store.add(noise(1), row(1, noise(1)))
    assert not store.add(noise(2, 20_000), row(2, noise(2, 20_000)))
    assert (store.count, store.dropped) == (1, 0)


def test_the_next_run_goes_on_where_this_one_ended(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, quota_bytes=10**6)
    for number in range(3):
        store.add(noise(number), row(number, noise(number)))
    (tmp_path / "1.wav").unlink()
    (tmp_path / "orphan.wav").write_bytes(b"x" * 1000)
    (tmp_path / ".4.wav.part").write_bytes(b"x")
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write("4.wav,bell,doo")
    again = ClipStore(tmp_path, quota_bytes=10**6)
    assert [clip.path.name for clip in read_dataset(tmp_path).clips] == ["0.wav", "2.wav"]
    assert (again.count, again.bytes) == (2, size(tmp_path))
    assert ClipStore(tmp_path, quota_bytes=20_000).count == 1, "a smaller quota holds at once"
    assert [clip.path.name for clip in read_dataset(tmp_path).clips] == ["2.wav"]


@pytest.mark.parametrize("fails_at", range(5))
def test_a_disk_that_fails_at_any_step_leaves_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    store = ClipStore(tmp_path, quota_bytes=40_000)
    for number in (0, 1):
        store.add(noise(number), row(number, noise(number)))
    calls, write = iter(range(100)), clipstore._write

    def failing(path: Path, content: bytes) -> None:
        if next(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(clipstore, "_write", failing)
    for number in (2, 3):
        try:
            store.add(noise(number), row(number, noise(number)))
        except OSError:
            assert fails_at < 6
        clips = read_dataset(tmp_path).clips
        assert {clip.path.name for clip in clips} | {"manifest.csv"} == {path.name for path in tmp_path.iterdir()}
        assert (len(clips), size(tmp_path)) == (store.count, store.bytes)
        assert size(tmp_path) <= 40_000


# What is cut.


def chunks(samples: Pcm, *, rate_hz: int = RATE_HZ, began_ns: int = 5 * NS, first: int = 0) -> Iterator[Chunk]:
    """Cut a stream into chunks of 64 ms; `samples` have the shape (n, channels)."""
    step = rate_hz * 64 // 1000
    for at in range(0, len(samples), step):
        piece = samples[at : at + step]
        ended_ns = began_ns + (at + len(piece)) * NS // rate_hz
        yield Chunk(piece, rate_hz=rate_hz, first=first + at, ended_ns=ended_ns, fresh=first + at == 0)


def detection(at_s: float, *, label: str = "bell", kind: str = "detection", began_ns: int = 5 * NS) -> Event:
    decision = Decision(cast("Any", kind), label, 0.9, 0.9, 0.9, began=0, at=0)
    return Event(decision, at_s=at_s, at_ns=began_ns + round(at_s * NS), stream_ns=began_ns, level_dbfs=-20.0)


class Model:
    """As much of a lane as an ear needs."""

    rate_hz = RATE_HZ
    active: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.bundle = self
        self.labels = ("bell", "_noise_")
        self.policies = {"bell": Policy(threshold=0.8)}

    def heard_ns(self, sample: int) -> int:
        return 5 * NS + sample * NS // RATE_HZ


LANE = cast("Lane", Model())


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Clips]:
    made = Clips(tmp_path / "clips", quota_bytes=10**7, rolls=ROLLS, gateway="pi")
    made.start()
    yield made
    made.close()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "clips" / "manifest.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_sound_around_an_event_is_kept_to_the_sample(kept: Clips, tmp_path: Path) -> None:
    heard, ear = noise(1, 6 * RATE_HZ), kept.ear("door")
    for chunk in chunks(heard.reshape(-1, 1)):
        ear.take(chunk)
        if chunk.first <= 3 * RATE_HZ < chunk.first + len(chunk.samples):
            ear.decided("ring", LANE, [detection(3.0), detection(2.9, kind="end")])
    kept.close()
    [clip] = read_dataset(tmp_path / "clips").clips
    np.testing.assert_array_equal(read_audio(clip), heard[2 * RATE_HZ : 3 * RATE_HZ + RATE_HZ // 2])
    [told] = rows(tmp_path)
    assert (told["label"], told["source"], told["model"], told["heard"]) == ("bell", "door", "ring", "bell")
    assert told["group"] == f"pi-{told['at'][:10]}"
    assert (kept.health.kept, kept.health.lost, kept.health.state) == (1, 0, "ok")
    assert kept.health.bytes == size(tmp_path / "clips")


def test_stereo_of_another_rate_is_converted(kept: Clips, tmp_path: Path) -> None:
    t = np.arange(4 * 48_000) / 48_000
    tone = (8000 * np.sin(2 * np.pi * 500 * t)).astype(np.int16)
    ear = kept.ear("door")
    for chunk in chunks(np.stack([tone, tone], axis=1), rate_hz=48_000):
        ear.take(chunk)
        if chunk.first == 0:
            ear.decided("ring", LANE, [detection(2.0)])
    kept.close()
    [clip] = read_dataset(tmp_path / "clips").clips
    heard = read_audio(clip)
    assert len(heard) == round(1.5 * RATE_HZ)
    assert abs(np.abs(np.fft.rfft(heard)).argmax() / 1.5 - 500) < 1


def test_a_near_miss_is_kept_as_background(kept: Clips, tmp_path: Path) -> None:
    ear = kept.ear("door")
    watch = ear.decided("ring", LANE, [])
    assert ear.decided("ring", LANE, []) is watch, "one lane has one memory of its posteriors"
    for chunk in chunks(noise(1, 4 * RATE_HZ).reshape(-1, 1)):
        near = chunk.first in range(2 * RATE_HZ, 2 * RATE_HZ + 4000)
        watch(Scores(np.zeros(2, np.float32), chunk.first + 1), np.array([0.6 if near else 0.1]))
        ear.take(chunk)
    kept.close()
    [clip] = read_dataset(tmp_path / "clips").clips
    assert (clip.label, clip.is_background) == (NEAR_MISS, True)
    assert rows(tmp_path)[0]["heard"] == "bell"
    assert rows(tmp_path)[0]["score"] == "0.6000"


def test_two_at_one_moment_have_names_of_their_own(kept: Clips, tmp_path: Path) -> None:
    ear = kept.ear("door")
    for chunk in chunks(noise(1, 2 * RATE_HZ).reshape(-1, 1)):
        ear.take(chunk)
    ear.decided("ring", LANE, [detection(1.0), detection(1.0)])
    ear.finish()
    kept.close()
    assert len({clip.path for clip in read_dataset(tmp_path / "clips").clips}) == 2


def test_a_stream_that_breaks_ends_what_was_being_kept(kept: Clips, tmp_path: Path) -> None:
    ear, first = kept.ear("door"), noise(1, 2 * RATE_HZ)
    for chunk in chunks(first.reshape(-1, 1)):
        ear.take(chunk)
    ear.decided("ring", LANE, [detection(1.9)])
    for chunk in chunks(noise(2, RATE_HZ).reshape(-1, 1), began_ns=60 * NS):
        ear.take(chunk)
    ear.decided("ring", LANE, [detection(0.9, began_ns=60 * NS)])
    ear.finish()
    kept.close()
    clips = read_dataset(tmp_path / "clips").clips
    heard = [read_audio(clip) for clip in clips]
    np.testing.assert_array_equal(heard[0], first[round(0.9 * RATE_HZ) :])
    assert len(heard[1]) == RATE_HZ, "its post-roll was never heard, and its pre-roll is of this stream alone"


def test_an_ear_remembers_no_more_than_it_may(kept: Clips) -> None:
    ear = kept.ear("door")
    for chunk in chunks(np.zeros((120 * RATE_HZ, 1), np.int16)):
        ear.take(chunk)
    remembered_s = sum(len(chunk.samples) for chunk in ear._chunks) / RATE_HZ
    assert remembered_s <= ROLLS.pre_s + ROLLS.post_s + LATE_S + 0.2


# Nothing waits.


def test_a_disk_that_hangs_costs_clips_and_nothing_else(
    kept: Clips, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go, write = threading.Event(), clipstore._write

    def hanging(path: Path, content: bytes) -> None:
        assert go.wait(20)
        write(path, content)

    wait_until((tmp_path / "clips" / "manifest.csv").exists)
    monkeypatch.setattr(clipstore, "_write", hanging)
    ear, began_s = kept.ear("door"), time.monotonic()
    for second, chunk in enumerate(chunks(np.zeros((60 * RATE_HZ, 1), np.int16))):
        ear.take(chunk)
        ear.decided("ring", LANE, [detection(chunk.first / RATE_HZ)] if second % 12 == 0 else [])
    assert time.monotonic() - began_s < 2.0, "it waited"
    assert kept.health.lost >= 79 - MAX_WAITING - 2 - 2
    go.set()
    kept.close()
    assert kept.health.kept + kept.health.lost >= 77


def wait_until(true: Callable[[], object]) -> None:
    until_s = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_full_disk_is_said_once_and_when_it_is_over(
    kept: Clips, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="edged.clips")
    wait_until(lambda: kept._store is not None)
    write = clipstore._write

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ear = kept.ear("door")

    def happens(times: int) -> None:
        for chunk in chunks(noise(1, 2 * RATE_HZ).reshape(-1, 1)):
            ear.take(chunk)
        ear.decided("ring", LANE, [detection(0.5)] * times)
        ear.finish()

    monkeypatch.setattr(clipstore, "_write", full)
    happens(3)
    wait_until(lambda: kept.health.lost == 3)
    assert kept.health.state == "no space left on device"
    monkeypatch.setattr(clipstore, "_write", write)
    happens(1)
    wait_until(lambda: kept.health.kept == 1)
    wait_until(lambda: kept.health.state == "ok" and len(caplog.records) == 2)
    said = [record.getMessage() for record in caplog.records]
    assert "clips are lost" in said[0]
    assert "no space left on device" in said[0]
    assert "kept again" in said[1]


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file")
    with pytest.raises(StateError, match="clips cannot be kept in it") as told:
        Clips(tmp_path / "clips", quota_bytes=10**6, rolls=ROLLS, gateway="pi")
    assert (told.value.key, told.value.file) == ("clips.keep", str(tmp_path / "clips"))


def test_a_full_disk_at_the_start_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeping, "usable", full)
    monkeypatch.setattr(clipstore, "usable", full)
    made = Clips(tmp_path / "clips", quota_bytes=10**6, rolls=ROLLS, gateway="pi")
    made.close()
    made.start()
    wait_until(lambda: made.health.state == "no space left on device")
    made.close()
