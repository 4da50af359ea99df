"""A model that says a lot, and what it hears: `tone` begins and ends with every burst of a tone, and nothing else does.

It is one FULLY_CONNECTED and a LOGISTIC over a single frame of the micro front end: is it loud around 1 kHz? Boards run
it as they run any model; ten bursts a second are twenty events a second.
"""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Final

import numpy as np
from sketch import Sketch

from edged.classify.bundle import open_bundle, write_bundle
from edged.compiler.compiled import compile_model, read_source
from edged.features.spec import Micro
from edged.records import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.records import Pcm

RATE_HZ: Final = 16_000
CHANNELS: Final = 40
AROUND: Final = slice(11, 14)
"""Channels in which a tone of 1 kHz is heard."""
CHANNELS_AROUND: Final = AROUND.stop - AROUND.start
TONE_HZ: Final = 1000
INPUT_SCALE: Final = 26 / 255
"""Features reach 26."""
LOUD: Final = 8.0
"""Of a feature: between silence and the tone, which fades to 12 while it lasts."""


def model() -> bytes:
    """The `.tflite`: (1, 1, 40) int8 → (1, 2), of which the second is the tone's."""
    sketch = Sketch()
    source = sketch.tensor((1, 1, CHANNELS), scale=INPUT_SCALE, zero=-128)
    weights = np.zeros((2, CHANNELS), np.int8)
    weights[1, AROUND] = 32
    weight_scale = 1 / 32
    bias = np.array([-(2**14), round(-LOUD * CHANNELS_AROUND / (weight_scale * INPUT_SCALE))], np.int32)
    logits = sketch.tensor((1, 2), scale=0.5, zero=0)
    inputs = (
        source,
        sketch.tensor((2, CHANNELS), scale=weight_scale, data=weights),
        sketch.tensor((2,), dtype="int32", scale=weight_scale * INPUT_SCALE, data=bias),
    )
    sketch.operator("FULLY_CONNECTED", inputs, (logits,), "FullyConnected")
    out = sketch.tensor((1, 2), scale=1 / 256, zero=-128)
    sketch.operator("LOGISTIC", (logits,), (out,))
    return sketch.model(inputs=(source,), outputs=(out,))


def chatterbox(path: Path) -> Bundle:
    """Its bundle, made at `path` (NAME.edged)."""
    write_bundle(
        path,
        model=model(),
        name="chatterbox",
        labels=["quiet", "tone"],
        background=["quiet"],
        front_end=Micro(),
        window_frames=1,
        hop_frames=1,
        policy=Policy(kind="sound", threshold=0.5, mean_of=1, refractory_s=0.0, update_s=60.0),
    )
    return open_bundle(path)


def plan(path: Path) -> bytes:
    """What a board is given of the bundle at `path`."""
    return compile_model(read_source(path)).data


def bursts(count: int, *, on_s: float = 0.1, off_s: float = 0.1) -> Pcm:
    """So many bursts of the tone, each after a silence; shape (n,), int16."""
    on, off = round(on_s * RATE_HZ), round(off_s * RATE_HZ)
    tone = (8000 * np.sin(2 * np.pi * TONE_HZ * np.arange(on) / RATE_HZ)).astype(np.int16)
    return np.tile(np.concatenate([np.zeros(off, np.int16), tone]), count)


def write_wav(path: Path, samples: Pcm) -> Path:
    """A WAV of 16 kHz, mono, 16 bits."""
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        wav.writeframes(samples.astype("<i2").tobytes())
    return path
