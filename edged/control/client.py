"""The control socket's calling end, for commands: synchronous, every wait bounded.

`call` asks and gives the answer; `stream` asks and gives items as they come. What the daemon refuses is raised here as
it was raised there: UserError for what the caller must mend, Unavailable for what may come back. DaemonAway means that
nobody we understand answers.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from edged.control.protocol import Done, Item, Lines, Refused, Request, encode, parse_answer
from edged.errors import DaemonAway, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

READ_BYTES: Final = 64 * 1024


def call(path: Path, verb: str, /, *, deadline_s: float = 5.0, **args: object) -> dict[str, Any]:
    """Ask the daemon at this socket for one answer, and give its fields.

    Raises:
        DaemonAway: Nobody answers there, or not within the deadline.
        UserError, Unavailable: What the daemon refused, and why.
    """
    until_s = time.monotonic() + deadline_s
    for answer in _answers(path, Request(1, verb, args), lambda: until_s - time.monotonic()):
        if isinstance(answer, Done):
            return dict(answer.fields)
    raise DaemonAway(f"the daemon at {path} hung up")


def stream(
    path: Path, verb: str, /, *, silence_s: float = 10.0, **args: object
) -> Generator[dict[str, Any], None, None]:
    """Ask the daemon at this socket for a stream, and give the fields of each item as it comes.

    A ``dropped`` in an item says how many before it had no room. Closing the iterator ends the stream.

    Raises:
        DaemonAway: Nobody answers there, or nothing has come for `silence_s`.
        UserError, Unavailable: What the daemon refused, and why.
    """
    for answer in _answers(path, Request(1, verb, args), lambda: silence_s):
        if isinstance(answer, Done):
            return
        yield dict(answer.fields)
    raise DaemonAway(f"the daemon at {path} hung up")


def _answers(path: Path, request: Request, patience_s: Callable[[], float]) -> Iterator[Item | Done]:
    with _connected(path) as daemon, _told_as_away(path):
        daemon.settimeout(max(patience_s(), 0.001))
        with suppress(BrokenPipeError):  # it may have hung up with a word of why
            daemon.sendall(encode(request))
        lines = Lines()
        while data := daemon.recv(READ_BYTES):
            for line in lines.feed(data):
                match parse_answer(line):
                    case Refused(fault=fault):
                        raise fault.error()
                    case answer:
                        yield answer
            if lines.overlong:
                raise DaemonAway(f"what listens at {path} talks garbage: a line without end")
            daemon.settimeout(max(patience_s(), 0.001))


def _connected(path: Path) -> socket.socket:
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        daemon.connect(str(path))
    except PermissionError:
        daemon.close()
        way_out = "Ask with sudo, or join the group that the socket belongs to"
        raise UserError("is closed to this user", file=path, way_out=way_out) from None
    except OSError as error:
        daemon.close()
        why = (error.strerror or str(error)).lower()
        what = f"no daemon answers at {path} ({why}); start it with `systemctl start edged` or `edged run`"
        raise DaemonAway(what) from None
    return daemon


@contextmanager
def _told_as_away(path: Path) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise DaemonAway(f"the daemon at {path} does not answer") from None
    except ConnectionError as error:
        raise DaemonAway(f"the daemon at {path} hung up: {(error.strerror or '').lower()}") from None
