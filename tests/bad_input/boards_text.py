"""Boards that print, and what they print wrong: nothing of it stops the daemon, and each is told once."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from text_rig import Sketch

from bad_input.case import Waits
from bad_input.scene import MQTT, TOP

if TYPE_CHECKING:
    from bad_input.case import Make
    from bad_input.scene import Scene

GARBAGE = random.Random(5).randbytes(2000).replace(b"\n", b"\xff\n") + b"\n"
"""What a board sends at another baud rate looks like."""
ENDLESS = b"U" * 200_000
"""Ten megabytes are in tests/test_mcu_lines.py, and take no longer to drop."""


def prints(said: bytes, *, driver: str = "lines") -> Make:
    """Make a board that prints this, over and over, until it is told to be sensible, and a config with it."""

    def make(scene: Scene) -> None:
        sketch = scene.stack.enter_context(Sketch())
        over = threading.Event()

        def play() -> None:
            while not over.wait(0.1):
                sensible = (scene.folder / "sensible").exists()
                sketch.say(b"\r\nback in my senses\r\n" if sensible else said)

        player = threading.Thread(target=play)
        player.start()
        scene.stack.callback(player.join)
        scene.stack.callback(sketch.hush)
        scene.stack.callback(over.set)
        scene.config(f'{TOP}{MQTT}[boards.cellar]\nport = "{sketch.path}"\ndriver = "{driver}"\n')

    return make


def senses(scene: Scene) -> None:
    scene.write("sensible", "")


WAITS = (
    Waits(
        name="board-garbage",
        wrong="a board sends what is no text, as at another baud rate",
        make=prints(GARBAGE),
        says="cellar sends nonsense: bytes that are no text",
        status="cellar: up",
        mend=senses,
        then="cellar says: back in my senses",
    ),
    Waits(
        name="board-endless",
        wrong="a board sends megabytes without a newline",
        make=prints(ENDLESS),
        says="cellar sends nonsense: a line that does not end",
        status="cellar: up",
        mend=senses,
        then="cellar says: back in my senses",
    ),
    Waits(
        name="board-no-prompt",
        wrong="a board that is said to run Edge Impulse's firmware, and does not",
        make=prints(b"temp: 21.5\r\n", driver="edge-impulse"),
        says="cellar: quarantined: something is said there, but no prompt of Edge Impulse's firmware comes",
        status="cellar quarantined since",
    ),
)
