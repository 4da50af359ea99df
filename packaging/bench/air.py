"""What is heard: "okay nabu" by two voices, again and again; and the time at which the microphone heard what."""

from __future__ import annotations

import bisect
import os
import subprocess
import tempfile
import threading
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from edged.audio.files import open_audio
from edged.audio.resample import Converter

if TYPE_CHECKING:
    from edged.records import Pcm

RATE_HZ = 16_000
PIECE = RATE_HZ // 100
"""Samples that the virtual microphone hears at a time: 10 ms, as a sound card's interrupts."""
VOICES = ("en-us", "en-gb")
PHRASE = "okay nabu"
PAUSES_S = (1.71, 1.94, 1.83, 2.07)
"""Not multiples of a chunk, so that words end anywhere in one; together with a word longer than the refractory time."""
NOISE = 30.0
"""Standard deviation: a room is never digitally silent."""
WORD_LEVEL = 0.01
"""A word ends with its last sample of more than this part of its peak (-40 dB)."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Words among noise."""

    pcm: Pcm
    ends: list[int]
    """For each word, the index of the sample after its last one."""


def words() -> Sound:
    """Each voice, said once with each pause."""
    rng = np.random.default_rng(0)
    pieces, ends, length = [], [], 0
    for pause_s in PAUSES_S:
        for voice in VOICES:
            said = _say(voice)
            pieces += [np.zeros(round(pause_s * RATE_HZ)), said.astype(np.float64)]
            length += len(pieces[-2]) + len(said)
            loud = np.flatnonzero(np.abs(said.astype(np.int32)) > WORD_LEVEL * np.abs(said.astype(np.int32)).max())
            ends.append(length - len(said) + int(loud[-1]) + 1)
    heard = np.concatenate(pieces)
    heard += rng.normal(0, NOISE, len(heard))
    return Sound(np.clip(heard, -32768, 32767).astype(np.int16), ends)


def write_wav(path: Path, sound: Sound, *, length_s: float) -> Path:
    """Write a recording of that length, the words again and again."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        left = round(length_s * RATE_HZ)
        while left > 0:
            file.writeframes(sound.pcm[:left].astype("<i2").tobytes())
            left -= min(left, len(sound.pcm))
    return path


class Air:
    """Lets a virtual microphone (its FIFO) hear a sound again and again, in real time. `with Air(fifo, sound):`."""

    def __init__(self, fifo: Path, sound: Sound) -> None:
        self.ends: list[float] = []
        """time.monotonic() at which the microphone had heard each word out, so far."""
        self._sound = sound
        self._fifo = os.open(fifo, os.O_WRONLY)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="air")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._fifo)

    def end_before(self, at: float) -> float:
        """Of the latest word that had been heard out at a time: when that was; NaN if there was none."""
        index = bisect.bisect_right(self.ends, at)
        return self.ends[index - 1] if index else float("nan")

    def _run(self) -> None:
        pcm, ends, began = self._sound.pcm, self._sound.ends, time.monotonic()
        written = 0
        while not self._over.is_set():
            at = written % len(pcm)
            piece = pcm[at : at + PIECE]
            written += len(piece)
            time.sleep(max(0.0, began + written / RATE_HZ - time.monotonic()))
            os.write(self._fifo, piece.astype("<i2").tobytes())
            now = time.monotonic()
            # The piece is there as a whole; its last sample now, the others so much earlier.
            self.ends += [now - (at + len(piece) - end) / RATE_HZ for end in ends if at < end <= at + len(piece)]


def _say(voice: str) -> Pcm:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "said.wav")
        subprocess.run(["espeak-ng", "-v", voice, "-w", str(file), PHRASE], check=True)
        with open_audio(file) as said:
            converter = Converter(said.rate_hz, said.channels, RATE_HZ)
            return np.concatenate([*map(converter.push, said.blocks(said.rate_hz)), converter.flush()])
