"""The process that holds one `.eim`: ``python -I -m edged.classify.eim_worker MODEL``.

Its standard input is a socket, with edged at the other end.

Edge Impulse's own client, `edge_impulse_linux.runner.ImpulseRunner`, speaks to the model. It may wait for ever, and
does in several ways: for a socket that a dead model will never make, or, with shared memory, for any answer at all. So
it lives in a process that can be killed, and edged keeps the deadlines. Its module is loaded alone: importing the
package calls `exit(1)` where OpenCV is missing, and would take 18 MB more where it is not.

Whatever goes wrong here ends the worker. Its last frame says why; there is no second chance inside, edged starts
another.

A thread watches the two ends: when edged is gone the worker takes itself and the model with it, and when the model is
gone it says so at once, whether somebody waits for an answer or not. Should the worker be killed, the kernel kills the
model.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from edged.classify.eim_wire import BROKEN, FEATURES, HELLO, SCORES, UNFIT, Decoder, encode

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

LEAVE_S: Final = 0.5
"""So long a model may take to end on SIGINT, in which it removes its shared memory; then it is killed."""
POST_MORTEM_S: Final = 0.1
"""So long after the connection broke `watch` may take to find the model dead, and to say of what."""
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LIBC: Final = ctypes.CDLL(None)  # loaded before any fork
_READ_BYTES: Final = 256 * 1024


def main() -> None:
    """Serve windows until edged closes the socket."""
    with Edged(socket.socket(fileno=0)) as edged:
        runner = load_runner().ImpulseRunner(sys.argv[1])
        threading.Thread(target=watch, args=(edged, runner), daemon=True).start()
        told = runner.init()
        labels = told["model_parameters"]["labels"]
        edged.send(HELLO, json.dumps(told).encode())
        while (window := edged.receive()) is not None:
            edged.send(SCORES, classify(runner, window, labels))
        leave(runner)


class Edged:
    """The other end of the socket; whatever falls out of `with` is told to it, and ends the process."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._decoder = Decoder()
        self._sending = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            if isinstance(error, IndexError | OSError):
                time.sleep(POST_MORTEM_S)
            self.send(UNFIT if _never_started(error) else BROKEN, _in_words(error).encode())
            os._exit(1)  # past the client's destructor, which would signal a process that may be gone

    def send(self, kind: bytes, body: bytes) -> None:
        """Send one frame; nothing if edged is gone, which `watch` sees."""
        with self._sending:
            self._socket.sendall(encode(kind, body))

    def receive(self) -> np.ndarray[Any, Any] | None:
        """The next window, or None: edged wants no more."""
        while (frame := self._decoder.next()) is None:
            if not (data := self._socket.recv(_READ_BYTES)):
                return None
            self._decoder.feed(data)
        if frame.kind != FEATURES:
            raise ValueError(f"edged sent a frame {frame.kind!r}")
        return np.frombuffer(frame.body, dtype="<f4")


def load_runner() -> ModuleType:
    """`edge_impulse_linux.runner` by itself, with two of its ways into the system mended."""
    package = importlib.util.find_spec("edge_impulse_linux")
    if package is None or package.origin is None:
        raise ImportError("edge_impulse_linux is not installed")
    spec = importlib.util.spec_from_file_location("edged_impulse_runner", Path(package.origin).with_name("runner.py"))
    assert spec is not None  # noqa: S101 - a .py file always has one
    assert spec.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The model dies with this process, however that ends.
    popen = partial(subprocess.Popen, preexec_fn=_die_with_parent)
    module.subprocess = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)  # type: ignore[attr-defined]
    # Python would start a process of its own to unlink shared memory that is the model's, not ours (cpython#82300).
    resource_tracker.register = lambda *_: None
    return module


def classify(runner: Any, window: np.ndarray[Any, Any], labels: list[str]) -> bytes:
    """One window's scores as float32, in the order of the labels."""
    # Without shared memory the window goes out as JSON, which wants a list.
    answer = runner.classify(window if runner._input_shm else window.tolist())  # noqa: SLF001 - the client has no other way to tell
    scores = answer["result"]["classification"]
    return np.array([scores[label] for label in labels], dtype="<f4").tobytes()


def watch(edged: Edged, runner: Any) -> None:
    """End everything when either end goes: edged, or the model."""
    poll = select.poll()
    poll.register(0, 0)  # a hang-up is always told: edged has closed, or is gone; to end gently it only stops sending
    while runner._runner is None:  # noqa: SLF001 - the client tells nobody when it has started the model
        _end_if(poll.poll(1))
    model = os.pidfd_open(runner._runner.pid)  # noqa: SLF001 - likewise
    poll.register(model, select.POLLIN)
    while True:
        ready = poll.poll()
        _end_if(ready)
        if any(fd == model for fd, _ in ready):
            edged.send(BROKEN, f"the model ended: {_status(runner)}".encode())
            os._exit(1)


def leave(runner: Any) -> None:
    """End the model gently, so that it may clean up after itself; then firmly."""
    model: subprocess.Popen[bytes] = runner._runner  # noqa: SLF001 - stop() sends the signal, and neither waits nor looks back
    model.send_signal(signal.SIGINT)
    try:
        model.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        model.kill()
        model.wait()
    os._exit(0)  # past the client's destructor, as above


def _end_if(ready: list[tuple[int, int]]) -> None:
    if any(fd == 0 for fd, _ in ready):
        os.killpg(0, signal.SIGKILL)


def _status(runner: Any) -> str:
    code: int = runner._runner.wait()  # noqa: SLF001 - it has ended: this only fetches how
    return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit status {code}"


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _never_started(error: BaseException) -> bool:
    """Tell a file that the system cannot run (another processor's, or its loader is missing) from what may pass."""
    hopeless = {errno.ENOEXEC, errno.ENOENT, errno.EACCES}
    return isinstance(error, OSError) and error.errno in hopeless and error.filename == sys.argv[1]


def _in_words(error: BaseException) -> str:
    # The client's words for an answer cut short, and for one with another request's id, say nothing to a user.
    match error:
        case IndexError() | ConnectionError():
            return "the model closed its connection"
        case KeyError():
            return f"the model's answer lacks {error}"
        case TypeError() | ValueError():
            return f"the model talks garbage: {error}"
    return f"the model refuses: {error}" if type(error) is Exception else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
