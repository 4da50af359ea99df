"""The real daemon in a process of its own, for the system tests: its config, its log, and what it tells systemd.

    with Broker(tmp_path / "broker") as broker, broker.subscriber() as subscriber:
        with Daemon(tmp_path / "edged", settings(broker.port, MICROPHONE, model(path))) as daemon:
            ...

`Daemon` plays the service manager: it listens on a notify socket, and `with` waits for READY. Topics begin with
``edged/test``. What the tests of a rig set in the environment (`rig.make_rig`) the daemon inherits.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from broker import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from broker import Message

ROOT = Path(__file__).parents[2]
READY_S = 20.0
"""More than the daemon may ever need: ten seconds, and what a busy machine adds."""
STOP_S = 20.0
MICROPHONE = """
[sources.mic]
kind = "microphone"
device = "name:mic"
"""


def settings(port: int, *tables: str, top: str = "", mqtt: str = "") -> str:
    """Write a config: a broker on loopback, and TOML tables as they are.

    Args:
        port: The broker's.
        tables: Sources and models.
        top: More lines at the top of the file, before the first table.
        mqtt: More lines in [mqtt].
    """
    head = f'gateway = "test"\nstate_dir = "state"\nruntime_dir = "run"\n{top}\n'
    return head + f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{mqtt}\n' + "\n".join(tables)


def file_source(path: Path, *, name: str = "sample", paced: bool = True, loop: bool = False) -> str:
    """Write the table of a recording."""
    return (
        f"[sources.{name}]\nkind = 'file'\npath = '{path}'\npaced = {str(paced).lower()}\nloop = {str(loop).lower()}\n"
    )


def model(path: Path | str, *, name: str = "word", more: str = "") -> str:
    """Write the table of a model."""
    return f"[models.{name}]\npath = '{path}'\n{more}\n"


@dataclass(frozen=True)
class Told:
    """One datagram to the service manager."""

    at: float
    """time.monotonic() on arrival."""
    fields: Mapping[str, str]


class Daemon:
    """`edged run`, supervised.

    Args:
        folder: For its config, state and log; made if missing. A second daemon on it finds what the first one left.
        config: The config file's text.
        watchdog_s: The watchdog's interval; None for none.
        env: More variables.
        through: A command that starts it, by exec, as `nice` does.
    """

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        watchdog_s: float | None = None,
        env: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "edged.toml"
        self.file.write_text(config)
        self.log_file = folder / "log"
        self.control_socket = folder / "run" / "control.sock"
        self.told: list[Told] = []
        self.started_at = 0.0
        """time.monotonic() just before the latest start."""
        self._watchdog_s = watchdog_s
        self._more_env = dict(env or {})
        self._through = tuple(through)
        self._process: subprocess.Popen[bytes] | None = None
        self._manager: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.running:
                self.stop()
        finally:
            self.kill()
            self._close()

    # Its life.

    def start(self, *, ready: bool = True) -> None:
        """Start it, and wait for READY unless told not to."""
        self._listen()
        self.started_at = time.monotonic()
        with self.log_file.open("ab") as log:
            command = [*self._through, sys.executable, "-m", "edged", "run", "--config", str(self.file)]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        if ready:
            self.wait_told("READY", since=self.started_at)

    def stop(self) -> int:
        """SIGTERM; wait for the end, and give the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self, within_s: float = STOP_S) -> int:
        """Wait until it has ended by itself, and give the exit code."""
        assert self._process is not None
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {within_s} s; its log:\n{self.log}") from None
        self._process = None
        return code

    def kill(self) -> None:
        """SIGKILL, as in a crash; its children are left to themselves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def reload(self, config: str | None = None) -> None:
        """SIGHUP, after writing another config if one is given."""
        if config is not None:
            self.file.write_text(config)
        self.signal(signal.SIGHUP)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def env(self) -> dict[str, str]:
        """Its environment."""
        env = {name: value for name, value in os.environ.items() if name not in {"JOURNAL_STREAM", "WATCHDOG_PID"}}
        env["NOTIFY_SOCKET"] = str(self.folder / "notify")
        if self._watchdog_s is not None:
            env["WATCHDOG_USEC"] = str(round(self._watchdog_s * 1e6))
        return env | self._more_env

    # What it says.

    @property
    def log(self) -> str:
        """All that it has logged, over all of its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def status(self) -> str:
        """The latest STATUS that systemd was told."""
        return next((told.fields["STATUS"] for told in reversed(self.told) if "STATUS" in told.fields), "")

    def wait_told(
        self, name: str, true: Callable[[str], object] = bool, *, since: float = 0.0, within_s: float = READY_S
    ) -> Told:
        """Wait until systemd was told a field that satisfies a condition, after `since` (time.monotonic())."""

        def found() -> list[Told]:
            return [
                told
                for told in tuple(self.told)
                if told.at >= since and name in told.fields and true(told.fields[name])
            ]

        def so_or_dead() -> bool:
            assert self.running or found(), f"it ended; its log:\n{self.log}"
            return bool(found())

        eventually(so_or_dead, f"{name} was told; but {self.told[-3:]}; its log:\n{self.log}", within_s)
        return found()[0]

    # What it costs.

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def processes(self) -> list[psutil.Process]:
        """Itself, then all of its children and theirs."""
        itself = psutil.Process(self.pid)
        return [itself, *itself.children(recursive=True)]

    @property
    def rss_bytes(self) -> int:
        """Memory of itself and all children."""
        total = 0
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    @property
    def cpu_s(self) -> float:
        """CPU time, user and system, of itself and all children, living and dead."""
        total = 0.0
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                spent = process.cpu_times()
                total += spent.user + spent.system + spent.children_user + spent.children_system
        return total

    @property
    def descriptors(self) -> int:
        """Open file descriptors of itself, without children."""
        return psutil.Process(self.pid).num_fds()

    def _listen(self) -> None:
        """Be the service manager; its socket outlives each run of the daemon."""
        if self._manager is None:
            self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._manager.bind(str(self.folder / "notify"))
            threading.Thread(target=self._hear, args=(self._manager,), daemon=True).start()

    def _hear(self, manager: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := manager.recv(65536):
                fields = dict(line.split("=", 1) for line in data.decode().splitlines())
                self.told.append(Told(time.monotonic(), fields))

    def _close(self) -> None:
        if self._manager is not None:
            with contextlib.suppress(OSError):
                self._manager.shutdown(socket.SHUT_RDWR)
            self._manager.close()
            self._manager = None
            (self.folder / "notify").unlink(missing_ok=True)


def events(messages: list[Message]) -> list[dict[str, Any]]:
    """Give the events among what a subscriber got, in order, without repetitions of an id."""
    found: dict[str, dict[str, Any]] = {}
    for message in tuple(messages):
        if message.topic.endswith("/event"):
            event = json.loads(message.payload)
            found.setdefault(event["id"], event)
    return list(found.values())


def states(messages: list[Message], source: str = "mic") -> list[tuple[float, str]]:
    """Give (time of arrival by time.monotonic(), state) of each state of a source that a subscriber got."""
    topic = f"edged/test/sound/{source}/state"
    found = [message for message in tuple(messages) if message.topic == topic and message.payload]
    return [(message.at, json.loads(message.payload)["state"]) for message in found]
