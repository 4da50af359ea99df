"""An Edge Impulse `.eim` at work: a process of its own, inside a worker process of ours, under deadlines.

The model may be dead at start, die, hang or talk garbage, and so may the client library that speaks to it; the worker
(`eim_worker`) holds both. Here every wait has an end. Whatever goes wrong ends the same way: the worker's process
group, the model included, is killed, what it left behind (its folder, its shared memory) is removed, and `WorkerLost`
says why. The owner then opens another, when it likes: nothing of the lost one is left.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from edged.classify.eim_wire import (
    BROKEN,
    FEATURES,
    HELLO,
    MAX_BODY_BYTES,
    SCORES,
    UNFIT,
    Decoder,
    Frame,
    GarbageError,
    encode,
)
from edged.errors import ModelError, WorkerLost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edged.classify.bundle import Bundle
    from edged.records import Frames

START_S: Final = 4.0
"""From nothing to the model's hello: a Python, NumPy, and the model's own start."""
CLOSE_S: Final = 1.5
"""So long a worker may take to end its model gently."""
SLICES: Final = 4
"""Windows overlap by three quarters, unless the model names a slice of its own: so do Edge Impulse's continuous mode
(EI_CLASSIFIER_SLICES_PER_MODEL_WINDOW is 4) and its Linux client (OVERLAP is 0.25 of a window)."""
MICROPHONE: Final = (1, "microphone")
"""Values of model_parameters.sensor; the number is EI_CLASSIFIER_SENSOR_MICROPHONE."""
MAX_SAMPLES: Final = MAX_BODY_BYTES // 4
MAX_LABELS: Final = 1000

_READ_BYTES: Final = 64 * 1024
_SHM: Final = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory; nothing is created there


@dataclass(frozen=True, slots=True)
class Hello:
    """What a model says of itself."""

    labels: tuple[str, ...]
    rate_hz: int
    samples: int
    """Samples in a window."""
    hop_samples: int
    project: str


def ask(path: Path) -> Hello:
    """Start a model, hear what it says of itself, and end it.

    Raises:
        ModelError: It is not a program, or not one that hears sound.
        WorkerLost: It did not come up.
    """
    worker = Worker(path)
    try:
        return worker.hello(START_S)
    finally:
        worker.close()


class EimModel:
    """One `.eim` at work; a `edged.classify.model.Model`.

    Args:
        worker: Started, its hello heard.
        labels: Of the scores.
        timeout_s: Longest wait for one window's answer.
    """

    def __init__(self, worker: Worker, *, labels: tuple[str, ...], timeout_s: float) -> None:
        self.labels: Final = labels
        self._worker: Final = worker
        self._timeout_s: Final = timeout_s

    @classmethod
    def open(cls, bundle: Bundle, *, timeout_s: float, start_s: float = START_S) -> EimModel:
        """Start the bundle's model; again, after one was lost, is what it is made for.

        Raises:
            ModelError: It is not a program any more, or not the model that the bundle describes.
            WorkerLost: It did not come up in `start_s`.
        """
        worker = Worker(bundle.path)
        hello = worker.hello(start_s)
        if (hello.labels, hello.samples, hello.rate_hz) != (bundle.labels, bundle.window_frames, bundle.rate_hz):
            worker.close()
            way_out = "Restart edged, or have it reload its config"
            raise ModelError("is another model than when it was first asked", file=bundle.path, way_out=way_out)
        return cls(worker, labels=hello.labels, timeout_s=timeout_s)

    def scores(self, frames: Frames) -> NDArray[np.float32]:
        """Posteriors, shape (labels,), for one window of int16 values as float32, shape (samples, 1).

        Raises:
            WorkerLost: The model died, hung, or answered with anything but one score from 0 to 1 for each label.
        """
        body = self._worker.ask(FEATURES, frames.astype("<f4", copy=False).tobytes(), SCORES, wait_s=self._timeout_s)
        if len(body) != 4 * len(self.labels):
            self._worker.lost(f"{len(body) // 4} scores came for {len(self.labels)} labels")
        scores = np.frombuffer(body, dtype="<f4").astype(np.float32)
        if not (np.all(scores >= 0) and np.all(scores <= 1)):  # false for NaN, too
            self._worker.lost(f"its scores are {scores.tolist()}")
        return scores

    def reset(self) -> None:
        """Nothing to forget: each window is answered by itself."""

    def interrupt(self) -> None:
        """Have `scores`, at work in another thread, raise WorkerLost at once."""
        self._worker.hang_up()

    def close(self) -> None:
        """End the model; again is harmless."""
        self._worker.close()


class Worker:
    """The worker process, its socket and its folder: begun together, ended together.

    Args:
        path: The `.eim`.

    Raises:
        ModelError: It is not an executable file.
        WorkerLost: The machine has no process, no descriptor or no room on the disk left for it.
    """

    def __init__(self, path: Path) -> None:
        if not os.path.isfile(path):  # noqa: PTH113 - pathlib's raises where a folder on the way is closed to us
            raise ModelError("there is no such model", file=path, way_out="Name a model that exists")
        if not os.access(path, os.X_OK):
            raise ModelError("is not executable", file=path, way_out=f"Run chmod +x {path}")
        self._path = path
        self._decoder = Decoder()
        self._shared_before = _shared_memory()
        self._shared: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        with ExitStack() as on_failure:
            try:
                self._begin(on_failure)
            except OSError as error:
                raise WorkerLost(
                    f"{path.name}: it cannot be started: {(error.strerror or str(error)).lower()}"
                ) from None
            on_failure.pop_all()

    def _begin(self, on_failure: ExitStack) -> None:
        self._folder = tempfile.mkdtemp(prefix="edged-eim-")  # short: it will hold a UNIX socket, whose name is bounded
        on_failure.callback(Path(self._folder).rmdir)  # not rmtree, which wants a descriptor
        self._socket, theirs = socket.socketpair()
        on_failure.callback(self._socket.close)
        with theirs:
            self._process = _start(self._path, theirs, self._folder)

    def hello(self, wait_s: float) -> Hello:
        """What the model says of itself, once, after the start.

        Raises:
            ModelError: It does not hear sound.
            WorkerLost: It did not say it in time, or not in a form that is understood.
        """
        body = self.ask(None, b"", HELLO, wait_s=wait_s)
        if self._process is not None:
            self._note_shared_memory(self._process.pid)
        try:
            return _hello(json.loads(body), self._path)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            self.lost(f"its hello is not understood: {error!r}")
        except ModelError:
            self.close()
            raise

    def ask(self, kind: bytes | None, body: bytes, wanted: bytes, *, wait_s: float) -> bytes:
        """Send a frame, if there is one to send, and return the body of the answer, which must be of the kind wanted.

        Raises:
            ModelError: The file is no program that this machine can run.
            WorkerLost: No such answer came in `wait_s`; the worker is gone.
        """
        if self._process is None:
            raise WorkerLost(f"{self._path.name}: it was lost before")
        deadline = time.monotonic() + wait_s
        try:
            if kind is not None:
                self._send(encode(kind, body), deadline)
            frame = self._receive(deadline)
        except TimeoutError:
            self.lost(f"no answer within {wait_s:g} s")
        except GarbageError as error:
            self.lost(f"its worker talks garbage: {error}")
        except OSError as error:
            self.lost(f"its worker is gone: {error.strerror}")
        if frame.kind == UNFIT:
            self._remove()
            way_out = f"Download the .eim for Linux on {platform.machine()}"
            raise ModelError("is no program that this machine can run", file=self._path, way_out=way_out)
        if frame.kind != wanted:
            self.lost(frame.body.decode(errors="replace") if frame.kind == BROKEN else f"it sent {frame.kind!r}")
        return frame.body

    def lost(self, why: str) -> NoReturn:
        """Remove every trace of the worker, and say why."""
        self._remove()
        raise WorkerLost(f"{self._path.name}: {why}")

    def hang_up(self) -> None:
        """End the conversation; who waits for an answer in another thread learns at once that there is none."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the worker gently, within `CLOSE_S`, then firmly; again is harmless."""
        if self._process is None:
            return
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(CLOSE_S)
            while self._socket.recv(_READ_BYTES):
                pass
        self._remove()

    def _send(self, data: bytes, deadline: float) -> None:
        self._socket.settimeout(_left(deadline))
        try:
            self._socket.sendall(data)
        except BrokenPipeError:
            return  # it is gone, but may have said why: that is read next

    def _receive(self, deadline: float) -> Frame:
        while (frame := self._decoder.next()) is None:
            self._socket.settimeout(_left(deadline))
            if not (data := self._socket.recv(_READ_BYTES)):
                raise ConnectionResetError(0, "it ended without a word")
            self._decoder.feed(data)
        return frame

    def _remove(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._note_shared_memory(process.pid)
        # Before wait(): as long as the worker is not reaped its number, and so its group's, can be nobody else's.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in self._shared:
            (_SHM / name).unlink(missing_ok=True)

    def _note_shared_memory(self, pid: int) -> None:
        """Keep the names of what the model made and, killed, cannot remove: what it maps and was not there before."""
        self._shared |= _mapped(_children(pid)) - self._shared_before


def _start(path: Path, stdin: socket.socket, folder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "edged.classify.eim_worker", str(path.absolute())],
        stdin=stdin.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": folder, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # a process group of its own, to be killed as one; Ctrl-C in a terminal is not for it
    )


