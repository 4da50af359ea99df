"""How a board is, as a table: from each state, what news leads where.

    absent ─opened▶ probing ─identified▶ up ─silent▶ stale ─gave up▶ resetting ─nothing helps▶ quarantined
                     ▲ ▲                 │ ◀answered─┘ │                 │
                     │ └────rebooted─────┴─────────────┘                 │
                     └───────────────────was reset───────────────────────┘

    from everywhere        gone ▶ absent
    where it is closed     opened ▶ probing     held ▶ busy
    probing                foreign ▶ quarantined     gave up ▶ resetting

A board is *absent* while its port is not there, and *busy* while another program holds the port. Once the port is open
it is *probing*: who is it? It is *up* from when it has said so, is the one that is meant, and was asked to speak; then
it is asked how it is, time and again. An answer that does not come makes it *stale*, and several in a row lead to
*resetting*: first over its own protocol, the next time by the lines DTR and RTS (`RESETS`), and when neither has
brought it back, *quarantined*. There it is let alone for longer and longer, yet never for good; so is a port where
something else answers than the board that is meant, which is never reset, because it is not ours.

The port may go in any state: a board that is unplugged is absent, and so is one whose USB goes with its reset; what it
needs is the same. In *absent*, *busy* and *quarantined* the port is closed, and stock tools may use it.

Most boards begin anew by themselves: their boot count tells, and they are asked again who they are, since they no
longer know that they should speak. That is not an outage, and `rebooted` leads straight back to probing.

What is not in the table cannot happen, and is an error. Whatever happens, time and the board alone lead back to *up*:
`BROUGHT_BY` says who brings each news, and tests/test_mcu_health.py searches the table for states that have no way out.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(Enum):
    """How a board is."""

    ABSENT = "absent"
    BUSY = "busy"
    PROBING = "probing"
    UP = "up"
    STALE = "stale"
    RESETTING = "resetting"
    QUARANTINED = "quarantined"


class News(Enum):
    """What has happened."""

    GONE = "gone"
    """The port is not there, or no longer."""
    HELD = "held"
    """Another program holds it."""
    OPENED = "opened"
    IDENTIFIED = "identified"
    """It is the one that is meant, and will say what it hears."""
    FOREIGN = "foreign"
    """Something else answers than what is meant."""
    ANSWERED = "answered"
    SILENT = "silent"
    """No answer in time, and it is worth asking again."""
    GAVE_UP = "gave up"
    """No answer, and it is not."""
    REBOOTED = "rebooted"
    """It answers, and has begun anew since it was last asked."""
    WAS_RESET = "was reset"
    NOTHING_HELPS = "nothing helps"
    """Every way to reset it was tried since it was last well."""


CLOSED = frozenset({State.ABSENT, State.BUSY, State.QUARANTINED})
"""States in which the port is not open."""

BROUGHT_BY: Mapping[News, frozenset[Literal["time", "board", "person"]]] = MappingProxyType(
    {
        News.GONE: frozenset({"board", "person"}),
        News.HELD: frozenset({"person"}),
        News.OPENED: frozenset({"time"}),
        News.IDENTIFIED: frozenset({"board"}),
        News.FOREIGN: frozenset({"board"}),
        News.ANSWERED: frozenset({"board"}),
        News.SILENT: frozenset({"time"}),
        News.GAVE_UP: frozenset({"time"}),
        News.REBOOTED: frozenset({"board"}),
        News.WAS_RESET: frozenset({"time", "person"}),
        News.NOTHING_HELPS: frozenset({"time"}),
    }
)
"""Whose doing each is. A port that is there gets opened: that takes nothing but time. A person may let go of a port, or
plug a board in, and `edged board reset` is a person's; what only a person can do is no way out of anything."""

TABLE: Mapping[tuple[State, News], State] = MappingProxyType(
    {
        (State.ABSENT, News.GONE): State.ABSENT,
        (State.ABSENT, News.HELD): State.BUSY,
        (State.ABSENT, News.OPENED): State.PROBING,
        (State.BUSY, News.GONE): State.ABSENT,
        (State.BUSY, News.HELD): State.BUSY,
        (State.BUSY, News.OPENED): State.PROBING,
        (State.PROBING, News.GONE): State.ABSENT,
        (State.PROBING, News.SILENT): State.PROBING,
        (State.PROBING, News.FOREIGN): State.QUARANTINED,
        (State.PROBING, News.IDENTIFIED): State.UP,
        (State.PROBING, News.GAVE_UP): State.RESETTING,
        (State.UP, News.GONE): State.ABSENT,
        (State.UP, News.ANSWERED): State.UP,
        (State.UP, News.SILENT): State.STALE,
        (State.UP, News.REBOOTED): State.PROBING,
        (State.UP, News.WAS_RESET): State.PROBING,
        (State.STALE, News.GONE): State.ABSENT,
        (State.STALE, News.ANSWERED): State.UP,
        (State.STALE, News.SILENT): State.STALE,
        (State.STALE, News.REBOOTED): State.PROBING,
        (State.STALE, News.WAS_RESET): State.PROBING,
        (State.STALE, News.GAVE_UP): State.RESETTING,
        (State.RESETTING, News.GONE): State.ABSENT,
        (State.RESETTING, News.WAS_RESET): State.PROBING,
        (State.RESETTING, News.NOTHING_HELPS): State.QUARANTINED,
        (State.QUARANTINED, News.GONE): State.ABSENT,
        (State.QUARANTINED, News.HELD): State.BUSY,
        (State.QUARANTINED, News.OPENED): State.PROBING,
    }
)


class NoSuchRow(Exception):
    """News that cannot come in this state: a mistake of ours."""


def after(state: State, news: News) -> State:
    """Tell how the board is after the news; NoSuchRow where the table has none."""
    try:
        return TABLE[state, news]
    except KeyError:
        raise NoSuchRow(f"{news.value} while {state.value}") from None


class Reset(Enum):
    """A way to have a board begin anew."""

    PROTOCOL = "over its protocol"
    LINES = "by DTR and RTS"


RESETS = (Reset.PROTOCOL, Reset.LINES)
"""In this order; a board that has been well for `WELL_S` gets them all again."""
WELL_S = 60.0
"""A board that has been up for so long is healthy: what was tried before, and how long was waited, is forgotten."""
