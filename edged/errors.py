"""The exception tree: the class says who must act, the attributes carry the evidence.

EdgedError
├── UserError          the user must mend it before start: exit 2
│   ├── ConfigError        the TOML file, a key in it, or a command-line argument
│   │   └── Mistakes           all that is wrong with one file
│   ├── ModelError         a model file or bundle that is missing, damaged, or not what its manifest says
│   ├── AudioFileError     a recording that cannot be read
│   ├── DatasetError       a dataset whose manifest or clips are not what they should be
│   └── StateError         the state directory: not writable, or held by another daemon
└── Unavailable        it may come back: wait, say so, try again
    ├── SourceLost         a microphone or a command that delivers no audio
    ├── WorkerLost         a model's process that died, hung or talked garbage
    ├── BrokerAway         no MQTT broker, or one that will not have us
    ├── StorageFull        the outbox cannot be written
    ├── BoardAway          a board that is not plugged in, does not answer, or is lost in the middle
    │   ├── PortBusy           its port is held by another program
    │   └── BoardForeign       what answers there is not that board, or no board at all
    ├── BoardRefused       a board that says no, and why
    └── DaemonAway         no daemon answers on the control socket
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class EdgedError(Exception):
    """Everything edged raises on purpose."""


class UserError(EdgedError):
    """Something the user must mend; one line that names the file, the key, the value and the way out.

    Args:
        what: What is wrong, as a clause without a full stop.
        file: The file in which it is wrong.
        key: The dotted key (``sources.mic.device``) or the option (``--model``).
        value: The offending value, shown as written.
        way_out: What to do about it, as an imperative sentence without a full stop.
    """

    def __init__(
        self,
        what: str,
        *,
        file: str | Path | None = None,
        key: str | None = None,
        value: object = None,
        way_out: str | None = None,
    ) -> None:
        self.what = what
        self.file = None if file is None else str(file)
        self.key = key
        self.value = value
        self.way_out = way_out
        super().__init__(what)

    def __str__(self) -> str:
        """Render as ``FILE: KEY = VALUE: what. Way out.``, leaving out what is not known."""
        place = "" if self.file is None else f"{self.file}: "
        if self.key is not None:
            place += self.key if self.value is None else f"{self.key} = {_written(self.value)}"
            place += ": "
        elif self.value is not None:
            place += f"{_written(self.value)}: "
        return place + self.what + "." + ("" if self.way_out is None else f" {self.way_out}.")


def _written(value: object) -> str:
    """Write a value as TOML does."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


class ConfigError(UserError):
    """The config file or a command-line argument is wrong."""


class Mistakes(ConfigError):
    """All mistakes of one file: a line each in the text, and the first one's evidence in the attributes."""

    def __init__(self, mistakes: Sequence[ConfigError]) -> None:
        first = mistakes[0]
        super().__init__(first.what, file=first.file, key=first.key, value=first.value, way_out=first.way_out)
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        """Render every mistake on a line of its own."""
        return "\n".join(map(str, self.mistakes))


class ModelError(UserError):
    """A model is missing, damaged, or does not fit its manifest."""


class AudioFileError(UserError):
    """A recording cannot be read."""


class DatasetError(UserError):
    """A dataset's manifest or clips are not what they should be, or it cannot be written."""


class StateError(UserError):
    """The state directory cannot be used."""


class Unavailable(EdgedError):
    """Something outside that may come back; whoever meets it waits, says so and tries again."""


class SourceLost(Unavailable):
    """A source delivers no audio."""


class WorkerLost(Unavailable):
    """A model's worker process died, hung or talked garbage."""


class BrokerAway(Unavailable):
    """No connection to the broker."""


class StorageFull(Unavailable):
    """The outbox cannot be written now."""


class BoardAway(Unavailable):
    """A board is not there, or does not answer."""


class PortBusy(BoardAway):
    """Another program holds the board's port."""


class BoardForeign(BoardAway):
    """What answers at the port is not the board that is meant, or no board at all."""


class BoardRefused(Unavailable):
    """A board says no to a request.

    Args:
        why: In words.
        group: Whose number `rc` is (PROTOCOL.md); None: SMP's own.
        rc: The number.
        reason: In the board's own words, where it gave any.
    """

    def __init__(self, why: str, *, group: int | None = None, rc: int = 0, reason: str | None = None) -> None:
        self.group, self.rc, self.reason = group, rc, reason
        super().__init__(why)


class DaemonAway(Unavailable):
    """No daemon answers on the control socket."""
