"""`edged demo`: a private broker, the real daemon hearing a real sample, a real subscriber.

Everything lives in one temporary folder and on one free loopback port; nothing of the machine's own is touched, and all
three processes are gone afterwards. The sample is speech that espeak-ng makes on the spot.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import IO, TYPE_CHECKING

from edged.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SAID = (("computer", "en-us"), ("jarvis", "en-us+m7"), ("smart mirror", "en-us+m7"), ("view glass", "en-gb"))
"""The words of the default model, each with a voice of espeak-ng that it hears with a wide margin."""
WORDS_PER_MINUTE = 150
PAUSE_S = 1.5
START_S = 10.0
"""How long broker and daemon may take to come up."""
POLL_S = 0.5
READ_BYTES = 65536
PATIENCE_S = 60.0
"""How long the whole sample may take."""

CONFIG = """\
# Written by `edged demo`. Every key there is: packaging/edged.toml.example
gateway = "demo"
state_dir = "state"
runtime_dir = "run"

[mqtt]
host = "127.0.0.1"
port = {port}

[sources.sample]
kind = "file"
path = "sample.wav"
paced = true
"""

NEXT = (
    ("{edged} devices", "which microphones there are, and the line to paste"),
    ("cp packaging/edged.toml.example edged.toml", ""),
    ("nano edged.toml", "your microphone under [sources.…], your broker under [mqtt]"),
    ("{edged} check --config edged.toml", "says what would run"),
    ("sudo {edged} run --config edged.toml", "listens; Ctrl-C ends it"),
    ("mosquitto_sub -h YOUR-BROKER -t 'edged/#' -v", "in another terminal: what it says"),
)


def run(arguments: argparse.Namespace) -> int:
    """Show the road from a sound to a subscriber; 0 if at least one event arrived."""
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edged-demo-")))
        made(folder)
        length_s = speak(folder / "sample.wav")
        port = free_port()
        (folder / "edged.toml").write_text(CONFIG.format(port=port), encoding="utf-8")
        words = ", ".join(f'"{words}"' for words, _ in SAID)
        print(f"The sample: {words}, by voices of espeak-ng, {length_s:.1f} s.")
        stack.enter_context(broker(folder, port))
        print(f"The broker: mosquitto on 127.0.0.1:{port}, for this demo alone.")
        heard = stack.enter_context(subscriber(port))
        print("The subscriber: mosquitto_sub -t 'edged/#'. What it receives, topic and JSON:\n", flush=True)
        daemon = [sys.executable, "-m", "edged", "run", "--config", str(folder / "edged.toml")]
        events = _show(heard, stack.enter_context(running(daemon)))
    if not events:
        raise Unavailable("the demo's subscriber received no event")
    print(f"\n{events} events arrived.")
    print("\nThat was a private broker and a synthetic voice. With your own microphone and broker, type:\n")
    for command, comment in NEXT:
        typed = command.format(edged=typed_here())
        print(f"  {typed:<46}{'# ' if comment else ''}{comment}".rstrip())
    return 0


def made(folder: Path) -> None:
    """Make the demo's folder; ConfigError where it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "edged.toml").touch()
    except OSError as error:
        what = f"cannot be used: {(error.strerror or str(error)).lower()}"
        way_out = "Name a folder that you may write to"
        raise ConfigError(what, key="--keep", value=str(folder), way_out=way_out) from None


def speak(path: Path) -> float:
    """Synthesise the sample; returns its length in seconds."""
    if shutil.which("espeak-ng") is None:
        raise ConfigError("the demo needs espeak-ng to make its sample", way_out="Type `make setup`")
    spoken = []
    for words, voice in SAID:
        said = path.with_name("said.wav")
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(WORDS_PER_MINUTE), "-w", str(said), words], check=True)
        with wave.open(str(said)) as reading:
            form, rate_hz = reading.getparams(), reading.getframerate()
            spoken.append(reading.readframes(reading.getnframes()))
        said.unlink()
    pause = bytes(2 * round(PAUSE_S * rate_hz))
    pcm = pause + b"".join(word + pause for word in spoken)
    with wave.open(str(path), "wb") as writing:
        writing.setparams(form)
        writing.writeframes(pcm)
    return float(len(pcm) / 2 / rate_hz)


@contextlib.contextmanager
def broker(folder: Path, port: int) -> Iterator[None]:
    """Run a broker for the length of a block."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
    if program is None:
        raise ConfigError("the demo needs the mosquitto broker", way_out="Type `make setup`")
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n", "utf-8")
    with running([program, "-c", str(conf)]):
        deadline = time.monotonic() + START_S
        while not _answers(port):
            if time.monotonic() > deadline:
                raise Unavailable(f"mosquitto did not come up on 127.0.0.1:{port} within {START_S:.0f} s")
            time.sleep(0.02)
        yield


@contextlib.contextmanager
def subscriber(port: int) -> Iterator[IO[str]]:
    """Run a subscriber to everything for the length of a block; what it prints."""
    command = [
        "mosquitto_sub",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-t",
        "edged/#",
        "-v",
        "-q",
        "1",
        "-W",
        str(int(PATIENCE_S)),
    ]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - asked for one line above
        yield process.stdout


@contextlib.contextmanager
def running(command: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a process for the length of a block, and see it off."""
    process = subprocess.Popen(command, stdout=stdout, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _show(subscriber: IO[str], daemon: subprocess.Popen[str]) -> int:
    """Print what arrives; when the sample has been heard out stop the daemon, and go on until it has said goodbye."""
    events = 0
    for line in lines_of(subscriber, daemon):
        topic, _, payload = line.partition(" ")
        print(f"  {topic}\n    {payload}", flush=True)
        events += topic.endswith("/event")
        state = json.loads(payload).get("state") if payload.startswith("{") else None
        if state == "ended":
            daemon.send_signal(signal.SIGTERM)
        elif state == "offline":
            break
    return events


def lines_of(subscriber: IO[str], daemon: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the subscriber's lines as they come, and give up when the daemon has."""
    waiting = b""
    while daemon.poll() is None or waiting:
        if select.select([subscriber], [], [], POLL_S)[0]:
            more = os.read(subscriber.fileno(), READ_BYTES)
            if not more:
                return
            waiting += more
            *lines, waiting = waiting.split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        elif daemon.poll() is not None:
            return


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def typed_here() -> str:
    """How this very edged is typed from here."""
    script = Path(sys.executable).with_name("edged")
    here = Path.cwd()
    return str(script.relative_to(here)) if script.is_relative_to(here) else str(script)
