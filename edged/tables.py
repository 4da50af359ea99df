"""What the TOML file may hold, table by table, from the innermost outwards.

The sentence under each key is its description: `edged schema` prints it, docs/CONFIGURATION.md repeats it, and
packaging/edged.toml.example shows every key. Paths in the file are relative to the file's own folder. A password never
stands in the file, and no object here ever holds one. Nothing here opens a model or a microphone: whoever uses a value
says whether it works.
"""

from __future__ import annotations

import os
import re
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, field_validator, model_validator

from edged.board_tables import Board  # noqa: TC001 - pydantic resolves it at run time
from edged.table import (
    Bounded,
    Channels,
    Count,
    Credential,
    FilePath,
    Level,
    RateHz,
    Seconds,
    Share,
    Table,
    Votes,
    Words,
    wrong,
)

if TYPE_CHECKING:
    from pydantic import ValidationInfo

MQTT_PORT, MQTTS_PORT = 1883, 8883  # IANA: mqtt, secure-mqtt


def _host(host: str) -> str:
    if re.search(r"[\s/@]", host):
        raise wrong("is not a host name", way_out="Write the name or the address alone, without mqtt:// and user")
    return host


def _topic_prefix(prefix: str) -> str:
    if re.search(r"[+#\0]|^[$/]|/$|//", prefix):
        raise wrong("is not usable in a topic", way_out="Write levels joined by /, without +, #, or / at either end")
    return prefix


def _device(device: str) -> str:
    if device != "default" and not re.fullmatch(r"(name|usb):\s*[^\s\0][^\0]*", device):
        raise wrong("names no device", way_out="Write default, name:… or usb:…, as `edged devices` prints them")
    return device


