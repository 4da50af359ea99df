"""`edged demo --board`: a model goes to a board, the board hears a word, and a subscriber is told.

The board is edged's own firmware, built for this machine: its serial port is a pty, its microphone a recording, its
flash a file. Everything else is as it is with a board on a cable.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from edged.audio.wav import wav_bytes
from edged.commands.demo import SAID, broker, free_port, lines_of, made, running, speak, subscriber, typed_here
from edged.control.client import call
from edged.errors import ConfigError, EdgedError, Unavailable
from edged.shipped import shipped
from edged.wholefile import write_whole
from edged.workshop.beside import RATE_HZ, read_sound

if TYPE_CHECKING:
    import argparse

FIRMWARE: Final = Path(__file__).parents[2] / "mcu-firmware"
"""In a clone; an installed edged comes without."""
BUILD_S: Final = 300.0
UP_S: Final = 30.0
TRIAL_S: Final = 3
AFTER_S: Final = 10.0
"""For the last event to arrive, once the recording is over."""
CONFIG: Final = """\
# Written by `edged demo --board`.
gateway = "demo"
state_dir = "state"
runtime_dir = "run"

[mqtt]
host = "127.0.0.1"
port = {port}

[boards.cellar]
port = "{pty}"
"""

NEXT: Final = (
    ("{edged} board list", "which serial ports there are, and the line to paste"),
    ("nano edged.toml", "your board under [boards.NAME], your broker under [mqtt]"),
    ("{edged} run --config edged.toml", "looks after it; Ctrl-C ends it"),
    ("{edged} deploy MODEL --board NAME", "in another terminal, with --config edged.toml: your model"),
    ("make -C mcu-firmware help", "how the firmware is built for a board, and put on it"),
)


def run(arguments: argparse.Namespace) -> int:
    """Show the road from a sound in a cellar to a subscriber; 0 if at least one event arrived."""
    program = _firmware()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edged-demo-")))
        made(folder)
        speak(folder / "said.wav")
        samples = read_sound(folder / "said.wav")
        write_whole(folder / "sample.wav", wav_bytes(samples, rate_hz=RATE_HZ))
        port, pty = free_port(), folder / "board"
        (folder / "edged.toml").write_text(CONFIG.format(port=port, pty=pty), encoding="utf-8")
        stack.enter_context(broker(folder, port))
        print(f"The broker: mosquitto on 127.0.0.1:{port}, for this demo alone.")
        heard = stack.enter_context(subscriber(port))
        daemon = stack.enter_context(running(_edged(folder, "run")))
        events = _shown(program, folder, pty, heard=heard, daemon=daemon, length_s=len(samples) / RATE_HZ)
    if not events:
        raise Unavailable("the demo's subscriber received no event of the board")
    print(f"\n{events} events of the board arrived.")
    print("\nThat was the firmware on this machine. With a board on a cable, type:\n")
    for command, comment in NEXT:
        print(f"  {command.format(edged=typed_here()):<46}# {comment}")
    return 0


def _shown(
    program: Path, folder: Path, pty: Path, *, heard: IO[str], daemon: subprocess.Popen[str], length_s: float
) -> int:
    """Deploy to the board while it hears nothing, then let it hear; how many events arrived."""
    board = [str(program), "--pty", str(pty), "--flash", str(folder / "flash"), "--watchdog-ms", "0"]
    with running([*board, "--silence"], stdout=subprocess.DEVNULL):
        print("The board: edged's firmware for microcontrollers, on a pty. It has no model yet:")
        _wait_until_up(folder, daemon)
        _typed(folder, "board", "list")
        print("\nA model is compiled for it, uploaded, tried and kept:", flush=True)
        model = shipped("wake-en/wake-en.edged")
        _typed(folder, "deploy", str(model), "--board", "cellar", "--trial", str(TRIAL_S))
    words = ", ".join(f'"{words}"' for words, _ in SAID)
    print(f"\nThe board was unplugged; now it comes back, and somebody says {words}.")
    print("The subscriber: mosquitto_sub -t 'edged/#'. What it received of the board, topic and JSON:\n", flush=True)
    with running([*board, "--wav", str(folder / "sample.wav")], stdout=subprocess.DEVNULL):
        return _told(heard, daemon, within_s=length_s + AFTER_S)


def _told(heard: IO[str], daemon: subprocess.Popen[str], *, within_s: float) -> int:
    """Print what arrives, until all was heard; then stop the daemon, and go on until it has said goodbye."""
    events = 0
    over = threading.Timer(within_s, daemon.terminate)
    over.start()
    try:
        for line in lines_of(heard, daemon):
            topic, _, payload = line.partition(" ")
            if "/mcu/" in topic and not topic.endswith("/health"):
                print(f"  {topic}\n    {payload}", flush=True)
            events += topic.endswith("/event")
            if events >= len(SAID):
                daemon.terminate()
            if payload.startswith("{") and json.loads(payload).get("state") == "offline":
                break
    finally:
        over.cancel()
    return events


def _wait_until_up(folder: Path, daemon: subprocess.Popen[str]) -> None:
    socket = folder / "run" / "control.sock"
    until_s = time.monotonic() + UP_S
    while time.monotonic() < until_s and daemon.poll() is None:
        with contextlib.suppress(EdgedError):
            if any(board["state"] == "up" for board in call(socket, "boards")["boards"]):
                return
        time.sleep(0.1)
    raise Unavailable(f"the demo's board was not up within {UP_S:.0f} s")


def _typed(folder: Path, *words: str) -> None:
    """Type a command of edged's."""
    done = subprocess.run(_edged(folder, *words), check=False)
    if done.returncode:
        raise Unavailable(f"edged {' '.join(words)} ended with {done.returncode}")


def _edged(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "edged", *words, "--config", str(folder / "edged.toml")]


def _firmware() -> Path:
    """Build the board; ConfigError where that cannot be."""
    if not (FIRMWARE / "Makefile").is_file():
        what = "the demo's board is built of mcu-firmware/, which an installed edged comes without"
        raise ConfigError(what, key="--board", way_out="Run it in a clone: .venv/bin/edged demo --board")
    for program in ("make", "gcc"):
        if shutil.which(program) is None:
            what = f"the demo's board is built here, and there is no {program}"
            raise ConfigError(what, key="--board", way_out="Type `make setup`")
    build = ["make", "--no-print-directory", "-C", str(FIRMWARE)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["make says nothing"])[-1]
        raise ConfigError(f"the demo's board cannot be built: {last}", key="--board", way_out="Type `make setup`")
    return FIRMWARE / "build" / "host" / "edged-firmware"
