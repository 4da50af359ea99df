"""The board `host`, which is the application on this machine: its link, its resets, what it survives."""

from __future__ import annotations

import os
import random
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from boards import SECONDS, HostBoard, Link
from firmware import FIRMWARE, image

from edged import __version__
from edged.mcu import framing, group, smp
from edged.mcu.group import Error
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_PLAN = bytes(64)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[HostBoard]:
    with HostBoard(tmp_path) as made:
        yield made


@pytest.fixture
def link(board: HostBoard) -> Iterator[Link]:
    with board.open() as opened:
        yield opened


def test_says_who_it_is(tmp_path: Path) -> None:
    uid = bytes(range(12))
    with HostBoard(tmp_path, ("--uid", uid.hex(), "--silence")) as board, board.open() as link:
        hello = link.hello()
    assert (hello.board, hello.firmware, hello.uid, hello.microphone) == ("host", __version__, uid, True)
    assert (hello.boot, hello.reset, hello.first, hello.next) == (1, "power", 1, 1)


def test_answers_at_once_and_in_order(link: Link) -> None:
    began = time.monotonic()
    assert [link.echo(f"{number}") for number in range(200)] == [f"{number}" for number in range(200)]
    assert time.monotonic() - began < SECONDS
    assert link.bad == 0


def test_says_nothing_until_somebody_subscribes(link: Link) -> None:
    link.listen(0.3)
    assert link.heartbeats == []
    link.subscribe(1000)
    link.wait(lambda: len(link.heartbeats) == 1)
    assert link.heartbeats[0].state == "empty"


def test_is_silent_when_the_lease_ends(tmp_path: Path) -> None:
    fast = ("--speed", "10", "--watchdog-ms", "0")  # 5 s between heartbeats are 0.5
    with HostBoard(tmp_path, fast) as board, board.open() as link:
        began_ms = link.heartbeat().up_ms
        link.subscribe(8_000)
        link.wait(lambda: link.heartbeat().up_ms > began_ms + 20_000)
        assert len(link.heartbeats) in {1, 2}
        assert link.heartbeats[-1].up_ms < link.heartbeats[0].up_ms + 8_000
        link.subscribe(60_000)
        said = len(link.heartbeats)
        link.wait(lambda: len(link.heartbeats) > said)
        link.ask(group.subscribe(lease_ms=0))
        said = len(link.heartbeats)
        link.listen(0.8)
        assert len(link.heartbeats) == said


def test_sleeps_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    with HostBoard(tmp_path, ("--silence",)) as board, board.open() as link:
        link.listen(1.1)
        heartbeat = link.heartbeat()
    assert heartbeat.idle_permille > 500
    assert heartbeat.heard + heartbeat.missed >= 16_000


def test_takes_one_answer_before_the_next_request(link: Link) -> None:
    """250 requests are 8 kB, which a pty holds; their answers are 50, which it does not: they wait for one another."""
    requests = [replace(group.hello(), sequence=number) for number in range(250)]
    link.write(b"".join(framing.write(smp.write(request)) for request in requests))
    time.sleep(0.3)
    answers: list[Message] = []

    def all_came() -> bool:
        answers.extend(link.answers())
        return len(answers) == len(requests)

    link.wait(all_came)
    assert [answer.sequence for answer in answers] == list(range(250))
    assert {answer.body["board"] for answer in answers} == {"host"}
    assert link.bad == 0


def damaged(kind: str, *, noise: random.Random) -> bytes:
    """A frame that is none, or bytes that never were one."""
    frame = framing.write(smp.write(Message(Op.WRITE, 0, 0, {"d": "x" * noise.randrange(300)})))
    match kind:
        case "noise":
            return noise.randbytes(noise.randrange(1, 2000))
        case "cut":
            return frame[: noise.randrange(3, len(frame) - 1)]
        case "flipped":
            at = noise.randrange(2, len(frame) - 1)
            return frame[:at] + bytes([frame[at] ^ 1 << noise.randrange(8)]) + frame[at + 1 :]
        case "too long":
            return framing.write(bytes(5000))
        case "no map":
            return framing.write(noise.randbytes(noise.randrange(40)))
    raise AssertionError(kind)


def test_survives_a_flood(link: Link) -> None:
    noise = random.Random(4)
    for number in range(300):
        link.write(damaged(noise.choice(["noise", "cut", "flipped", "too long", "no map"]), noise=noise))
        if number % 50 == 49:
            link.write(b"\n")
            link.answers()
            assert link.echo(f"{number}") == f"{number}"
    assert link.heartbeat().link_bad > 100
    assert link.hello().boot == 1


def test_a_reset_is_answered_first(board: HostBoard, link: Link) -> None:
    link.reset()
    link.wait_for_boot(2)
    assert link.hello().reset == "software"
    assert board.process is not None
    assert board.process.poll() is None


def test_counts_boots_over_power_cuts(board: HostBoard) -> None:
    for boot in (1, 2, 3):
        with board.open() as link:
            assert link.hello().boot == boot
        board.kill()
        board.noinit.unlink()
        board.start()
    with board.open() as link:
        assert link.hello().reset == "power"


