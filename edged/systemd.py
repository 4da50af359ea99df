"""What systemd is told and asked: readiness, status, watchdog, credentials and the journal.

Outside systemd all of this is silent and costs nothing, for systemd says by environment variables what it wants:
$NOTIFY_SOCKET, $WATCHDOG_USEC, $CREDENTIALS_DIRECTORY, $JOURNAL_STREAM (systemd.exec(5), sd_notify(3)). The library is
imported only when one of them asks for it, and where it is missing the daemon says so once and runs on.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

MAX_STATUS_CHARS: Final = 500
PLAIN: Final = "edged: %(levelname)s: %(message)s"


def ready(text: str) -> None:
    """Say that start-up is over, and how things stand."""
    _notify(f"READY=1\n{_status(text)}")


def status(text: str) -> None:
    """Say in one line of plain words how things stand: ``systemctl status`` shows it."""
    _notify(_status(text))


def reloading() -> None:
    """Say that a reload began; `reloaded` must follow."""
    _notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def reloaded(text: str) -> None:
    """Say that the reload is over, whether it took or not, and how things stand."""
    ready(text)


def stopping() -> None:
    """Say that the daemon is on its way out."""
    _notify("STOPPING=1")


def watchdog() -> None:
    """Say that the road moves."""
    _notify("WATCHDOG=1")


def watchdog_interval_s() -> float | None:
    """Within so many seconds `watchdog` must be called again, or systemd kills us; None when nobody watches."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
    return int(microseconds) / 1e6 if watched and microseconds.isdecimal() and int(microseconds) else None


def credential(name: str) -> str | None:
    """Read a credential that the unit loads, less its last line end; None where there is none of that name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        return None
    try:
        return Path(folder, name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


def set_up_logging(level: int = logging.INFO) -> None:
    """Log to the journal with fields where stderr leads there, else to stderr in plain lines."""
    handler = journal_handler()
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(PLAIN))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def journal_handler() -> logging.Handler | None:
    """Make a handler that writes to the journal, or None when stderr does not lead there.

    What a call gives as ``extra={"EDGED_SOURCE": "kitchen"}`` becomes a field of the entry: each extra whose name
    begins with ``EDGED_`` does.
    """
    if not _stderr_is_the_journal():
        return None
    try:
        from systemd.journal import JournalHandler, send  # noqa: PLC0415 - only under systemd is its memory worth spending
    except ImportError:
        return None

    def send_fields(text: str, /, **fields: Any) -> None:
        send(text, **{name: value for name, value in fields.items() if _is_field(name)})

    handler: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER="edged", sender_function=send_fields)
    handler.setFormatter(logging.Formatter("%(message)s"))  # level and logger are fields
    return handler


def _is_field(name: str) -> bool:
    """Tell the journal's fields from the record's attributes, which JournalHandler hands over with them."""
    return name.startswith("EDGED_") or name in {
        "PRIORITY", "LOGGER", "THREAD_NAME", "CODE_FILE", "CODE_LINE", "CODE_FUNC", "SYSLOG_IDENTIFIER"
    }  # fmt: skip


def _stderr_is_the_journal() -> bool:
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _status(text: str) -> str:
    """One line: a line end in it would begin another field of the datagram."""
    return f"STATUS={' '.join(text.split())[:MAX_STATUS_CHARS]}"


def _notify(state: str) -> None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    try:
        from systemd.daemon import notify  # noqa: PLC0415 - only under systemd is its memory worth spending

        notify(state)
    except ImportError:
        log.warning("systemd-python is not installed: systemd will not learn that edged is ready")
        del os.environ["NOTIFY_SOCKET"]
    except OSError as error:
        log.debug("systemd did not take %s: %s", state.partition("=")[0], error)