def _left(deadline: float) -> float:
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _shared_memory() -> set[str]:
    with suppress(OSError):
        return {path.name for path in _SHM.iterdir()}
    return set()


def _children(pid: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return []  # gone already


def _mapped(pids: list[int]) -> set[str]:
    names = set()
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                path = Path(line.split(maxsplit=5)[-1])
                if path.parent == _SHM:
                    names.add(path.name)
    return names


def _hello(told: dict[str, Any], path: Path) -> Hello:
    said = told["model_parameters"]
    if said.get("sensor") not in MICROPHONE or not said["frequency"]:
        wanted = "Export a model from a project whose data comes from a microphone"
        raise ModelError(
            "does not hear a microphone", file=path, key="sensor", value=said.get("sensor"), way_out=wanted
        )
    labels = tuple(map(str, said["labels"]))
    samples = _number(said["input_features_count"], high=MAX_SAMPLES)
    if not 0 < len(set(labels)) == len(labels) <= MAX_LABELS or not all(labels):
        raise ValueError(f"labels {labels[:10]}")
    slice_samples = said.get("slice_size") or samples // SLICES
    return Hello(
        labels=labels,
        rate_hz=_number(said["frequency"], high=192_000),
        samples=samples,
        hop_samples=max(1, _number(slice_samples, high=samples)),
        project=str(told.get("project", {}).get("name", "")),
    )


def _number(value: object, *, high: int) -> int:
    number = int(value) if isinstance(value, int | float) else 0
    if not 0 < number <= high:
        raise ValueError(f"{value!r} is not from 1 to {high}")
    return number
