"""What a case says: what is wrong, how to make it so, what is typed, and the answer that it must get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bad_input.scene import Scene

Make: TypeAlias = Callable[[Scene], object]


def steps(*makes: Make) -> Make:
    """Make one after the other."""

    def make(scene: Scene) -> None:
        for each in makes:
            each(scene)

    return make


@dataclass(frozen=True, kw_only=True)
class Refused:
    """edged says what is wrong, names the way out, leaves nothing behind, and ends.

    What `file`, `key`, `value` and `way_out` hold must stand in the message; empty where there is no such thing.
    """

    name: str
    wrong: str
    """For the table, as a clause."""
    make: Make
    typed: str
    exit: Literal[1, 2] = 2
    file: str = ""
    key: str = ""
    value: str = ""
    what: str = ""
    """Words of the message that tell this mistake from others."""
    way_out: str
    leaves: tuple[str, ...] = ()
    """Patterns of the files that may be new afterwards."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """The daemon starts, says what is missing, waits, and goes on when it is there."""

    name: str
    wrong: str
    make: Make
    says: str
    """In its log."""
    status: str
    """In what `edged status` shows."""
    published: tuple[str, str] | None = None
    """A topic below the gateway's, and what its message holds; for a subscriber to the broker that the case made."""
    mend: Make | None = None
    then: str = ""
    """In its log, once it is mended."""

    typed = "edged run --config edged.toml"


Case: TypeAlias = Refused | Waits
