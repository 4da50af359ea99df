"""What a driver is to the supervisor: one conversation on one open link, from its opening to its loss.

The supervisor owns the link and the order of things: it starts `run`, asks who is there, has the board speak, and then
asks how it is, time and again. A driver keeps no task but `run`, knows no back-off and no health, and never opens or
closes a port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edged.mcu.board import BoardEvent, Identity, Pulse


@dataclass(frozen=True, slots=True)
class Ears:
    """Who wants to hear what a board says."""

    event: Callable[[BoardEvent], Awaitable[None]]
    """Returns once the event is committed, or known already; only then may the driver acknowledge it.
    Raises Unavailable where it could not be: then it is not acknowledged, and the board sends it again."""
    text: Callable[[str], None]
    """A line of the board's own log, whole, without its end."""
    understood: Callable[[], None]
    """Something came that this driver understands: a sign of life."""
    wrong: Callable[[str], None]
    """Something came that no such board says, in a few words; it is counted, and logged once an outage."""


class Driver(Protocol):
    """A conversation."""

    async def run(self) -> None:
        """Read what comes until the link is lost or this is cancelled; raises BoardAway when it is lost."""

    async def identify(self) -> Identity:
        """Find out who is there; raises BoardAway: nothing answers; BoardForeign: what answers is no such board."""

    async def listen(self) -> None:
        """Have it say what it hears, from now on; raises BoardAway."""

    async def pulse(self) -> Pulse:
        """See that it is alive; raises BoardAway where nothing answers in time."""

    async def reset(self) -> None:
        """Have it begin anew by its own protocol; raises BoardAway where it does not answer, or has no such request."""

    async def hush(self) -> None:
        """Have it be silent, before the link is closed on purpose; says nothing when that fails."""
