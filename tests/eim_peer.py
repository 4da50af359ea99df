"""A `.eim` of our own: a process that speaks Edge Impulse's protocol, well or badly as its name for the day says.

`write_eim(path, …)` makes an executable `path` that runs this file with the ways given. It tells loud windows from
quiet ones: the score of "loud" is the mean absolute value over 32768, so that a test knows each answer.

It is the model's side as the project's notes and Edge Impulse's own clients have it: bare JSON objects in, JSON and a
NUL out, one connection, the window in shared memory of the model's making or in the request.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import stat
import struct
import sys
import time
from pathlib import Path
from typing import Any, Literal, NoReturn

Way = Literal[
    "well",
    "dead at start",
    "no socket",
    "hang in hello",
    "die",
    "hang",
    "garbage",
    "wrong id",
    "refuse",
    "no label",
    "nan",
]
SAMPLES = 4000
RATE_HZ = 16_000
LABELS = ["loud", "quiet"]


def write_eim(
    path: Path,
    way: Way = "well",
    *,
    at: int = 1,
    shm: bool = True,
    hello: dict[str, Any] | None = None,
    once: Path | None = None,
) -> Path:
    """Make an executable model at `path`.

    Args:
        path: Where.
        way: How it behaves.
        at: At which classification it begins to behave so.
        shm: Whether it offers shared memory.
        hello: What its model_parameters say otherwise.
        once: While this file exists it behaves so, and removes it; afterwards it behaves well.
    """
    told = json.dumps({"way": way, "at": at, "shm": shm, "hello": hello or {}, "once": str(once) if once else ""})
    path.write_text(
        f"#!{sys.executable} -I\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import eim_peer\neim_peer.main(sys.argv[1], {told!r})\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def main(where: str, told: str) -> None:
    """Serve one connection on the UNIX socket `where`, and end."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    ways = json.loads(told)
    if ways["once"]:
        if Path(ways["once"]).exists():
            Path(ways["once"]).unlink()
        else:
            ways["way"] = "well"
    match ways["way"]:
        case "dead at start":
            sys.exit(3)
        case "no socket":
            hang()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(where)
        server.listen(1)
        connection, _ = server.accept()
    Model(connection, ways).serve()


def hang() -> NoReturn:
    """Never come back; a signal for which one would clean up is not heard either."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(3600)


class Model:
    """One connection's state."""

    def __init__(self, connection: socket.socket, ways: dict[str, Any]) -> None:
        self.connection = connection
        self.ways = ways
        self.count = 0
        self.shm = Path(f"/dev/shm/eim-peer-{os.getpid()}") if ways["shm"] else None  # noqa: S108 - it is shared memory
        self.map: Any = None

    def serve(self) -> None:
        try:
            held = b""
            while data := self.connection.recv(65536):
                held += data
                try:
                    request, held = json.loads(held), b""
                except ValueError:
                    continue  # not enough yet
                self.answer(request)
        finally:
            if self.shm is not None:
                self.shm.unlink(missing_ok=True)

    def answer(self, request: dict[str, Any]) -> None:
        if "hello" in request:
            return self.hello(request["id"])
        self.count += 1
        way = self.ways["way"] if self.count >= self.ways["at"] else "well"
        window = self.window(request)
        loud = sum(map(abs, window)) / len(window) / 32768
        scores: dict[str, float] = {"loud": loud, "quiet": 1 - loud}
        reply = {"id": request["id"], "success": True, "result": {"classification": scores}, "timing": {"dsp": 1}}
        match way:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                hang()
            case "garbage":
                self.connection.sendall(b"\xff{{]\0")
                return None
            case "wrong id":
                reply["id"] += 1
            case "refuse":
                reply = {"id": request["id"], "success": False, "error": "the arena is too small"}
            case "no label":
                del scores["quiet"]
            case "nan":
                scores["loud"] = float("nan")
        return self.reply(reply)

    def hello(self, number: int) -> None:
        parameters = {
            "input_features_count": SAMPLES,
            "sensor": 1,
            "frequency": RATE_HZ,
            "interval_ms": 1000 / RATE_HZ,
            "axis_count": 1,
            "label_count": len(LABELS),
            "labels": LABELS,
            "has_anomaly": 0,
            "model_type": "classification",
            "slice_size": SAMPLES // 4,
            "use_continuous_mode": True,
        }
        reply: dict[str, Any] = {"id": number, "success": True, "project": {"id": 1, "name": "loudness", "owner": "us"}}
        reply["model_parameters"] = parameters | self.ways["hello"]
        if self.shm is not None:
            with self.shm.open("w+b") as file:
                file.truncate(SAMPLES * 4)
                self.map = mmap.mmap(file.fileno(), SAMPLES * 4)
            reply["features_shm"] = {
                "name": f"/{self.shm.name}",
                "size_bytes": SAMPLES * 4,
                "type": "float32",
                "elements": SAMPLES,
            }
        else:
            reply["features_shm_error"] = "no shared memory here"
        if self.ways["way"] == "hang in hello":
            hang()
        self.reply(reply)

    def window(self, request: dict[str, Any]) -> tuple[float, ...] | list[float]:
        if "classify_shm" in request:
            return struct.unpack(f"<{request['classify_shm']['elements']}f", self.map[:])
        values: list[float] = request["classify"]
        return values

    def reply(self, reply: dict[str, Any]) -> None:
        self.connection.sendall(json.dumps(reply).encode() + b"\0")
