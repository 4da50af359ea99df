"""The calling end of a parcel: asks a verb for a stream, and sends what it takes on another connection meanwhile."""

from __future__ import annotations

import base64
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from edged.control.client import call, stream
from edged.errors import EdgedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

PIECE_BYTES: Final = 32 * 1024
"""A second of 16 kHz sound; a plan takes two."""
PATIENCE_S: Final = 90.0
"""A piece waits until the board has taken those before it."""


def sent(
    path: Path, verb: str, parts: Iterable[bytes], /, *, silence_s: float = PATIENCE_S, **args: object
) -> Generator[dict[str, Any], None, None]:
    """Ask the daemon for a stream, send it what it takes, and give the fields of each item as it comes.

    Raises:
        DaemonAway: Nobody answers there, or nothing has come for `silence_s`.
        UserError, Unavailable: What the daemon refused, and why.
    """
    sending: threading.Thread | None = None
    try:
        with contextlib.closing(stream(path, verb, silence_s=silence_s, **args)) as items:
            for item in items:
                if (token := item.pop("token", None)) is not None:
                    sending = threading.Thread(target=_send, args=(path, token, parts), name="send", daemon=True)
                    sending.start()
                yield item
    finally:
        if sending is not None:
            sending.join()  # the parcel is closed by now, so it ends


def _send(path: Path, token: str, parts: Iterable[bytes]) -> None:
    """Send part after part; whoever took them says what went wrong."""
    with contextlib.suppress(EdgedError):
        whole = list(parts)
        for number, part in enumerate(whole):
            for at in range(0, len(part), PIECE_BYTES):
                data = base64.b64encode(part[at : at + PIECE_BYTES]).decode("ascii")
                call(path, "feed", deadline_s=PATIENCE_S, token=token, data=data)
            end = "part" if number < len(whole) - 1 else "all"
            call(path, "feed", deadline_s=PATIENCE_S, token=token, end=end)
