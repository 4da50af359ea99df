"""Where a mistake is made: a folder of its own, with what the other things of a case need in it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from broker import Broker
from nabu import NABU_PATH
from spoken import okay_nabu

from edged import cli
from edged.commands.status import in_words
from edged.control.client import call
from edged.errors import DaemonAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EDGED = str(Path(sys.executable).with_name("edged"))
ROOT = Path(__file__).parents[2]
NOBODY = 65534
WITHIN_S = 60.0
"""Far more than anything here takes; this machine may be busy."""
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("EDGED_", "NOTIFY_", "JOURNAL_"))
} | {"PYTHONDONTWRITEBYTECODE": "1"}
"""Nothing that would lead edged to what this machine has."""
TOP = 'gateway = "pi"\nstate_dir = "state"\nruntime_dir = "run"\n'
MQTT = '[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
"""Nobody listens there."""
SOURCE = '[sources.mic]\nkind = "file"\npath = "sample.wav"\n'
NABU = '[models.nabu]\npath = "okay_nabu.json"\n'
"""The model that `Scene.wake_word` puts there, which hears what `Scene.words` says."""
GOOD = TOP + MQTT + SOURCE
"""A config in which nothing is wrong, with the recording that `Scene.wav` makes."""
SCRUBBED = (
    (r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT"),
    (r"process \d+", "process PID"),
    (r"\(choose from [^)]*\)", "(choose from …)"),  # Python 3.12 and later write the same without quotes
    (r"\((name or service not known|temporary failure in name resolution)\)", "(name or service not known)"),
    (r"Linux on \w+", "Linux on MACHINE"),
    (r"/dev/pts/\d+", "/dev/pts/N"),
)
"""What differs from run to run, or from machine to machine."""


@dataclass(frozen=True)
class Daemon:
    """A daemon, and what it logs."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self, words: str, *, after: str = "") -> str:
        """Wait for a line with these words, after another line, and give it."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            log = self.log.read_text()
            for line in log[log.find(after) + len(after) :].splitlines(keepends=True):
                if words in line and line.endswith("\n"):
                    return line.rstrip("\n")
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"no {words!r} in:\n{log}")
            time.sleep(0.02)


@dataclass
class Scene:
    """A folder, what runs in it, and as whom and with which variables edged is typed."""

    folder: Path
    stack: ExitStack
    env: dict[str, str] = field(default_factory=dict)
    through: tuple[str, ...] = ()
    broker: Broker | None = None
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # What is in it.

    def write(self, name: str, content: str | bytes, *, mode: int = 0o644) -> Path:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def config(self, text: str = GOOD) -> Path:
        """Write the config, with the recording that it may hear."""
        self.wav()
        return self.write("edged.toml", text)

    def wav(self, name: str = "sample.wav", samples: NDArray[np.int16] | None = None) -> Path:
        """Make a recording, 16 kHz mono; half a second of a quiet tone unless told otherwise."""
        path = self.folder / name
        tone = 300 * np.sin(np.arange(8000) * 0.2) if samples is None else samples
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(tone.astype("<i2").tobytes())
        return path

    def words(self) -> Path:
        """Make a recording in which okay_nabu hears something."""
        return self.wav(samples=np.concatenate([np.zeros(16_000, np.int16), okay_nabu(), np.zeros(8000, np.int16)]))

    def wake_word(self) -> tuple[Path, Path]:
        """Copy a good model, microWakeWord's okay_nabu: its .json and .tflite."""
        told = NABU_PATH
        return (
            Path(shutil.copy(told, self.folder / "okay_nabu.json")),
            Path(shutil.copy(told.with_suffix(".tflite"), self.folder / "okay_nabu.tflite")),
        )

    def mosquitto(self, **how: Any) -> Broker:
        """Start a broker."""
        self.broker = self.stack.enter_context(Broker(self.folder / "broker", **how))
        return self.broker

    def disk(self, name: str = "state") -> Path:
        """Mount a small disk."""
        place = self.folder / name
        place.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
            check=True,
            capture_output=True,
            timeout=WITHIN_S,
        )
        self.stack.callback(subprocess.run, ["umount", "-l", str(place)], check=True, timeout=WITHIN_S)
        return place

    def fill(self, place: Path) -> None:
        """Fill a small disk to the last byte, by a file `filler`."""
        with (place / "filler").open("ab", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass

    # What is typed.

    def become_nobody(self) -> None:
        """Type as somebody for whom closed means closed, which it does for root only without its capabilities."""
        if os.geteuid() == 0:
            self.through = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")

    def become_stranger(self) -> None:
        """Type as another user than the daemon's, who may read, so that edged itself may stand in a private folder.

        Raises:
            PermissionError: Only root can.
        """
        if os.geteuid() != 0:
            raise PermissionError("only root can be another user")
        self.through = (
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
        )  # fmt: skip

    def type(self, line: str) -> tuple[int, str]:
        """Type a line, and wait for the prompt to come back; give the exit code and stderr."""
        done = subprocess.run(
            [*self.through, *(EDGED if word == "edged" else word for word in line.split())],
            cwd=self.folder,
            env=ENVIRONMENT | self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return done.returncode, done.stderr

    def type_here(self, line: str) -> tuple[int, str]:
        """Do the same within this process, which is faster; only in its main thread."""
        stderr = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stderr(stderr),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            try:
                code = cli.main(line.split()[1:])
            except SystemExit as ended:  # argparse's
                code = int(ended.code or 0)
        return code, stderr.getvalue()

    def daemon(self) -> Daemon:
        """Start a daemon on `edged.toml`, and wait until it answers."""
        log = self.folder / f"log-{len(self.daemons)}"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [EDGED, "run", "--config", "edged.toml"],
                cwd=self.folder,
                env=ENVIRONMENT | self.env,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        self.daemons.append(process)
        self.stack.callback(_end, process)
        daemon = Daemon(process, log)
        self.until(lambda: self._answers(daemon), lambda: f"the daemon answers: {log.read_text()}")
        return daemon

    # What is said.

    def status(self) -> str:
        """Give what `edged status` shows."""
        return self.scrubbed(in_words(call(self.folder / "run" / "control.sock", "status")))

    def heard(self, topic: str, words: str) -> None:
        """Wait until a subscriber gets these words on a topic of the gateway."""
        assert self.broker is not None
        with self.broker.subscriber(f"edged/pi/{topic}") as subscriber:
            subscriber.wait_for(lambda got: any(words in message.payload.decode() for message in got))

    def until(self, true: Callable[[], object], what: Callable[[], str]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + WITHIN_S
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {WITHIN_S} s: {what()}")
            time.sleep(0.02)

    def scrubbed(self, text: str) -> str:
        """Leave out what differs from run to run."""
        text = text.replace(f"{self.folder}/", "").replace(str(self.folder), ".").replace(f"{ROOT}/", "")
        for pattern, instead in SCRUBBED:
            text = re.sub(pattern, instead, text)
        return text

    def _answers(self, daemon: Daemon) -> bool:
        if daemon.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {daemon.process.returncode}:\n{daemon.log.read_text()}")
        try:
            self.status()
        except DaemonAway:
            return False
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
