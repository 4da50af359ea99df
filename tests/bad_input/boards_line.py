"""Boards on the line: what else may be at a port, and what a board says that cannot be. The daemon goes on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from liar import EVENT, Liar, Thread
from pty_peer import Pty

from bad_input.case import Waits
from bad_input.scene import MQTT, TOP
from edged.mcu import group
from edged.mcu.group import Command
from edged.mcu.link import Link
from edged.mcu.smp import Message, Op

if TYPE_CHECKING:
    from pathlib import Path

    from bad_input.case import Make
    from bad_input.scene import Scene

NO_SMP = "cellar: quarantined: what it says all the time is not SMP: another firmware, or baud rate"
FUTURE = Message(Op.WRITE, group.GROUP, Command.EVENT, {**EVENT, "n": 1_000_000}, sequence=7)
MEND_ME = "mend me"


def at(scene: Scene, port: Path) -> None:
    scene.config(f'{TOP}{MQTT}[boards.cellar]\nport = "{port}"\n')


def prints(said: bytes) -> Make:
    """Make a port where somebody prints this, as fast as it is read, and a config that takes it for a board of ours."""

    def make(scene: Scene) -> None:
        pty = Pty()
        at(scene, pty.device)

        async def play() -> None:
            while True:
                pty.take()
                await pty.write(said)

        scene.stack.enter_context(Thread(pty, play))

    return make


def echoes(scene: Scene) -> None:
    """Make a port that leads back to us."""
    pty = Pty()
    at(scene, pty.device)

    async def play() -> None:
        while True:
            await pty.write(pty.take())
            await asyncio.sleep(0.001)

    scene.stack.enter_context(Thread(pty, play))


def of_the_future(scene: Scene) -> None:
    """Make a board that tells, over and over, what it has not heard yet."""
    liar = Liar()
    at(scene, liar.device)

    async def play() -> None:
        while True:
            await liar.say(FUTURE)
            await asyncio.sleep(0.2)

    scene.stack.enter_context(Thread(liar, play))


def held(scene: Scene) -> None:
    """Make a port that another program has, until it is told to give it back."""
    liar = Liar()
    at(scene, liar.device)

    async def play() -> None:
        link = Link.open(liar.device, baud=115_200, dtr=None, rts=None)
        while not (scene.folder / MEND_ME).exists():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.02)
        link.close()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    scene.stack.enter_context(Thread(liar, play))


WAITS = (
    Waits(
        name="board-busy",
        wrong="another program has a board's port",
        make=held,
        says="is held by another program",
        status="cellar busy since",
        mend=lambda scene: scene.write(MEND_ME, ""),
        then="cellar: up",
    ),
    Waits(
        name="board-null",
        wrong="a port that is a path, and no serial port",
        make=lambda scene: scene.config(f'{TOP}{MQTT}[boards.cellar]\nport = "/dev/null"\n'),
        says="cellar: absent: /dev/null is no serial port",
        status="cellar absent since",
    ),
    Waits(
        name="board-other",
        wrong="something else is at a board's port, and prints all the time",
        make=prints(b"temp: 21.5\r\n" * 20),
        says=NO_SMP,
        status="cellar quarantined since",
    ),
    Waits(
        name="board-flood",
        wrong="a board's port floods the gateway with bytes, and never with a newline",
        make=prints(b"U" * 4096),
        says=NO_SMP,
        status="cellar quarantined since",
    ),
    Waits(
        name="board-echo",
        wrong="a board's RX and TX are tied together",
        make=echoes,
        says="cellar sends nonsense: what we said, as an echo",
        status="cellar quarantined since",
    ),
    Waits(
        name="board-future",
        wrong="a board sends an event with a number that it has not reached",
        make=of_the_future,
        says="cellar sends nonsense: an event of the future",
        status="cellar: up",
    ),
)
