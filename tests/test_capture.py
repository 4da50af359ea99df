"""The microphone and its capture child, with a real sound server, and with a peer for what that cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import fake_portaudio
import numpy as np
import psutil
import pytest
from rig import Listening, Rig, make_rig, report, wait_until

from edged.audio import microphone as microphone_module
from edged.audio import pace
from edged.audio.microphone import Microphone
from edged.errors import ConfigError
from edged.records import Chunk, Condition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ("rig_fixtures",)

ABSENT_S = 2.0
BACK_S = 3.0
"""The promise: published absent, and heard again, within so long."""


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "edged.audio.capture" in " ".join(one.cmdline())]


def descriptors() -> int:
    return psutil.Process().num_fds()


# With a real sound server.


def test_chunks_come_at_the_wanted_shape_and_follow_each_other(rig: Rig) -> None:
    with Listening(Microphone(rig.device, chunk_ms=32)) as heard:
        chunks = heard.wait_chunks(20)
        age_s = (time.monotonic_ns() - chunks[-1].ended_ns) / 1e9
    assert [condition.state for _, condition in heard.conditions[:2]] == ["starting", "hearing"]
    assert all(chunk.samples.shape == (512, 1) and chunk.rate_hz == 16000 for chunk in chunks)
    assert [chunk.first for chunk in chunks] == [512 * n for n in range(20)]
    assert [chunk.fresh for chunk in chunks] == [True] + [False] * 19
    assert 0 <= age_s < 0.3
    assert not children()


def break_and_mend(heard: Listening, *, broken: Callable[[], None], mended: Callable[[], None]) -> tuple[float, float]:
    """Break the rig and mend it; return after how many seconds each was said."""
    broken_s = time.monotonic()
    broken()
    absent_s = heard.wait_state("absent", since_s=broken_s, within_s=10)
    mended()
    mended_s = time.monotonic()
    # It may be heard before the last step of mending returns.
    again_s = broken_s + absent_s + heard.wait_state("hearing", since_s=broken_s + absent_s, within_s=15)
    back_s = max(0.0, again_s - mended_s)
    heard.wait_chunks(3)
    return absent_s, back_s


BREAKS = {
    "unplug": (Rig.unplug, Rig.plug),
    "stall": (Rig.stall, Rig.resume),
    "kill": (Rig.kill_server, Rig.start_server),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_loss_is_said_and_the_return_is_heard_twice(rig: Rig, kind: str) -> None:
    broken, mended = BREAKS[kind]
    microphone = Microphone(rig.device)
    with Listening(microphone) as heard:
        heard.wait_chunks(3)
        for _ in range(2):
            absent_s, back_s = break_and_mend(heard, broken=partial(broken, rig), mended=partial(mended, rig))
            report(f"{kind}: absent after {absent_s:.2f} s, back after {back_s:.2f} s")
            assert absent_s < ABSENT_S
            assert back_s < BACK_S
    assert sum(chunk.fresh for chunk in heard.chunks) == 3
    assert microphone.ledger.missed_s > 0
    assert not children()


def test_absent_at_the_start_is_said_again_and_again_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_rig(tmp_path / "rig", monkeypatch, plugged=False) as rig, Listening(Microphone("name:mic")) as heard:
        began_s = time.monotonic()
        report(f"absent after {heard.wait_state('absent', since_s=began_s, within_s=ABSENT_S):.2f} s")
        wait_until(lambda: len(heard.conditions) > 2, within_s=5, what="every attempt is told")
        rig.plug()
        plugged_s = time.monotonic()
        heard.wait_state("hearing", since_s=began_s, within_s=BACK_S)
        report(f"heard after {time.monotonic() - plugged_s:.2f} s")


def test_a_server_that_hangs_from_the_start_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "ATTEMPT_S", 1.5)
    rig.stall()
    with Listening(Microphone(rig.device)) as heard:
        began_s = time.monotonic()
        heard.wait_state("absent", since_s=began_s, within_s=8)
        rig.resume()
        heard.wait_state("hearing", since_s=began_s, within_s=BACK_S)


def test_mute_is_silence_and_unmute_ends_it(rig: Rig, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-3000, 3000, 16000 * 30).astype("<i2").tobytes()
    with Listening(Microphone(rig.device, silent_after_s=0.5)) as heard:
        heard.wait_state("silent", since_s=0, within_s=5)
        raw = tmp_path / "noise.raw"
        raw.write_bytes(noise)
        command = ["pacat", "--raw", "-d", "mic_sink", "--format=s16le", "--rate=16000", "--channels=1", str(raw)]
        player = subprocess.Popen(command, env=os.environ | rig.env)
        try:
            heard.wait_state("hearing", since_s=heard.conditions[-1][0], within_s=5)
            muted_s = time.monotonic()
            rig.mute(muted=True)
            heard.wait_state("silent", since_s=muted_s, within_s=5)
            unmuted_s = time.monotonic()
            rig.mute(muted=False)
            heard.wait_state("hearing", since_s=unmuted_s, within_s=5)
        finally:
            player.kill()
            player.wait()


def test_what_is_heard_is_bit_for_bit_what_was_said(pipe_rig: Rig) -> None:
    """A counter runs through the microphone; every sample must be the one before plus one."""
    stop = threading.Event()

    def speak() -> None:
        counter = np.arange(65536).astype(np.int16).astype("<i2")
        with pipe_rig.fifo.open("wb") as fifo:
            began_s = time.monotonic()
            for turn in range(10_000):
                if stop.is_set():
                    return
                fifo.write(np.roll(counter, -turn * 320)[:320].tobytes())
                fifo.flush()
                time.sleep(max(0.0, began_s + (turn + 1) * 0.02 - time.monotonic()))

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        with Listening(Microphone(pipe_rig.device)) as heard:
            heard.wait_chunks(5)
            chunks = heard.wait_chunks(20)
    finally:
        stop.set()
        speaker.join(5)
    samples = np.concatenate([chunk.samples[:, 0] for chunk in chunks])
    assert set(np.diff(samples.astype(np.int32)).tolist()) <= {1, 1 - 65536}


def test_closing_kills_and_reaps_the_child_even_when_the_server_hangs(rig: Rig) -> None:
    async def hear_and_close() -> None:
        async with contextlib.aclosing(Microphone(rig.device).listen()) as listening:
            async for heard in listening:
                if isinstance(heard, Chunk):
                    rig.stall()
                    assert len(children()) == 1
                    return

    before = descriptors()
    for _ in range(2):
        asyncio.run(hear_and_close())
        rig.resume()
        assert not children()
    assert descriptors() == before


PARENT = """
import asyncio
from edged.audio.microphone import Microphone
async def main():
    async for heard in Microphone("name:mic").listen():
        print(type(heard).__name__, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("stalled", [False, True])
def test_the_child_dies_with_its_parent(rig: Rig, *, stalled: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    while parent.stdout.readline() != "Chunk\n":
        pass
    (capture,) = psutil.Process(parent.pid).children()
    if stalled:
        rig.stall()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not capture.is_running() or capture.status() == "zombie", within_s=2, what="it dies")


def test_the_child_leaves_signals_to_its_parent(rig: Rig) -> None:
    with Listening(Microphone(rig.device)) as heard:
        heard.wait_chunks(2)
        (capture,) = children()
        capture.send_signal(signal.SIGINT)
        capture.send_signal(signal.SIGTERM)
        heard.wait_chunks(10)
        assert children() == [capture]
        assert os.getpgid(capture.pid) != os.getpgid(0)


def test_a_killed_child_is_replaced(rig: Rig) -> None:
    with Listening(Microphone(rig.device)) as heard:
        heard.wait_chunks(2)
        killed_s = time.monotonic()
        children()[0].kill()
        assert heard.wait_state("absent", since_s=killed_s, within_s=ABSENT_S) < ABSENT_S
        assert heard.wait_state("hearing", since_s=killed_s, within_s=5) < BACK_S
    assert "SIGKILL" in next(said.why for _, said in heard.conditions if said.state == "absent")


def test_the_child_is_small(rig: Rig) -> None:
    with Listening(Microphone(rig.device)) as heard:
        heard.wait_chunks(3)
        rss = children()[0].memory_info().rss / 1e6
        mapped = " ".join(one.path for one in children()[0].memory_maps())
    report(f"capture child: {rss:.1f} MB")
    assert "portaudio" in mapped
    assert "numpy" not in mapped
    assert rss < 24


# With a peer that speaks PortAudio.


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **case: fake_portaudio.use(tmp_path / "fake", monkeypatch, **case)


def first_words(device: str = "name:fake", *, within_s: float = 5.0) -> Condition:
    """What is said first, after `starting`."""
    with Listening(Microphone(device)) as heard:
        wait_until(lambda: len(heard.conditions) > 1, within_s=within_s, what="something is said")
    return heard.conditions[1][1]


def test_a_busy_device_is_busy(fake: Callable[..., None]) -> None:
    fake(error=-9985)
    assert first_words() == Condition("busy", "name:fake: fake is in use by another program")


def test_an_absent_device_names_those_that_are_there(fake: Callable[..., None]) -> None:
    fake(devices=[{"name": "USB Mic: Audio (hw:7,0)"}, {"name": "speaker", "maxInputChannels": 0}])
    said = first_words("name:Other")
    assert said == Condition("absent", "name:Other: no such device; there are: name:USB Mic")


def test_no_device_at_all(fake: Callable[..., None]) -> None:
    fake(devices=[])
    assert first_words("default") == Condition(
        "absent",
        "default: no default input device; there is no input device at all; plug one in, or join the group audio",
    )


def test_two_devices_of_one_name_are_not_chosen_between(fake: Callable[..., None]) -> None:
    fake(devices=[{"name": "USB Mic: Audio (hw:7,0)"}, {"name": "USB Mic: Audio (hw:8,0)"}])
    said = first_words("name:USB Mic")
    assert said.state == "absent"
    assert "2 devices have this name" in said.why


def test_a_device_that_refuses_the_rate_is_heard_at_its_own(fake: Callable[..., None]) -> None:
    fake(accepts=[[48000, 2]])
    with Listening(Microphone("name:fake")) as heard:
        chunk = heard.wait_chunks(2)[0]
    assert (chunk.rate_hz, chunk.samples.shape) == (48000, (3072, 2))
    assert "48000 Hz, 2 channels" in heard.conditions[-1][1].why


def test_a_device_that_refuses_everything_is_at_the_wrong_rate(fake: Callable[..., None]) -> None:
    fake(accepts=[])
    assert first_words().state == "wrong-rate"


def test_a_stream_that_hangs_and_cannot_be_closed_is_replaced(fake: Callable[..., None]) -> None:
    fake(reads=5, then_hang_s=60, close_hang_s=60)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_chunks(5)
        stopped_s = time.monotonic()
        assert heard.wait_state("absent", since_s=stopped_s - 0.1, within_s=3) < ABSENT_S
        heard.wait_state("hearing", since_s=stopped_s, within_s=3)


def test_a_stream_that_ends_is_looked_for_by_the_same_child(fake: Callable[..., None]) -> None:
    fake(reads=3)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_chunks(3)
        (capture,) = children()
        heard.wait_chunks(9)
        assert children() == [capture]
    assert [chunk.first for chunk in heard.chunks[:6]] == [0, 1024, 2048, 0, 1024, 2048]


def test_what_waits_behind_a_chunk_comes_with_the_next(fake: Callable[..., None]) -> None:
    fake(behind=736)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_chunks(3)
    assert [len(chunk.samples) for chunk in heard.chunks[:3]] == [1024, 1024 + 736 - 160, 1024 + 736 - 160]


def test_of_what_waits_no_more_than_a_chunk_comes_at_once(fake: Callable[..., None]) -> None:
    fake(behind=16000)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_chunks(2)
    assert [len(chunk.samples) for chunk in heard.chunks[:2]] == [1024, 2048]


def test_a_look_that_hangs_is_given_up(fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "ATTEMPT_S", 0.5)
    fake(init_hang_s=60)
    assert first_words() == Condition("absent", "name:fake: no answer from the sound system for 0.5 s")


def test_a_child_that_dies_at_once_says_why_and_is_not_restarted_in_a_frenzy(fake: Callable[..., None]) -> None:
    fake(die=True)
    with Listening(Microphone("name:fake")) as heard:
        wait_until(lambda: len(heard.conditions) > 3, within_s=6, what="several deaths are told")
    said = [(at, condition) for at, condition in heard.conditions if condition.state == "absent"]
    assert said[0][1].why == "name:fake: the capture process ended: signal SIGABRT: all is lost"
    assert said[1][0] - said[0][0] > 0.5


def test_a_machine_without_a_descriptor_left_is_waited_for(fake: Callable[..., None]) -> None:
    fake()

    async def listen() -> list[str]:
        states: list[str] = []
        async with contextlib.aclosing(Microphone("name:fake").listen()) as listening:
            async for heard in listening:
                states.append(heard.state if isinstance(heard, Condition) else "audio")
                if states[-1] == "starting":
                    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
                if states[-1] == "absent":
                    assert isinstance(heard, Condition)
                    assert heard.why == "name:fake: the capture process cannot be started: Too many open files"
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                if states[-1] == "audio":
                    break
        return states

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert asyncio.run(asyncio.wait_for(listen(), 10)) == ["starting", "absent", "hearing", "audio"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_chunk_is_never_longer_than_a_frame_can_hold(fake: Callable[..., None]) -> None:
    fake(devices=[{"name": "fake", "maxInputChannels": 8}], speed=20)
    with Listening(Microphone("name:fake", rate_hz=192_000, channels=8, chunk_ms=1000)) as heard:
        heard.wait_chunks(2)


def test_garbage_is_not_taken_for_audio(fake: Callable[..., None]) -> None:
    fake(garbage=True)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_state("absent", since_s=0, within_s=5)


def test_after_many_looks_the_child_becomes_a_new_one(fake: Callable[..., None]) -> None:
    fake(devices=[], retry_s=0.001)
    with Listening(Microphone("name:fake")) as heard:
        wait_until(lambda: len(heard.conditions) > 20, within_s=5, what="it looks")
        (capture,) = children()
        wait_until(lambda: len(heard.conditions) > 350, within_s=10, what="it looks on and on")
        assert children() == [capture]
    assert {condition.state for _, condition in heard.conditions} == {"starting", "absent"}


def test_a_consumer_that_is_too_slow_loses_the_oldest_and_is_told(fake: Callable[..., None]) -> None:
    fake(speed=10)

    async def dawdle() -> tuple[list[Chunk], Microphone]:
        microphone = Microphone("name:fake", chunk_ms=100)
        chunks: list[Chunk] = []
        async with contextlib.aclosing(microphone.listen()) as listening:
            async for heard in listening:
                if isinstance(heard, Chunk):
                    chunks.append(heard)
                    if len(chunks) == 3:
                        await asyncio.sleep(0.8)
                    if len(chunks) == 60:
                        break
        return chunks, microphone

    chunks, microphone = asyncio.run(dawdle())
    assert microphone.ledger.dropped_chunks >= 20
    assert [chunk.fresh for chunk in chunks[:5]] == [True, False, False, True, False]
    assert [chunk.first for chunk in chunks[2:5]] == [3200, 0, 1600]
    numbers = [int(chunk.samples[0, 0]) & 255 for chunk in chunks]
    assert (numbers[3] - numbers[2]) % 256 == microphone.ledger.dropped_chunks + 1


def test_a_device_much_too_fast_is_at_the_wrong_rate(
    fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "WINDOW_S", 0.5)
    fake(speed=3)
    with Listening(Microphone("name:fake")) as heard:
        heard.wait_state("wrong-rate", since_s=0, within_s=12)
    assert "samples a second" in heard.conditions[-1][1].why


@pytest.mark.parametrize("device", ["", "1", "hw:1,0", "name:", "usb: ", "USB Mic"])
def test_a_device_string_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="name:…"):
        Microphone(device)


@pytest.mark.slow
def test_twenty_losses_leave_memory_and_descriptors_flat(rig: Rig) -> None:
    kinds = [*BREAKS] * 7
    me = psutil.Process()
    measured: list[tuple[float, int]] = []
    worst = {"absent": 0.0, "back": 0.0}
    with Listening(Microphone(rig.device)) as heard:
        heard.wait_chunks(3)
        for kind in kinds[:20]:
            broken, mended = BREAKS[kind]
            absent_s, back_s = break_and_mend(heard, broken=partial(broken, rig), mended=partial(mended, rig))
            assert absent_s < ABSENT_S
            assert back_s < BACK_S
            worst = {"absent": max(worst["absent"], absent_s), "back": max(worst["back"], back_s)}
            del heard.chunks[:]
            measured.append((me.memory_info().rss / 1e6, descriptors()))
            assert len(children()) == 1
    report(
        f"worst: absent after {worst['absent']:.2f} s, back after {worst['back']:.2f} s; {measured[2]} → {measured[-1]}"
    )
    assert measured[-1][1] <= measured[2][1] + 1
    assert measured[-1][0] - measured[2][0] < 3
