"""The config: which file it is, and what it says.

`load()` gives a whole `Config` (see `edged.settings` for what is in it) or raises one `ConfigError` that tells all
mistakes; `edged.validation` finds them. That takes pydantic, which costs megabytes for as long as a process lives, and
is used once: so the daemon gives the work to a process of its own, a `Reading`, and commands, which end at once, do it
where they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.errors import ConfigError, Mistakes, Unavailable, UserError
from edged.settings import Board, Command, Config, File, Microphone, Model, Mqtt, Source, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Board", "Command", "Config", "File", "Microphone", "Model", "Mqtt", "Reading", "Source",
    "control_socket", "load", "naming", "schema", "where",
]  # fmt: skip

DEFAULT_PATH = Path("/etc/edged/edged.toml")
READER = (sys.executable, "-P", "-m", "edged.validation")
"""Without -P, a folder in which there happens to be a pydantic.py would be a bad place to start from."""
DEADLINE_S = 10.0
"""Reading takes a fifth of a second; this is for a machine that is busy booting."""


def where(given: str | Path | None = None) -> Path:
    """Tell which file counts: the one given (``--config``), else $EDGED_CONFIG, else /etc/edged/edged.toml."""
    return Path(given or os.environ.get("EDGED_CONFIG") or DEFAULT_PATH)


def load(path: Path) -> Config:
    """Read and check the whole file; ConfigError tells all that is wrong with it, and stands at its first mistake."""
    from edged import validation  # noqa: PLC0415 - loads pydantic

    return validation.read(path)


class Reading:
    """A config file that is being read and checked in a process of its own, from now on.

    Args:
        path: The file.
        reader: The command that does it, as `edged.validation` does.
        deadline_s: For how long `result` waits for it.

    Raises:
        Unavailable: The process cannot be started.
    """

    def __init__(self, path: Path, *, reader: Sequence[str] = READER, deadline_s: float = DEADLINE_S) -> None:
        pipe = subprocess.PIPE
        self._path, self._deadline_s = path, deadline_s
        try:  # in a session of its own: the terminal's Ctrl-C is for us
            self._process = subprocess.Popen(
                [*reader, str(path)], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise self._lost(f"cannot be started: {(error.strerror or str(error)).lower()}") from None

    def result(self) -> Config:
        """Wait for it; once only.

        Raises:
            ConfigError: All that is wrong with the file, as `load` says it.
            Unavailable: The process has died, or has not answered in time.
        """
        with self._process as process:
            try:
                out, err = process.communicate(timeout=self._deadline_s)
            except subprocess.TimeoutExpired:
                raise self._lost(f"has not answered within {self._deadline_s:g} s") from None
            finally:
                process.kill()
        if process.returncode:
            last = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._lost(f"ended with status {process.returncode}: {last}".removesuffix(": "))
        try:
            told = json.loads(out)
        except ValueError:
            raise self._lost("has said nothing that makes sense") from None
        return _believed(told)

    def _lost(self, how: str) -> Unavailable:
        return Unavailable(f"{self._path}: the process that was to read it {how}")


def _believed(told: dict[str, Any]) -> Config:
    if "mistakes" in told:
        raise Mistakes([ConfigError(mistake.pop("what"), **mistake) for mistake in told["mistakes"]])
    return settings_of(told["config"])


def control_socket(path: Path) -> Path:
    """Tell where the daemon of this config listens, whatever else is wrong in it: the daemon runs on the last good one.

    Raises:
        ConfigError: The file cannot be read, or `runtime_dir` is wrong.
    """
    from edged import validation  # noqa: PLC0415 - loads pydantic

    return validation.control_socket(path)


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file in an error that knows a key of it, and not where that stands."""
    try:
        yield
    except UserError as error:
        if error.file is None and error.key is not None:
            error.file = str(file)
        raise


def schema() -> dict[str, Any]:
    """Give the file's JSON Schema, draft 2020-12."""
    from edged import validation  # noqa: PLC0415 - loads pydantic

    return validation.schema()