class Tls(Table):
    """How the broker is verified, and how we show who we are. The table may stand empty: its presence turns TLS on."""

    ca: FilePath | None = None
    """PEM file of the CA that signed the broker's certificate; default: the system's store."""
    cert: FilePath | None = None
    """PEM file of our own certificate, where the broker asks for one."""
    key: FilePath | None = None
    """PEM file of the certificate's private key; default: in the file of cert."""

    @field_validator("key")
    @classmethod
    def _belongs_to_a_cert(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if key and not info.data.get("cert", True):
            raise wrong("is a key without a certificate", way_out="Give cert too, or leave key out")
        return key


class Mqtt(Table):
    """The broker, and how to reach it."""

    host: Annotated[Bounded, AfterValidator(_host)] = "localhost"
    """Name or address of the broker."""
    port: int = Field(default=MQTT_PORT, ge=1, le=65_535)
    """TCP port; default 1883, or 8883 with `[mqtt.tls]`; 8883 turns TLS on."""
    username: Bounded | None = None
    """User name at the broker."""
    password_credential: Credential | None = None
    """The systemd credential that holds the password (`LoadCredential=` in the unit)."""
    password_file: FilePath | None = None
    """File that holds the password alone, readable by the service only."""
    password_env: Level | None = None
    """Environment variable that holds the password."""
    client_id: Bounded | None = None
    """MQTT client id; default: `edged-<gateway>`."""
    topic_prefix: Annotated[Bounded, AfterValidator(_topic_prefix)] = "edged"
    """The first levels of every topic."""
    keepalive_s: int = Field(default=30, ge=5, le=65_535)
    """MQTT keep-alive, in seconds: how soon a dead connection is noticed."""
    tls: Tls | None = None
    """TLS with verification of the broker."""

    @model_validator(mode="before")
    @classmethod
    def _port_and_tls_imply_each_other(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        implied: dict[str, object] = {"port": MQTTS_PORT} if "tls" in data else {}
        if data.get("port") == MQTTS_PORT:
            implied["tls"] = {}
        return implied | data

    @field_validator("password_file", "password_env")
    @classmethod
    def _one_place_for_the_password(cls, place: object, info: ValidationInfo) -> object:
        others = [name for name in ("password_credential", "password_file") if info.data.get(name)]
        if place and others:
            raise wrong(f"is a second place for the password, beside {others[0]}", way_out="Leave one of them out")
        return place


class Outbox(Table):
    """Events wait here, on disk, until the broker has them."""

    max_messages: int = Field(default=100_000, ge=1, le=10_000_000)
    """So many events wait at most; then the oldest go, and are counted."""


class Health(Table):
    """The daemon's periodic report on itself."""

    interval_s: float = Field(default=60.0, ge=1, le=86_400, allow_inf_nan=False)
    """Seconds from one health message to the next."""


class Clips(Table):
    """The sound around events and near misses, kept on this machine for the next training; never published."""

    keep: bool = False
    """`true`: keep it, in the folder `clips` of the state directory."""
    quota_mb: int = Field(default=100, ge=1, le=1_000_000)
    """So many MB are kept at most (1 MB is half a minute); then the oldest go, and are counted."""
    pre_roll_s: float = Field(default=2.0, ge=0.5, le=30, allow_inf_nan=False)
    """Seconds kept before the moment of an event."""
    post_roll_s: float = Field(default=1.0, ge=0, le=30, allow_inf_nan=False)
    """Seconds kept after it."""
    near_miss: float = Field(default=0.6, ge=0.05, le=1, allow_inf_nan=False)
    """A smoothed score that reached this share of its threshold, and decided nothing, is a near miss."""


class Runtime(Table):
    """What runs the .tflite models."""

    library: Literal["auto", "tflite-runtime", "litert"] = "auto"
    """Whose interpreter; `auto` takes the one that is installed."""
    kernels: Literal["default", "reference"] = "default"
    """Whose arithmetic; `reference` is slow, and the same to the bit everywhere."""


class Microphone(Table):
    """A sound device of this machine."""

    kind: Literal["microphone"]
    """What the source is: microphone, file or command."""
    device: Annotated[Bounded, AfterValidator(_device)] = "default"
    """`default`, `name:…` or `usb:…`, as `edged devices` prints it."""
    rate_hz: RateHz = 16_000
    """Samples per second asked of the device; models get what they want by conversion."""
    channels: Channels = 1
    """Channels asked of the device; models hear their mean."""
    chunk_ms: int = Field(default=64, ge=10, le=1000)
    """Audio handed on at a time, in ms: shorter is sooner, and costs more CPU."""


class File(Table):
    """A recording, WAV or FLAC."""

    kind: Literal["file"]
    """What the source is: microphone, file or command."""
    path: FilePath
    """The recording."""
    paced: bool = True
    """`true`: at the speed of sound's own time; `false`: as fast as it goes."""
    loop: bool = False
    """`true`: begin again at the end."""


class Command(Table):
    """A program that writes signed 16-bit little-endian PCM to its standard output."""

    kind: Literal["command"]
    """What the source is: microphone, file or command."""
    command: Words = Field(min_length=1)
    """Program and arguments, one string each; no shell is involved."""
    rate_hz: RateHz = 16_000
    """Samples per second that the program writes."""
    channels: Channels = 1
    """Interleaved channels that the program writes."""


Source: TypeAlias = Annotated[Microphone | File | Command, Field(discriminator="kind")]


class Policy(Table):
    """How scores become decisions; what is left out is as the model's bundle says."""

    kind: Literal["detection", "sound"] | None = None
    """`detection`: one event per word; `sound`: start, update, end."""
    threshold: Share | None = None
    """A smoothed score above it makes the label active."""
    release: Share | None = None
    """An active label is released at or below it; default: the threshold."""
    mean_of: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Windows in the moving mean."""
    n: Votes | None = None
    """Of the last of_m smoothed scores, so many must be above the threshold."""
    of_m: Votes | None = Field(default=None, validate_default=True)
    """So many smoothed scores n is counted in."""
    refractory_s: Seconds | None = None
    """For so long after an activation, no other of the same label."""
    min_s: Seconds | None = None
    """A sound shorter than this is not reported."""
    max_s: Seconds | None = None
    """A sound longer than this is ended, and begins anew."""
    update_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """While a sound lasts, one update in so many seconds."""

    @field_validator("release", "of_m", "max_s")
    @classmethod
    def _in_order(cls, value: float | None, info: ValidationInfo) -> float | None:
        threshold, n, min_s = (info.data.get(name) for name in ("threshold", "n", "min_s"))
        match info.field_name:
            case "release" if None not in (value, threshold) and value > threshold:  # type: ignore[operator]
                raise wrong(f"is above the threshold, {threshold}", way_out="Set release at the threshold or below it")
            case "of_m" if n is not None and (value is None or n > value):
                raise wrong(f"cannot hold n = {n}", way_out=f"Set of_m to {n} or more")
            case "max_s" if None not in (value, min_s) and value < min_s:  # type: ignore[operator]
                raise wrong(f"is less than min_s, {min_s}", way_out="Raise max_s or lower min_s")
        return value


class FrontEnd(Table):
    """How sound becomes a plain `.tflite`'s input; a bundle knows it itself. `edged.features.spec` knows the ranges."""

    name: Literal["micro", "mfcc", "log-mel", "lfbe", "pcm"]
    """`micro`: TFLM's micro front end; `mfcc`; `log-mel`: YAMNet's; `lfbe`: MLPerf's; `pcm`: the samples."""
    every: int | None = None
    """`micro`: each so many frames, one is kept; default: 1, all of them."""
    rate_hz: int | None = None
    """All but `micro`: samples per second that the model was trained on; default: 16000."""
    window_ms: float | None = None
    """`mfcc`, `log-mel`, `lfbe`: length of a frame's window, in ms."""
    step_ms: float | None = None
    """`mfcc`, `log-mel`, `lfbe`: from one frame to the next, in ms."""
    bands: int | None = None
    """`mfcc`, `log-mel`, `lfbe`: mel bands."""
    low_hz: float | None = None
    """`mfcc`, `log-mel`, `lfbe`: lower edge of the lowest band."""
    high_hz: float | None = None
    """`mfcc`, `log-mel`, `lfbe`: upper edge of the highest band."""
    offset: float | None = None
    """`mfcc`, `log-mel`: added to each band before the logarithm."""
    coefficients: int | None = None
    """`mfcc`: coefficients kept of each frame."""
    gain: float | None = None
    """`mfcc`, `log-mel`, `lfbe`: the waveform, as -1 to 1, is multiplied by it; default: 1."""
    scale: float | None = None
    """`pcm`: factor on the 16-bit samples; default: 1; 1/32768 = 3.0517578125e-05 for models that take -1 to 1."""


class Model(Table):
    """One model, and what it listens to."""

    path: FilePath
    """Bundle folder, .edged file, microWakeWord .json, .tflite or .eim."""
    sources: Words | None = None
    """Names of the sources it hears; default: all of them."""
    hop_ms: Annotated[float, Field(gt=0, le=3_600_000)] | None = None
    """From one window to the next, in ms; default: the bundle's."""
    labels: Words | None = None
    """Label of each output of a plain .tflite, in order."""
    labels_file: FilePath | None = None
    """Or a text file with one label per line."""
    background: Words = ()
    """Labels that never make an event."""
    window_frames: Count | None = None
    """Plain `.tflite`: frames in one input; default: as its input shape says."""
    hop_frames: Count | None = None
    """Plain `.tflite`: frames from one window to the next."""
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    """`.eim`: a model that has not answered by then is killed and replaced; 12 s or more may restart all of edged."""
    front_end: FrontEnd | None = None
    """Plain `.tflite`: how sound becomes its input."""
    policy: Policy = Policy()
    """How scores become decisions, for every label."""
    policies: dict[str, Policy] = Field(default={})
    """By label: what is otherwise than in policy."""

    @field_validator("labels_file")
    @classmethod
    def _one_list_of_labels(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file and info.data.get("labels"):
            raise wrong("is a second list of labels, beside labels", way_out="Leave one of them out")
        return file

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = [label for label, count in Counter(labels or ()).items() if count > 1]
        if twice:
            raise wrong(f"names {twice[0]!r} twice", way_out="Give each output a label of its own")
        return labels


def _gateway() -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname())[:64] or "edged"


def _folder(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable, "").partition(":")[0] or otherwise)


class Config(Table):
    """The whole file."""

    gateway: Level = Field(default_factory=_gateway)
    """This machine's level in every topic; default: its host name."""
    state_dir: FilePath = Field(default_factory=lambda: _folder("STATE_DIRECTORY", "/var/lib/edged"))
    """Folder of the outbox and of installed models; default: `$STATE_DIRECTORY` or `/var/lib/edged`."""
    runtime_dir: FilePath = Field(default_factory=lambda: _folder("RUNTIME_DIRECTORY", "/run/edged"))
    """Folder of the control socket; default: `$RUNTIME_DIRECTORY` or `/run/edged`."""
    mqtt: Mqtt = Mqtt()
    """The broker."""
    outbox: Outbox = Outbox()
    """Where events wait."""
    health: Health = Health()
    """The periodic report."""
    clips: Clips = Clips()
    """The sound that is kept."""
    runtime: Runtime = Runtime()
    """What runs .tflite models."""
    find_boards: bool = False
    """`true`: see to boards with edged's firmware on USB ports that none of `boards` names, too."""
    boards: dict[Level, Board] = Field(default={})
    """By name: microcontrollers that hear for themselves; the name is a level in topics."""
    sources: dict[Level, Source] = Field(default={}, validate_default=True)
    """By name: where sound comes from; the name is a level in topics; needed where there are no boards."""
    models: dict[Level, Model] = Field(default={})
    """By name: what listens; without any, the default model hears every source."""

    @field_validator("sources")
    @classmethod
    def _something_hears(cls, sources: dict[str, Source], info: ValidationInfo) -> dict[str, Source]:
        if not sources and info.data.get("boards") == {} and info.data.get("find_boards") is False:
            raise wrong("is missing", way_out="Add it")
        return sources
