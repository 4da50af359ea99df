"""A microphone without a sound card: a private PulseAudio whose source ALSA, and so PortAudio, sees as `mic`.

`Rig` is real all the way down (PortAudio, ALSA, libpulse, a sound server); only the air is missing. It can be
unplugged, stalled (SIGSTOP) and killed. Two kinds of source: `sink`, a null sink's monitor, into which `play` plays;
and `pipe`, which delivers bit for bit what is written to its FIFO in real time. A test module gets the fixtures
`rig` and `pipe_rig` by `pytest_plugins = ("rig_fixtures",)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Literal, Self

import pytest

from edged.records import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edged.audio.sources import Source
    from edged.records import Condition

ASOUND = """
pcm.mic { type pulse device mic hint { show on description "rig microphone" } }
pcm.!default { type pulse device mic }
"""
READY_S = 10.0


def wait_until(true: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Poll until something is so; fail, saying what, if it is not in time."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def report(measured: str) -> None:
    """Show what a test has measured, in its output (`pytest -rP`)."""
    sys.stdout.write(measured + "\n")


class Rig:
    """One virtual microphone, with its own sound server in its own folder. `with Rig(path) as rig:`."""

    def __init__(self, folder: Path, *, source: Literal["sink", "pipe"] = "sink", plugged: bool = True) -> None:
        self.folder = folder
        self.source = source
        self.plugged = plugged
        self.device = "name:mic"
        self._server: subprocess.Popen[bytes] | None = None
        self._keepalive: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead PortAudio to this rig."""
        here = str(self.folder)
        return {
            "HOME": here,
            "XDG_RUNTIME_DIR": here,
            "PULSE_RUNTIME_PATH": here,
            "PULSE_STATE_PATH": f"{here}/state",
            "PULSE_SERVER": f"unix:{here}/native",
            "ALSA_CONFIG_PATH": f"{here}/asound.conf",
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }

    def __enter__(self) -> Self:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "asound.conf").write_text(ASOUND)
        (self.folder / "rig.pa").write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.folder}/native\n"
        )
        self.start_server()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill_server()

    def start_server(self) -> None:
        """Start the sound server, with the microphone unless it is unplugged."""
        options = ["--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no", "--realtime=no"]
        options += ["--high-priority=no", f"--log-target=file:{self.folder}/pulse.log"]
        command = ["pulseaudio", "-n", "-F", str(self.folder / "rig.pa"), *options]
        self._server = subprocess.Popen(command, env=os.environ | self.env, stdin=subprocess.DEVNULL)
        wait_until(self._answers, within_s=READY_S, what="the sound server answers")
        if self.plugged:
            self.plug()

    def kill_server(self) -> None:
        """SIGKILL, as in a crash; a stalled server dies too."""
        self._stop_keepalive()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._server = None

    def plug(self) -> None:
        """Make the microphone appear."""
        if self.source == "pipe":
            self.pactl("load-module", "module-pipe-source", "source_name=mic", f"file={self.fifo}", *self._shape)
        else:
            self.pactl("load-module", "module-null-sink", "sink_name=mic_sink", "norewinds=1", *self._shape)
            self._start_keepalive()
            wait_until(self._plays, within_s=READY_S, what="silence is played into the sink")
            self.pactl("load-module", "module-remap-source", "source_name=mic", "master=mic_sink.monitor")
        self.plugged = True

    def unplug(self) -> None:
        """Make the microphone vanish."""
        self.pactl("unload-module", "module-pipe-source" if self.source == "pipe" else "module-null-sink")
        self._stop_keepalive()
        self.plugged = False

    def stall(self) -> None:
        """Let the sound server hang."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the sound server run on."""
        self._signal(signal.SIGCONT)

    def mute(self, *, muted: bool) -> None:
        """Mute or unmute the microphone: exact zeros."""
        self.pactl("set-source-mute", "mic", "1" if muted else "0")

    def play(self, wav: Path) -> None:
        """Play a file into the microphone, in real time; returns when it has been played."""
        command = ["paplay", "--latency-msec=20", "-d", "mic_sink", str(wav)]
        subprocess.run(command, env=os.environ | self.env, check=True)

    @property
    def fifo(self) -> Path:
        """Where to write PCM (16 kHz, mono, s16le), in real time, with the `pipe` source."""
        return self.folder / "fifo"

    def pactl(self, *words: str) -> str:
        """Talk to the sound server."""
        run = subprocess.run(
            ["pactl", *words], env=os.environ | self.env, check=True, capture_output=True, text=True, timeout=10
        )
        return run.stdout

    _shape = ("rate=16000", "channels=1", "format=s16le")

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.pactl("info")
            return True
        return False

    def _plays(self) -> bool:
        return "RUNNING" in self.pactl("list", "short", "sinks")

    def _start_keepalive(self) -> None:
        """Play silence: a null sink on which nobody plays starts late, up to 1.9 s."""
        command = ["pacat", "--raw", "--latency-msec=10", "-d", "mic_sink", "--format=s16le", "--rate=16000"]
        with open("/dev/zero", "rb") as zeros:  # noqa: PTH123 - Path.open is the same here, longer
            self._keepalive = subprocess.Popen(
                [*command, "--channels=1"], env=os.environ | self.env, stdin=zeros, stderr=subprocess.DEVNULL
            )

    def _stop_keepalive(self) -> None:
        if self._keepalive is not None:
            self._keepalive.kill()
            self._keepalive.wait()
        self._keepalive = None

    def _signal(self, number: int) -> None:
        assert self._server is not None
        self._server.send_signal(number)


def make_rig(folder: Path, monkeypatch: pytest.MonkeyPatch, **kwargs: object) -> Rig:
    """Return a rig, not yet started, whose variables this process and its children see."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("needs pulseaudio")
    rig = Rig(folder, **kwargs)  # type: ignore[arg-type]  # passed through
    for name, value in rig.env.items():
        monkeypatch.setenv(name, value)
    return rig


class Listening:
    """Listens to a source in a loop of its own, in a thread, and keeps what it heard with the time at which it did."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.conditions: list[tuple[float, Condition]] = []
        self.chunks: list[Chunk] = []
        self._stop: Callable[[], object] = bool
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="listening")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(READY_S)
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "listening does not end"

    def wait_state(self, state: str, *, since_s: float, within_s: float) -> float:
        """Wait until the source says that it is in a state; return how long after `since_s` (monotonic) it said so."""

        def said() -> list[float]:
            return [at for at, condition in tuple(self.conditions) if at >= since_s and condition.state == state]

        wait_until(lambda: bool(said()), within_s=within_s, what=f"{state} is said; but {self.conditions[-3:]}")
        return said()[0] - since_s

    def wait_chunks(self, count: int, *, within_s: float = 5.0) -> list[Chunk]:
        """Wait for so many more chunks and return them."""
        start = len(self.chunks)
        wait_until(lambda: len(self.chunks) >= start + count, within_s=within_s, what=f"{count} chunks come")
        return self.chunks[start : start + count]

    async def _run(self) -> None:
        task = asyncio.create_task(self._listen())
        self._stop = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _listen(self) -> None:
        async for heard in self.source.listen():
            if isinstance(heard, Chunk):
                self.chunks.append(heard)
                del self.chunks[:-5000]
            else:
                self.conditions.append((time.monotonic(), heard))
                del self.conditions[:-5000]
