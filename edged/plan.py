"""A plan: what a config would run, with every model opened and looked at, and nothing started.

`edged check` prints it, the daemon runs it, and `edged replay --config` borrows its models.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from edged import config as toml
from edged import installed
from edged.audio.files import open_audio
from edged.audio.microphone import Microphone
from edged.audio.sources import CommandSource, FileSource
from edged.classify.bundle import default_model, open_bundle
from edged.classify.model import open_model
from edged.classify.proof import prove
from edged.classify.wishes import Checked
from edged.errors import AudioFileError, ConfigError, ModelError, WorkerLost
from edged.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.audio.sources import Source
    from edged.classify.bundle import Bundle
    from edged.classify.proof import Proof
    from edged.classify.runtime import Kernels, Library

DEFAULT_MODEL = "default"
"""Name of the model that listens when the config names none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would run."""

    config: toml.Config
    file: Path
    """Where the config came from."""
    models: dict[str, toml.Model]
    """By name: those of the config, or the default one where there is something to hear."""
    bundles: dict[str, Bundle | WorkerLost]
    """By the model's name; an `.eim` that was not asked, or did not answer, is left for its lane to bring up."""
    stamps: dict[str, tuple[int, int]]
    """Of each `.eim`, by the model's name: size and time of change, which tell one content from another."""

    @property
    def library(self) -> Library | None:
        """Which runtime the config asks for; None for the platform's own."""
        library = self.config.runtime.library
        return None if library == "auto" else library

    @property
    def lanes(self) -> list[tuple[str, str]]:
        """(source, model) for each lane."""
        return [
            (source, name) for name, model in self.models.items() for source in model.sources or self.config.sources
        ]

    def key(self, source: str) -> object:
        """Give all that shapes a source and its lanes: while it is equal, they need not be started anew."""
        config = self.config
        lanes = {
            name: (replace(self.models[name], sources=None), self._identity(name))
            for heard, name in self.lanes
            if heard == source
        }
        return (config.gateway, config.mqtt, config.runtime, config.sources[source], lanes)

    @property
    def pending(self) -> frozenset[str]:
        """Models that are not known to come up."""
        return frozenset(name for name, bundle in self.bundles.items() if isinstance(bundle, WorkerLost))

    def configured(self, model: str) -> Path:
        """Tell which path the config names for a model, whatever is installed over it."""
        return self.config.models[model].path if model in self.config.models else default_model().path

    def told(self, model: str, running: Bundle | None = None) -> dict[str, object]:
        """Tell which file a model is, for machines; `running` is what an `.eim` said of itself when it was opened."""
        bundle = self.bundles[model]
        known = running if isinstance(bundle, WorkerLost) else bundle
        return {
            "name": model,
            "path": str(self.models[model].path),
            "configured": str(self.configured(model)),
            "version": "" if known is None else known.version,
            "sha256": "" if known is None else known.sha256,
            "labels": [] if known is None else [label for label in known.labels if label in known.policies],
        }

    def with_model(self, name: str, path: Path) -> Plan:
        """Make the same plan with another file for one model; raises ModelError or WorkerLost."""
        model = replace(self.models[name], path=path)
        bundle = _bundle(name, model, file=self.file)
        return replace(
            self,
            models=self.models | {name: model},
            bundles=self.bundles | {name: bundle},
            stamps=self.stamps | _stamps({name: path}),
        )

    def with_copy(self, name: str, path: Path) -> Plan:
        """Make the same plan with one model's file at the place of a copy; nothing is opened, so nothing can fail."""
        bundle = self.bundles[name]
        return replace(
            self,
            models=self.models | {name: replace(self.models[name], path=path)},
            bundles=self.bundles | {name: bundle if isinstance(bundle, WorkerLost) else replace(bundle, path=path)},
            stamps=self.stamps | _stamps({name: path}),
        )

    def prove(self, model: str) -> Proof | None:
        """Let a model hear its golden input, where it has one; raises ModelError where it answers otherwise."""
        bundle = self.bundles[model]
        if isinstance(bundle, WorkerLost):
            return None
        return prove(bundle, library=self.library, kernels=self.config.runtime.kernels)

    def open_lane(self, model: str) -> Lane:
        """Open a model, and make a lane of it; raises ModelError or WorkerLost."""
        bundle = self.bundles[model]
        if isinstance(bundle, WorkerLost):
            bundle = _bundle(model, self.models[model], file=self.file)
        timeout_s = self.models[model].timeout_s
        opened = open_model(bundle, library=self.library, kernels=self.config.runtime.kernels, timeout_s=timeout_s)
        return Lane(bundle, opened)

    def source(self, name: str) -> Source:
        """Make one of the config's sources; it does nothing until it is listened to."""
        match self.config.sources[name]:
            case toml.Microphone() as mic:
                return Microphone(mic.device, rate_hz=mic.rate_hz, channels=mic.channels, chunk_ms=mic.chunk_ms)
            case toml.File() as file:
                return FileSource(file.path, paced=file.paced, loop=file.loop)
            case toml.Command() as program:
                return CommandSource(program.command, rate_hz=program.rate_hz, channels=program.channels)
            case unknown:
                assert_never(unknown)

    def _identity(self, model: str) -> object:
        """Tell one content of a model's path from another; an `.eim` may not have been asked yet, and is never read."""
        return self.stamps.get(model, self.bundles[model])


