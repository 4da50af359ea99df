"""What the TOML file says, once it was found good: plain frozen records, which cost the daemon no library.

`edged.tables` holds the same keys, explains each and checks them; a record here is made by `settings_of` alone, from
what passed there. Nothing here opens a model or a microphone, and no object here ever holds a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from edged.password import password

Given: TypeAlias = Mapping[str, Any]
"""A table of which only what the file says counts: its keys, and their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the broker is verified, and how we show who we are."""

    ca: Path | None
    cert: Path | None
    key: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqtt:
    """The broker, and how to reach it."""

    host: str
    port: int
    username: str | None
    password_credential: str | None
    password_file: Path | None
    password_env: str | None
    client_id: str | None
    topic_prefix: str
    keepalive_s: int
    tls: Tls | None

    def password(self) -> str | None:
        """Fetch the password from where the file says it is; ConfigError when it is not there, or open to others."""
        return password(credential=self.password_credential, file=self.password_file, env=self.password_env)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Where events wait."""

    max_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The periodic report."""

    interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """The sound around events and near misses, kept for training."""

    keep: bool
    quota_mb: int
    pre_roll_s: float
    post_roll_s: float
    near_miss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What runs the .tflite models."""

    library: Literal["auto", "tflite-runtime", "litert"]
    kernels: Literal["default", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Microphone:
    """A sound device of this machine."""

    kind: Literal["microphone"] = "microphone"
    device: str
    rate_hz: int
    channels: int
    chunk_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A recording."""

    kind: Literal["file"] = "file"
    path: Path
    paced: bool
    loop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that writes PCM."""

    kind: Literal["command"] = "command"
    command: tuple[str, ...]
    rate_hz: int
    channels: int


Source: TypeAlias = Microphone | File | Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model, and what it listens to; its defaults are those of the table, for the model that no file names."""

    path: Path
    sources: tuple[str, ...] | None = None
    hop_ms: float | None = None
    labels: tuple[str, ...] | None = None
    labels_file: Path | None = None
    background: tuple[str, ...] = ()
    window_frames: int | None = None
    hop_frames: int | None = None
    timeout_s: float = 2.0
    front_end: Given | None = None
    policy: Given = field(default_factory=dict)
    policies: Mapping[str, Given] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A microcontroller on a serial port; its defaults are those of the table, for a board that no file names."""

    port: str
    driver: Literal["smp", "edge-impulse", "lines"] = "smp"
    baud: int = 1_000_000
    dtr: bool | None = None
    rts: bool | None = None
    uid: str | None = None
    heartbeat_s: float = 3.0
    labels: tuple[str, ...] | None = None
    background: tuple[str, ...] = ()
    threshold: float = 0.5
    refractory_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    gateway: str
    state_dir: Path
    runtime_dir: Path
    mqtt: Mqtt
    outbox: Outbox
    health: Health
    clips: Clips
    runtime: Runtime
    find_boards: bool
    boards: Mapping[str, Board]
    sources: Mapping[str, Source]
    models: Mapping[str, Model]

    @property
    def control_socket(self) -> Path:
        """Where the daemon listens for `edged status` and its like."""
        return self.runtime_dir / "control.sock"


def settings_of(told: Mapping[str, Any]) -> Config:
    """Make the records from the file's tables, every key in its place; paths may be text, and tuples lists."""
    mqtt = dict(told["mqtt"])
    tls = mqtt["tls"]
    mqtt |= {
        "password_file": _path(mqtt["password_file"]),
        "tls": None if tls is None else Tls(**{name: _path(path) for name, path in tls.items()}),
    }
    return Config(
        gateway=told["gateway"],
        state_dir=Path(told["state_dir"]),
        runtime_dir=Path(told["runtime_dir"]),
        mqtt=Mqtt(**mqtt),
        outbox=Outbox(**told["outbox"]),
        health=Health(**told["health"]),
        clips=Clips(**told["clips"]),
        runtime=Runtime(**told["runtime"]),
        find_boards=told["find_boards"],
        boards={name: _board(board) for name, board in told["boards"].items()},
        sources={name: _source(source) for name, source in told["sources"].items()},
        models={name: _model(model) for name, model in told["models"].items()},
    )


def _source(told: Mapping[str, Any]) -> Source:
    match told["kind"]:
        case "microphone":
            return Microphone(**told)
        case "file":
            return File(**{**told, "path": Path(told["path"])})
        case _:
            return Command(**{**told, "command": tuple(told["command"])})


def _board(told: Mapping[str, Any]) -> Board:
    return Board(**{**told, "labels": _words(told["labels"]), "background": tuple(told["background"])})


def _model(told: Mapping[str, Any]) -> Model:
    made = dict(told) | {name: _path(told[name]) for name in ("path", "labels_file")}
    made |= {name: _words(told[name]) for name in ("sources", "labels", "background")}
    made["front_end"] = None if told["front_end"] is None else _given(told["front_end"])
    made["policy"] = _given(told["policy"])
    made["policies"] = {label: _given(policy) for label, policy in told["policies"].items()}
    return Model(**made)


def _path(told: str | Path | None) -> Path | None:
    return None if told is None else Path(told)


def _words(told: list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if told is None else tuple(told)


def _given(told: Mapping[str, Any]) -> Given:
    return {key: value for key, value in told.items() if value is not None}