def test_the_reset_button_leaves_ram_alone(board: HostBoard) -> None:
    board.kill()
    board.start()
    with board.open() as link:
        assert link.hello().reset == "pin"


def test_without_files_memory_lasts_over_a_reset(tmp_path: Path) -> None:
    device = tmp_path / "board"
    process = subprocess.Popen([image("host"), "--pty", device], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with Link(device) as link:
        link.reset()
        link.wait_for_boot(2)
    process.terminate()
    assert process.wait(SECONDS) == 0
    assert not device.is_symlink()
    process.stdout.close()


def test_the_watchdog_ends_a_stall(tmp_path: Path) -> None:
    """An erase that takes longer than the watchdog waits is a loop that stands still."""
    with HostBoard(tmp_path, ("--erase-ms", "6000", "--watchdog-ms", "1500")) as board, board.open() as link:
        link.send(group.begin_upload(NO_PLAN, length=len(NO_PLAN), sha256=bytes(32)))
        link.wait_for_boot(2)
        assert link.hello().reset == "watchdog"


def test_an_erase_is_missed_audio(tmp_path: Path) -> None:
    with HostBoard(tmp_path, ("--erase-ms", "600", "--silence")) as board, board.open() as link:
        before = link.heartbeat()
        error = link.refusal(group.begin_upload(NO_PLAN, length=len(NO_PLAN), sha256=bytes(32)))
        assert (error.rc, error.reason) == (Error.BUSY, "erasing")
        link.listen(0.2)
        after = link.heartbeat()
    assert after.missed - before.missed >= 0.3 * 16_000  # the microphone keeps 256 ms
    assert after.heard + after.missed >= 0.8 * 16_000


def test_a_slow_link_is_slow(tmp_path: Path) -> None:
    with HostBoard(tmp_path, ("--baud", "9600")) as board, board.open() as link:
        assert link.hello().baud == 9600
        began = time.monotonic()
        assert link.echo("x" * 600) == "x" * 600
        assert time.monotonic() - began > 2 * 600 * 4 / 3 / 960 * 0.9


def test_what_nobody_reads_does_not_stop_it(link: Link) -> None:
    """Neither the board nor what it has to say: the link fills, and goes on where it stopped."""
    request = framing.write(smp.write(Message(Op.WRITE, 0, 0, {"d": "x" * 400})))
    with suppress(BlockingIOError):  # in the end nobody takes any more
        for _ in range(10_000):
            os.write(link.fd, request)
    time.sleep(0.1)
    link.write(b"\n")
    assert link.echo("still here") == "still here"


def test_who_plugs_in_hears_nothing_old(board: HostBoard) -> None:
    with board.open() as link:
        link.send(group.subscribe(lease_ms=300))
        for _ in range(100):
            link.send(group.hello())
        time.sleep(0.2)
    time.sleep(0.3)
    with board.open() as link:
        assert not link.readable(0.3)
        assert link.hello().boot == 1


OPTIONS = [
    ((), "--pty"),
    (("--pty", "/proc/1/board"), "/proc/1/board"),
    (("--pty", "{folder}"), "no symbolic link"),
    (("--pty", "{folder}/b", "--wav", "{folder}/none.wav"), "none.wav: No such file"),
    (("--pty", "{folder}/b", "--wav", "{folder}/text"), "is no WAV"),
    (("--pty", "{folder}/b", "--wav", "{folder}/text", "--silence"), "--silence"),
    (("--pty", "{folder}/b", "--flash", "{folder}/text"), "has 4 bytes"),
    (("--pty", "{folder}/b", "--flash", "{folder}"), "Is a directory"),
    (("--pty", "{folder}/b", "--uid", "0g"), "24 digits"),
    (("--pty", "{folder}/b", "--baud", "fast"), "300 to"),
    (("--pty", "{folder}/b", "--speed", "0"), "0.01 to 100"),
    (("--pty", "{folder}/b", "--erase-unit", "3000"), "power of two"),
    (("--pty", "{folder}/b", "--slot-bytes", "1000"), "whole units"),
    (("--pty", "{folder}/b", "--arena-bytes", "1001"), "multiple of 16"),
    (("--pty", "{folder}/b", "more"), "more"),
    (("--frequency", "1"), "--help"),
]


@pytest.mark.parametrize(("options", "says"), OPTIONS, ids=[says for _, says in OPTIONS])
def test_bad_options_are_refused_by_name(options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    words = [option.format(folder=tmp_path) for option in options]
    done = subprocess.run([image("host"), *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2, done
    assert says in done.stderr
    assert not (tmp_path / "b").is_symlink()


def test_flash_is_used_by_one_board_at_a_time(board: HostBoard) -> None:
    done = subprocess.run(board.words(), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "another process uses it" in done.stderr


def test_help_names_every_option() -> None:
    done = subprocess.run([image("host"), "--help"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0
    source = (FIRMWARE / "boards/host/options.c").read_text()
    for option in source.split("OPTIONS[] = {")[1].split("};")[0].split('{"')[1:]:
        assert f"--{option.split(chr(34))[0]}" in done.stdout


def test_answers_keep_the_version_of_the_request(link: Link) -> None:
    answer = link.ask(replace(group.hello(), version=smp.VERSION_1))
    assert answer.version == smp.VERSION_1
