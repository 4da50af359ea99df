"""The STM32F405's firmware in QEMU: started, spoken to by clients that no one here wrote, reset, and given models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from boards import SECONDS, Link
from gateway import heard
from qemu import QemuBoard

from edged.audio.sources import FileSource
from edged.classify.bundle import open_bundle
from edged.compiler.compiled import Source, compile_model
from edged.features.spec import Micro
from edged.mcu import group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.classify.bundle import Bundle
    from edged.records import Pcm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BIN = Path(sys.executable).parent
LINK_BYTES_S = 100_000
"""1 Mbaud, ten bits a byte."""
SILENCE = np.zeros(16_000, np.int16)


@pytest.fixture(scope="module")
def board() -> Iterator[QemuBoard]:
    with QemuBoard() as started:
        with started.open():
            pass
        yield started


@pytest.fixture
def quick() -> Iterator[Link]:
    """To a board of its own, by the faster line."""
    with QemuBoard(datagrams=True) as started, started.open() as link:
        yield link


def micro_speech(shared: Path) -> Bundle:
    """TensorFlow's example, hearing every 100 ms."""
    return open_bundle(
        shared / "models/micro_speech_quantized.tflite",
        labels=["silence", "unknown", "yes", "no"], background=["silence", "unknown"], front_end=Micro(every=2),
        hop_frames=5, policy={"threshold": 0.7, "refractory_s": 1.0},
    )  # fmt: skip


def plan_of(bundle: Bundle) -> bytes:
    return compile_model(Source(bundle.path, bundle.model, bundle)).data


def words(shared: Path, *said: str) -> Pcm:
    """TensorFlow's test words, one second each, and a second of silence after each."""
    files = [FileSource(shared / f"models/wav/{word}_1000ms.wav") for word in said]
    return np.concatenate([part for file in files for part in (*(c.samples[:, 0] for c in file.chunks()), SILENCE)])


