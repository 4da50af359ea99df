"""What a manifest may ask of a front end: one frozen record for each kind, and the way from a plain mapping to it.

A record that exists is valid: every bound is checked when it is made. `docs/FEATURES.md` says what the parameters mean.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_RATE_HZ = 192_000
MAX_WINDOW_MS = 2_000
"""Longer than any published front end by far; with `MAX_RATE_HZ` it bounds the buffers."""
MAX_BANDS = 512


def _within(key: str, value: float, *, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ModelError(
            "out of range",
            key=key,
            value=value,
            way_out=f"Give a number from {low:g} to {high:g}, as the model was trained",
        )


def samples_of(key: str, *, ms: float, rate_hz: int) -> int:
    """A time in ms as a number of samples.

    Raises:
        ModelError: It is not a whole number of samples, at least one.
    """
    samples = ms * rate_hz / 1000
    if samples < 1 or samples != int(samples):
        way_out = f"Give a time that is a whole number of samples at {rate_hz} Hz"
        raise ModelError("not a whole number of samples", key=key, value=ms, way_out=way_out)
    return int(samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Micro:
    """TensorFlow Lite Micro's audio front end: 30 ms window, 10 ms step, 40 channels, 16 kHz."""

    name: ClassVar[str] = "micro"
    every: int = 1
    """Keep each n-th frame, beginning with the first: 2 gives a 20 ms step."""

    def __post_init__(self) -> None:
        _within("every", self.every, low=1, high=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMel:
    """log(magnitude mel spectrum + offset). The defaults are YAMNet's."""

    name: ClassVar[str] = "log-mel"
    rate_hz: int = 16_000
    window_ms: float = 25
    step_ms: float = 10
    bands: int = 64
    low_hz: float = 125
    high_hz: float = 7500
    offset: float = 0.001
    """Added to each band before the logarithm."""
    gain: float = 1.0
    """The waveform, as -1 to 1, is multiplied by it."""

    def __post_init__(self) -> None:
        _check_mel(self)
        _within("offset", self.offset, low=1e-30, high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mfcc:
    """Cepstral coefficients of a log-mel spectrum. The defaults are those of MLPerf Tiny's keyword spotting."""

    name: ClassVar[str] = "mfcc"
    rate_hz: int = 16_000
    window_ms: float = 40
    step_ms: float = 20
    bands: int = 40
    low_hz: float = 20
    high_hz: float = 4000
    offset: float = 1e-6
    """Added to each band before the logarithm."""
    coefficients: int = 10
    gain: float = 1.0
    """The waveform, as -1 to 1, is multiplied by it."""

    def __post_init__(self) -> None:
        _check_mel(self)
        _within("offset", self.offset, low=1e-30, high=1)
        _within("coefficients", self.coefficients, low=1, high=self.bands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lfbe:
    """Log filter bank energies, scaled to 0…1, with pre-emphasis: MLPerf Tiny's streaming wake word."""

    name: ClassVar[str] = "lfbe"
    rate_hz: int = 16_000
    window_ms: float = 64
    step_ms: float = 32
    bands: int = 40
    low_hz: float = 0
    high_hz: float = 8000
    gain: float = 1.0
    """The waveform, as -1 to 1, is multiplied by it."""

    def __post_init__(self) -> None:
        _check_mel(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPcm:
    """The samples themselves, one a frame."""

    name: ClassVar[str] = "pcm"
    rate_hz: int = 16_000
    scale: float = 1.0
    """Factor on the int16 values: 1 for Edge Impulse, 1/32768 for models that take a waveform of -1 to 1."""

    def __post_init__(self) -> None:
        _within("rate_hz", self.rate_hz, low=1000, high=MAX_RATE_HZ)
        _within("scale", self.scale, low=1e-9, high=1e9)


FrontEndSpec: TypeAlias = Micro | LogMel | Mfcc | Lfbe | RawPcm
MelSpec: TypeAlias = LogMel | Mfcc | Lfbe

KINDS: dict[str, type[FrontEndSpec]] = {kind.name: kind for kind in (Micro, LogMel, Mfcc, Lfbe, RawPcm)}


def _check_mel(spec: MelSpec) -> None:
    _within("rate_hz", spec.rate_hz, low=1000, high=MAX_RATE_HZ)
    _within("window_ms", spec.window_ms, low=1, high=MAX_WINDOW_MS)
    _within("step_ms", spec.step_ms, low=0.1, high=spec.window_ms)
    samples_of("window_ms", ms=spec.window_ms, rate_hz=spec.rate_hz)
    samples_of("step_ms", ms=spec.step_ms, rate_hz=spec.rate_hz)
    _within("bands", spec.bands, low=1, high=MAX_BANDS)
    _within("high_hz", spec.high_hz, low=1, high=spec.rate_hz / 2)
    _within("low_hz", spec.low_hz, low=0, high=spec.high_hz - 1)
    _within("gain", spec.gain, low=1e-6, high=1e6)


def from_mapping(
    mapping: Mapping[str, object], *, file: str | Path | None = None, key: str = "front_end"
) -> FrontEndSpec:
    """The record for ``{"name": "mfcc", "window_ms": 40, …}``; what is not given has its default.

    Args:
        mapping: A front end as a manifest or a config writes it.
        file: Where it was written, for the error.
        key: The dotted key under which it was written, for the error.

    Raises:
        ModelError: An unknown name or parameter (the nearest known one is named), a wrong type, a value out of range.
    """
    try:
        return _built(mapping)
    except ModelError as wrong:
        place = key if wrong.key is None else f"{key}.{wrong.key}"
        raise ModelError(wrong.what, file=file, key=place, value=wrong.value, way_out=wrong.way_out) from None


def _built(mapping: Mapping[str, object]) -> FrontEndSpec:
    if "name" not in mapping:
        raise ModelError("no name is given", key="name", way_out=_known("", KINDS))
    name = mapping["name"]
    if not isinstance(name, str) or name not in KINDS:
        raise ModelError("unknown front end", key="name", value=name, way_out=_known(name, KINDS))
    kind = KINDS[name]
    types = {field.name: str(field.type) for field in fields(kind)}
    given = {key: value for key, value in mapping.items() if key != "name"}
    for key, value in given.items():
        if key not in types:
            raise ModelError(f"unknown parameter of {name}", key=key, way_out=_known(key, types))
        _check_type(key, value, wanted=types[key])
    return kind(**given)  # type: ignore[arg-type]  # the loop above has just checked every name and type


def _check_type(key: str, value: object, *, wanted: str) -> None:
    accepted: tuple[type, ...] = (int,) if wanted == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        noun = "a whole number" if wanted == "int" else "a number"
        raise ModelError(f"not {noun}", key=key, value=value, way_out=f"Write {noun}")


def _known(word: object, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(str(word), known, n=1)
    return f"Did you mean {near[0]}" if near else f"Known are: {', '.join(known)}"