def plan(file: Path, *, ask: bool = False, config: toml.Config | None = None) -> Plan:
    """Read a config, and look at every model and recording that it names.

    Args:
        file: The config file.
        ask: Start each `.eim` to ask what it is; otherwise that is left for its lane.
        config: What the file says, where somebody has read it already.

    Raises:
        UserError: The first mistake.
    """
    config = config or toml.load(file)
    models = config.models or ({DEFAULT_MODEL: toml.Model(path=default_model().path)} if config.sources else {})
    for name, board in config.boards.items():
        _serial(board.port, file=file, key=f"boards.{name}.port")
    for name, source in config.sources.items():
        if isinstance(source, toml.File):
            _there(source.path, file=file, key=f"sources.{name}.path")
            _audible(source.path, file=file, key=f"sources.{name}.path")
    bundles: dict[str, Bundle | WorkerLost] = {}
    current = {}
    for name, model in models.items():
        path = installed.find(config.state_dir, name, configured=model.path)
        _there(path, file=file, key=f"models.{name}.path")
        if model.labels_file is not None:
            _there(model.labels_file, file=file, key=f"models.{name}.labels_file")
        current[name] = replace(model, path=path)
        bundles[name] = _asked(name, current[name], file=file, ask=ask)
    stamps = _stamps({name: model.path for name, model in current.items()})
    return Plan(config=config, file=file, models=current, bundles=bundles, stamps=stamps)


def _stamps(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    eims = {name: path.stat() for name, path in paths.items() if path.suffix == ".eim"}
    return {name: (found.st_size, found.st_mtime_ns) for name, found in eims.items()}


def _there(path: Path, *, file: Path, key: str) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        what, way_out = (
            "there is no such file",
            "Name one that exists; a relative path counts from the folder of the config file",
        )
    except OSError as error:  # a folder on the way is closed to this user, a name is too long, a disk fails
        what, way_out = (
            f"cannot be looked at: {(error.strerror or str(error)).lower()}",
            "Name a file in a place that edged may read",
        )
    else:
        return
    raise ConfigError(what, file=file, key=key, value=str(path), way_out=way_out)


def _serial(port: str, *, file: Path, key: str) -> None:
    """Refuse what is there and can be no port; what is not there may come."""
    with contextlib.suppress(OSError):
        if port.startswith("/") and not stat.S_ISCHR(Path(port).stat().st_mode):
            way_out = "Name one that `edged board list` prints, plugged in or not"
            raise ConfigError("is no serial port", file=file, key=key, value=port, way_out=way_out)


def _audible(path: Path, *, file: Path, key: str) -> None:
    try:
        with open_audio(path):
            pass
    except AudioFileError as wrong:
        raise ConfigError(wrong.what, file=file, key=key, value=str(path), way_out=wrong.way_out) from None


def _asked(name: str, model: toml.Model, *, file: Path, ask: bool) -> Bundle | WorkerLost:
    if model.path.suffix == ".eim" and not ask:
        if not os.access(model.path, os.X_OK):
            raise ModelError("is not executable", file=model.path, way_out=f"Run chmod +x {model.path}")
        return WorkerLost("not started yet")
    try:
        return _bundle(name, model, file=file)
    except WorkerLost as lost:
        return lost


def _bundle(name: str, model: toml.Model, *, file: Path) -> Bundle:
    return open_bundle(
        model.path,
        name=name,
        labels=model.labels_file or model.labels,
        background=model.background,
        front_end=model.front_end,
        window_frames=model.window_frames,
        hop_frames=model.hop_frames,
        hop_ms=model.hop_ms,
        policy=Checked(model.policy),
        policies={label: Checked(special) for label, special in model.policies.items()},
        file=file,
        table=f"models.{name}",
    )


def chosen(*, model: Path | None = None, config: Path | None = None) -> tuple[list[Bundle], Library | None, Kernels]:
    """Find the models that a command means.

    They are the one named, else all of the config named, else $EDGED_MODEL, else the first of the machine's config,
    else the default one.

    Returns:
        Their bundles, and with which runtime and kernels to run them.

    Raises:
        UserError: There is no such model.
        WorkerLost: An `.eim` that does not come up.
    """
    named = model or _named_by_environment(config)
    if named:
        return [open_bundle(named)], None, "default"
    file = toml.where(config)
    if config is None and not file.exists():
        return [default_model()], None, "default"
    found = plan(file, ask=True)
    bundles = [found.bundles[name] for name in found.models] or [default_model()]
    for bundle in bundles:
        if isinstance(bundle, WorkerLost):
            raise bundle
    wanted = [bundle for bundle in bundles if not isinstance(bundle, WorkerLost)]
    return wanted if config else wanted[:1], found.library, found.config.runtime.kernels


def _named_by_environment(config: Path | None) -> Path | None:
    """Give $EDGED_MODEL, where no config is named: that would count more."""
    named = os.environ.get("EDGED_MODEL")
    if config is not None or not named:
        return None
    if not Path(named).exists():
        way_out = "Set it to a model that exists, or unset it"
        raise ModelError("there is no such model", key="$EDGED_MODEL", value=named, way_out=way_out)
    return Path(named)