def typed(board: QemuBoard, *told: str) -> str:
    """What smpmgr says."""
    done = subprocess.run(
        [BIN / "smpmgr", "--port", str(board.device), "--timeout", "10", *told],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Who it is.


def test_says_who_it_is_and_how_fast(board: QemuBoard) -> None:
    with board.open() as link:
        hello = link.hello()
        heartbeat = link.heartbeat()
    assert (hello.board, hello.chip, hello.baud) == ("stm32f405", "STM32F405, Cortex-M4F, in QEMU", 1_000_000)
    assert (hello.uid, hello.microphone) == (b"QEMU-F405\0\0\0", False)
    assert 2048 < heartbeat.stack_free_bytes < 6144


def test_time_passes_as_here_and_most_of_it_asleep() -> None:
    with QemuBoard() as started, started.open() as link:
        link.subscribe()
        before, began = link.hello().up_ms, time.monotonic()
        link.wait(lambda: len(link.heartbeats) == 3)
        assert link.hello().up_ms - before == pytest.approx(1000 * (time.monotonic() - began), rel=0.1)
        assert min(each.idle_permille for each in link.heartbeats[1:]) > 500


# Clients that no one here wrote.


def test_smpmgr_gets_an_echo(board: QemuBoard) -> None:
    assert "r='hallo'" in typed(board, "os", "echo", "hallo")


def test_smpmgr_sees_the_image(board: QemuBoard) -> None:
    said = typed(board, "image", "state-read")
    assert "version='0.1.0'" in said or 'version="0.1.0"' in said
    assert "active=True" in said


def test_smpmgr_resets_it() -> None:
    with QemuBoard() as started:
        with started.open() as link:
            assert (link.hello().boot, link.hello().reset) == (1, "power")
        typed(started, "os", "reset")
        with Link(started.device or Path()) as link:
            link.wait_for_boot(2)
            assert link.hello().reset == "software"


def test_smpclient_reads_what_it_can_read(board: QemuBoard) -> None:
    async def ask() -> dict[str, Any]:
        from smpclient import SMPClient  # noqa: PLC0415 - not in every environment
        from smpclient.requests import os_management as os  # noqa: PLC0415 - likewise
        from smpclient.transport.serial import SMPSerialTransport  # noqa: PLC0415 - likewise

        async with SMPClient(SMPSerialTransport(), str(board.device)) as client:
            return {
                "parameters": await client.request(os.MCUMgrParametersRead()),
                "info": await client.request(os.OSApplicationInfoRead(format="a")),
                "tasks": await client.request(os.TaskStatisticsRead()),
                "set": await client.request(os.DateTimeWrite(datetime="2026-05-04T03:02:01")),
                "datetime": await client.request(os.DateTimeRead()),
            }

    told = asyncio.run(asyncio.wait_for(ask(), 60))
    assert told["parameters"].buf_size == 1280
    assert "edged" in told["info"].output
    assert "stm32f405" in told["info"].output
    assert list(told["tasks"].tasks)
    assert told["datetime"].datetime.startswith("2026-05-04T03:02:0")


# What it hears.


@pytest.mark.shared
def test_micro_speech_hears_yes_and_no(quick: Link, shared: Path) -> None:
    bundle = micro_speech(shared)
    sound = words(shared, "yes", "no", "yes", "no")
    quick.install(plan_of(bundle))
    assert group.read(group.Selftest, quick.ask(group.selftest()).body).differs is None
    quick.subscribe()
    answers = quick.inject(sound.tobytes())
    expected = heard(bundle, sound)
    assert b"".join(answer.outputs for answer in answers) == b"".join(expected.outputs)
    quick.wait(lambda: len(quick.events) == len(expected.decisions))
    assert [event.label for event in quick.events] == ["yes", "no", "yes", "no"]
    assert [(event.label, event.at) for event in quick.events] == [(each.label, each.at) for each in expected.decisions]


@pytest.mark.shared
def test_an_event_survives_a_reset(quick: Link, shared: Path) -> None:
    quick.install(plan_of(micro_speech(shared)))
    quick.acknowledge = lambda _: None
    quick.subscribe()
    quick.inject(words(shared, "yes").tobytes())
    quick.wait(lambda: bool(quick.events))
    first = quick.events[0]
    quick.reset()
    quick.wait_for_boot(2)
    hello = quick.hello()
    assert (hello.reset, hello.first, hello.next) == ("software", first.number, first.number + 1)
    quick.events.clear()
    quick.acknowledge = lambda _: 0
    quick.subscribe()
    quick.wait(lambda: bool(quick.events))
    assert quick.events == [first]
    assert (first.label, first.boot) == ("yes", 1)
    quick.wait(lambda: quick.hello().first == first.number + 1)
    assert quick.slots().slots[0].state == "whole", "the model is there as well"
    assert quick.slots().confirmed == 0


# The link's speed. QEMU's UART takes whatever comes: a mistake in the pacing would show on a board only.


class Throttled(Link):
    """A link that puts no more on the line than 1 Mbaud carries, and counts."""

    sent = 0
    free = 0.0

    def write(self, data: bytes, *, seconds: float = SECONDS) -> None:
        for at in range(0, len(data), 128):
            piece = data[at : at + 128]
            self.free = max(self.free, time.monotonic()) + len(piece) / LINK_BYTES_S
            super().write(piece, seconds=seconds)
            self.sent += len(piece)
            while (left := self.free - time.monotonic()) > 0:
                time.sleep(left)


@pytest.mark.shared
def test_sound_fits_through_a_line_of_1_mbaud(shared: Path) -> None:
    bundle = micro_speech(shared)
    sound = words(shared, "yes", "no")
    with QemuBoard() as started:
        with started.open():
            pass
        with Throttled(started.device or Path()) as link:
            link.install(plan_of(bundle))
            before = link.sent
            answers = link.inject(sound.tobytes())
            spent = link.sent - before
            heartbeat = link.heartbeat()
    assert b"".join(answer.outputs for answer in answers) == b"".join(heard(bundle, sound).outputs)
    assert (heartbeat.link_lost, heartbeat.link_bad) == (0, 0)
    assert 40_000 < spent / (len(sound) / 16_000) < LINK_BYTES_S / 2, "half of the line is left for answers and waiting"
