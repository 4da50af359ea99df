"""What the system tests play: words joined to a stream, a writer that plays them bit for bit, and what replay hears."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from nabu import NABU_PATH

from edged.audio.files import open_audio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edged.records import Pcm

ROOT = Path(__file__).parents[2]
RATE_HZ = 16_000
PIECE = RATE_HZ // 50
"""Samples that the writer writes at a time: 20 ms."""


def wake_word(name: str) -> Path:
    """Find one of pymicro-wakeword's models."""
    return NABU_PATH.with_name(f"{name}.json")


def joined(recordings: Iterable[Path], *, gap_s: float = 1.0) -> Pcm:
    """Join recordings of 16 kHz, with silence after each."""
    gap = np.zeros(round(gap_s * RATE_HZ), np.int16)
    pieces = []
    for path in recordings:
        with open_audio(path) as file:
            assert (file.rate_hz, file.channels) == (RATE_HZ, 1), path
            pieces += [*(block[:, 0] for block in file.blocks(RATE_HZ)), gap]
    return np.concatenate(pieces)


def write_wav(path: Path, pcm: Pcm) -> Path:
    """Write 16 kHz mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> Pcm:
    """Read it back."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def replayed(path: Path, *, model: Path) -> list[dict[str, Any]]:
    """Give what `edged replay` hears in a recording."""
    command = [sys.executable, "-m", "edged", "replay", str(path), "--model", str(model), "--json"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Paced:
    """Writes into a FIFO in real time: silence, and what it is given to play. `with Paced(rig.fifo) as air:`."""

    def __init__(self, fifo: Path) -> None:
        self._fifo = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._waiting = np.zeros(0, np.int16)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paced")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        os.close(self._fifo)

    def play(self, pcm: Pcm) -> None:
        """Let it be heard next; returns at once."""
        with self._lock:
            self._waiting = np.concatenate([self._waiting, pcm])

    @property
    def played(self) -> bool:
        """Whether all of it has been written."""
        with self._lock:
            return not len(self._waiting)

    def _run(self) -> None:
        began_s, written = time.monotonic(), 0
        while not self._over.is_set():
            with self._lock:
                piece, self._waiting = self._waiting[:PIECE], self._waiting[PIECE:]
            self._write(np.pad(piece, (0, PIECE - len(piece))).astype("<i2").tobytes())
            written += PIECE
            self._over.wait(max(0.0, began_s + written / RATE_HZ - time.monotonic()))

    def _write(self, data: bytes) -> None:
        """Write all of it; while the reader is stopped, wait for it; when it is gone, end."""
        while data and not self._over.is_set():
            try:
                data = data[os.write(self._fifo, data) :]
            except BlockingIOError:
                select.select([], [self._fifo], [], 0.1)
            except BrokenPipeError:
                self._over.set()
