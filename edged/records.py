"""The records handed from stage to stage along the road: frozen, slotted, with their units in their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pcm: TypeAlias = NDArray[np.int16]
Frames: TypeAlias = NDArray[np.float32]

SourceState: TypeAlias = Literal["starting", "hearing", "absent", "busy", "silent", "clipped", "wrong-rate", "ended"]
ModelState: TypeAlias = Literal["starting", "running", "failed"]
EventKind: TypeAlias = Literal["detection", "start", "update", "end"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive audio of one source, as it came from the device."""

    samples: Pcm
    """Shape (n, channels), int16."""
    rate_hz: int
    first: int
    """Index of the first sample frame, counted from the start of the present unbroken stream."""
    ended_ns: int
    """CLOCK_MONOTONIC when the last sample was heard, in ns; 0 in replay, where no clock is involved."""
    fresh: bool
    """True on the first chunk of a stream: nothing before it may be joined to it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a source is, said whenever it changes and at every attempt to bring it back."""

    state: SourceState
    why: str
    """Plain words for a person: ``usb-mic absent: no such device``."""


Heard: TypeAlias = Chunk | Condition
"""What a source yields: audio, or news of itself."""


@dataclass(frozen=True, slots=True)
class Window:
    """One model input."""

    frames: Frames
    """Shape (frames, width), float32 features, not yet quantised."""
    ends: int
    """Index just past the last sample that went into it, in the model's own rate."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's posteriors for one window."""

    values: NDArray[np.float32]
    """Shape (labels,), each 0 to 1."""
    ends: int
    """Index just past the last sample heard, in the model's own rate."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing decided about one label: a detection, or the start, the update or the end of a sound."""

    kind: EventKind
    label: str
    score: float
    """The smoothed posterior that decided, 0 to 1."""
    peak: float
    mean: float
    """Of the smoothed posterior since the start."""
    began: int
    """Sample index (model's rate) at which the sound began; for a detection, equal to `at`."""
    at: int
    """Sample index (model's rate) just past the last sample the decision rests on."""


@dataclass(frozen=True, slots=True)
class Event:
    """A decision tied to time and to how loud it was: what a lane hands on."""

    decision: Decision
    at_s: float
    """Seconds of stream at `decision.at`, by sample count."""
    at_ns: int
    """CLOCK_MONOTONIC when the sample at `at_s` was heard, ns; without meaning in replay."""
    stream_ns: int
    """CLOCK_MONOTONIC at the stream's first sample, ns; likewise."""
    level_dbfs: float
    """RMS of the second before `at_s`; 0 is a full-scale square wave, minus infinity digital silence."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How scores over time become decisions. See `edged.decide`."""

    kind: Literal["detection", "sound"] = "detection"
    threshold: float = 0.5
    """Crossed from below (strictly greater) a label becomes active."""
    release: float | None = None
    """At or below it, and no longer voted, an active label is released; None: at the threshold, without hysteresis."""
    mean_of: int = 1
    """Windows in the moving mean; before that many were heard the mean counts as 0."""
    n: int = 1
    of_m: int = 1
    """N of the last M smoothed scores must be over the threshold."""
    refractory_s: float = 0.0
    """After an activation, so long no other of the same label."""
    min_s: float = 0.0
    """A sound shorter than this is not reported."""
    max_s: float | None = None
    """A sound longer than this is ended, and begins anew."""
    update_s: float = 10.0
    """While a sound lasts, one update in so many seconds."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One MQTT message, ready to send."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: Literal[0, 1] = 1
    expiry_s: int | None = None
    """MQTT 5 message expiry interval; left out on MQTT 3.1.1."""
    properties: tuple[tuple[str, str], ...] = field(default=())
    """MQTT 5 user properties."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event on its way into the outbox: everything but the number it will get there."""

    stream: str
    """Events of one stream are numbered one after another: ``<source>/<model>``."""
    topic: str
    body: bytes
    """JSON object without id and sequence; they are written in at delivery."""
    once: tuple[str, str] | None = None
    """(key, token) of an event that its sender repeats until it is stored; it is stored only where its token is not
    the last one under that key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A committed event, as the outbox gives it back."""

    number: int
    """Position in the outbox; grows for the life of the file, never reused."""
    outbox: str
    """Identity of the outbox file: with `number` it makes an id that no other event will ever have."""
    stream: str
    sequence: int
    """Position within the stream, from 1."""
    topic: str
    body: bytes
    again: bool
    """True when it may have been sent before: it was stored by an earlier run, or sent on an earlier connection."""
