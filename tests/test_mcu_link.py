"""A serial port's bytes, both ways, for us alone, and its loss; the other end is a pty."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pty_peer import SECONDS, Pty, until

from edged.errors import BoardAway, PortBusy
from edged.mcu import link
from edged.mcu.board import LinkCounts
from edged.mcu.link import Link, opened

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

BAUD = 1_000_000
TIOCGEXCL = 0x80045440
TCGETS2 = 0x802C542A


@pytest.fixture
def pty() -> Iterator[Pty]:
    with Pty() as made:
        yield made


def open_link(pty: Pty, *, baud: int = BAUD) -> Link:
    return Link.open(pty.device, baud=baud, dtr=False, rts=False)


def run(scenario: Coroutine[object, object, None]) -> None:
    """With a deadline, so that nothing hangs."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(within())


def descriptors(device: Path) -> int:
    """How many of this process are open on a device, or were when it went."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # of the listing itself
            found += str(each.readlink()).removesuffix(" (deleted)") == str(device)
    return found


def test_every_byte_goes_both_ways_as_it_is(pty: Pty) -> None:
    every = bytes(range(256))

    async def scenario() -> None:
        ours = open_link(pty)
        await ours.write(every)
        assert await pty.read() == every
        await pty.write(every)
        assert await ours.read() == every
        assert (ours.counts.bytes_in, ours.counts.bytes_out) == (256, 256)
        ours.close()

    run(scenario())


def test_counts_go_on_from_one_link_to_the_next(pty: Pty) -> None:
    async def scenario() -> None:
        counts = LinkCounts(bytes_in=5, bytes_out=7)
        ours = await opened(pty.device, baud=BAUD, dtr=None, rts=None, counts=counts)
        await ours.write(b"abc")
        await pty.write(b"de")
        await ours.read()
        assert (counts.bytes_in, counts.bytes_out) == (7, 10)
        ours.close()

    run(scenario())


@pytest.mark.parametrize("baud", [115_200, 1_000_000, 1_234_567])
def test_the_rate_is_what_was_wished(pty: Pty, baud: int) -> None:
    ours = open_link(pty, baud=baud)
    assert struct.unpack_from("II", fcntl.ioctl(ours._fd, TCGETS2, bytes(44)), 36) == (baud, baud)
    ours.close()


# For us alone.


def test_a_port_is_for_one_and_free_again_when_it_is_closed(pty: Pty) -> None:
    ours = open_link(pty)
    assert is_exclusive(pty)
    with pytest.raises(PortBusy, match=f"{pty.device} is held by another program"):
        open_link(pty)
    ours.close()
    assert not is_exclusive(pty)
    open_link(pty).close()


def test_a_port_is_free_again_though_the_kernel_takes_its_time_to_close_it(pty: Pty) -> None:
    """As it does where a USB device hangs."""
    ours = open_link(pty)
    with ours._in_kernel:
        ours.close()
        assert descriptors(pty.device) > 0
        open_link(pty).close()


def is_exclusive(pty: Pty) -> bool:
    """As the kernel has it; it lets root in nevertheless, as whom tests may run."""
    return bool(struct.unpack("i", fcntl.ioctl(pty._outside, TIOCGEXCL, bytes(4)))[0])


def test_another_process_is_told_and_tells(pty: Pty) -> None:
    code = (
        "import sys; from pathlib import Path; from edged.mcu.link import Link\n"
        f"has = Link.open(Path({str(pty.device)!r}), baud=9600, dtr=None, rts=None); print('has it', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"has it\n"
        with pytest.raises(PortBusy):
            open_link(pty)
        other.kill()  # its lock goes with it
        other.wait()
    ours = open_link(pty)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PortBusy" in done.stderr
    ours.close()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere/ttyACM0", "cannot be opened: No such file or directory"),
        ("/dev/null", "is no serial port"),
        (__file__, "is no serial port"),
        ("/tmp", "cannot be opened: Is a directory"),  # noqa: S108 - nothing is written
    ],
)
def test_what_is_no_port_is_refused_in_words(path: str, why: str) -> None:
    with pytest.raises(BoardAway, match=why):
        Link.open(Path(path), baud=BAUD, dtr=None, rts=None)


def test_a_rate_that_there_is_not_is_refused_in_words(pty: Pty) -> None:
    with pytest.raises(BoardAway, match="cannot be set to -1 baud"):
        open_link(pty, baud=-1)
    open_link(pty).close()


# Lines. A pty has none, so what is asked of the kernel is looked at.


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What became of DTR and RTS, as a port that has them would see it."""
    import serial.serialposix as posix  # noqa: PLC0415 - of this test alone

    seen: list[tuple[str, bool]] = []
    names = {posix.TIOCM_DTR: "DTR", posix.TIOCM_RTS: "RTS"}
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, argument: bytes = b"") -> object:
        if request in (posix.TIOCMBIS, posix.TIOCMBIC):
            seen.append((names[struct.unpack("I", argument)[0]], request == posix.TIOCMBIS))
            return 0
        return real(fd, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return seen


@pytest.mark.parametrize(("dtr", "rts"), [(False, False), (True, False), (False, True), (True, True)])
def test_lines_are_as_wished_from_the_beginning(
    pty: Pty, lines: list[tuple[str, bool]], *, dtr: bool, rts: bool
) -> None:
    Link.open(pty.device, baud=BAUD, dtr=dtr, rts=rts).close()
    assert lines == [("DTR", dtr), ("RTS", rts)]


@pytest.mark.parametrize("rest", [False, True])
def test_a_reset_by_lines_boots_from_flash_and_leaves_them_as_they_were(
    pty: Pty, lines: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch, *, rest: bool
) -> None:
    monkeypatch.setattr(link, "PULSE_S", 0.001)
    ours = Link.open(pty.device, baud=BAUD, dtr=rest, rts=rest)
    lines.clear()
    run(ours.pulse_reset())
    # The two transistors of the usual circuit: RTS and not DTR is reset, DTR and not RTS pulls GPIO0, which boots from
    # flash when it is up as reset ends.
    assert lines == [("DTR", False), ("RTS", True), ("RTS", False), ("DTR", rest), ("RTS", rest)]
    ours.close()


def test_a_port_without_lines_says_so_and_stays_open(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        with pytest.raises(BoardAway, match="has no lines DTR and RTS"):
            await ours.pulse_reset()
        assert ours.is_open
        await ours.write(b"still")
        assert await pty.read() == b"still"
        ours.close()
        with pytest.raises(BoardAway, match="the port was closed"):
            await ours.pulse_reset()

    run(scenario())


# Loss.


def test_what_is_unplugged_while_somebody_reads_is_closed_at_once(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        reading = asyncio.create_task(ours.read())
        await asyncio.sleep(0.01)
        pty.unplug()
        with pytest.raises(BoardAway, match="the port is lost"):
            await reading
        assert not ours.is_open
        await until(lambda: descriptors(pty.device) == 0, what="the end of the descriptor")
        with pytest.raises(BoardAway, match="the port is lost"):
            await ours.write(b"a")
        with pytest.raises(BoardAway, match="the port is lost"):
            await ours.read()

    run(scenario())


def test_what_is_unplugged_before_somebody_writes_is_closed_at_once(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        pty.unplug()
        with pytest.raises(BoardAway, match="the port is lost"):
            await ours.write(b"a")
        assert not ours.is_open
        await until(lambda: descriptors(pty.device) == 0, what="the end of the descriptor")

    run(scenario())


def test_whoever_waits_is_told_when_it_is_closed(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        waiting = [asyncio.create_task(ours.read()), asyncio.create_task(ours.write(bytes(100_000)))]
        await asyncio.sleep(0.01)
        ours.close()
        ours.close()
        for each in waiting:
            with pytest.raises(BoardAway, match="the port was closed"):
                await each

    run(scenario())


def test_a_reader_that_is_cancelled_leaves_the_next_one_everything(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        for _ in range(20):
            reading = asyncio.create_task(ours.read())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            assert not asyncio.get_running_loop().remove_reader(ours._fd)  # or the loop spins while data waits
        await pty.write(b"abc")
        assert await ours.read() == b"abc"
        ours.close()

    run(scenario())


def test_a_link_that_nobody_waits_for_any_more_is_closed(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """`opened` is cancelled while its thread is in the kernel."""
    entered, may_go_on = threading.Event(), threading.Event()
    made: list[Link] = []
    really = Link.open

    def slow(*args: object, **how: object) -> Link:
        entered.set()
        may_go_on.wait(SECONDS)
        made.append(really(*args, **how))  # type: ignore[arg-type]
        return made[0]

    async def scenario() -> None:
        monkeypatch.setattr(Link, "open", slow)
        opening = asyncio.create_task(opened(pty.device, baud=BAUD, dtr=None, rts=None))
        await until(entered.is_set)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        before = descriptors(pty.device)
        may_go_on.set()
        await until(lambda: bool(made))
        await until(lambda: descriptors(pty.device) == before, what="the end of the descriptor")
        monkeypatch.undo()
        (await opened(pty.device, baud=BAUD, dtr=None, rts=None)).close()

    run(scenario())


# Peers that take nothing, or give too much.


def test_a_peer_that_takes_nothing_is_lost_in_the_end_and_holds_up_nobody(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "WRITE_S", 0.2)

    async def scenario() -> None:
        with Pty() as other:
            ours, theirs = open_link(pty, baud=4_000_000), open_link(other)
            writing = asyncio.create_task(ours.write(bytes(link.MAX_WRITE_BYTES)))
            turns = 0
            while not writing.done():
                await theirs.write(b"a")
                assert await other.read() == b"a"
                turns += 1
            with pytest.raises(BoardAway, match="takes no bytes"):
                await writing
            assert not ours.is_open
            assert turns > 1
            theirs.close()

    run(scenario())


def test_more_at_once_than_any_message_is_a_mistake(pty: Pty) -> None:
    ours = open_link(pty)
    with pytest.raises(ValueError, match="more than"):
        run(ours.write(bytes(link.MAX_WRITE_BYTES + 1)))
    ours.close()


def test_what_several_write_is_written_one_after_the_other(pty: Pty) -> None:
    async def scenario() -> None:
        ours = open_link(pty)
        size = 30_000
        writing = [asyncio.create_task(ours.write(bytes([each]) * size)) for each in range(4)]
        came = b""
        while len(came) < 4 * size:
            came += await pty.read()
        await asyncio.gather(*writing)
        assert came == b"".join(bytes([each]) * size for each in range(4))
        ours.close()

    run(scenario())


def test_a_flood_is_taken_in_turns(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 MB: each time some was read, others had their turn; and little was read at once."""
    monkeypatch.setattr(link, "MAX_BYTES_PER_S", 1e9)
    size, turns = 10_000_000, 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario() -> None:
        ours = open_link(pty)
        flooding = threading.Thread(target=flood, args=(pty.fd, size))
        flooding.start()
        turning = asyncio.create_task(others())
        reads = have = 0
        while have < size:
            before = turns
            data = await ours.read()
            assert 0 < len(data) <= link.READ_BYTES
            assert turns > before
            have += len(data)
            reads += 1
        turning.cancel()
        flooding.join()
        ours.close()

    run(scenario())


def flood(fd: int, size: int) -> None:
    os.set_blocking(fd, True)
    while size > 0:
        size -= os.write(fd, bytes(min(size, 65536)))


def test_a_flood_is_held_back(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a board that has lost its mind leaves the processor to the others."""
    monkeypatch.setattr(link, "MAX_BYTES_PER_S", 100_000)
    size = 50_000

    async def scenario() -> None:
        ours = open_link(pty)
        flooding = threading.Thread(target=flood, args=(pty.fd, size))
        began_s = time.monotonic()
        flooding.start()
        have = 0
        while have < size:
            have += len(await ours.read())
        flooding.join()
        assert time.monotonic() - began_s > 0.8 * size / 100_000
        ours.close()

    run(scenario())
