"""What systemd hears, on a real notify socket and a real journal socket; and silence where nobody listens."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edged import systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "edged.service"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def heard(manager: socket.socket) -> dict[str, str]:
    lines = manager.recv(65536).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_ready_and_status_say_how_things_stand(manager: socket.socket) -> None:
    systemd.ready("hearing kitchen")
    assert heard(manager) == {"READY": "1", "STATUS": "hearing kitchen"}
    systemd.status("deaf: kitchen absent since 14:02")
    assert heard(manager) == {"STATUS": "deaf: kitchen absent since 14:02"}


def test_a_status_cannot_smuggle_in_another_field(manager: socket.socket) -> None:
    systemd.status("a\nREADY=1\nb" + "x" * 10_000)
    told = heard(manager)
    assert list(told) == ["STATUS"]
    assert told["STATUS"].startswith("a READY=1 bxxx")
    assert len(told["STATUS"]) == systemd.MAX_STATUS_CHARS


def test_a_reload_is_told_with_its_time_and_its_end(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    told = heard(manager)
    assert told["RELOADING"] == "1"
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    systemd.reloaded("hearing kitchen")
    assert heard(manager) == {"READY": "1", "STATUS": "hearing kitchen"}


def test_stopping_and_watchdog(manager: socket.socket) -> None:
    systemd.stopping()
    systemd.watchdog()
    assert heard(manager) == {"STOPPING": "1"}
    assert heard(manager) == {"WATCHDOG": "1"}


def test_an_abstract_socket_is_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"edged-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        systemd.watchdog()
        assert heard(listening) == {"WATCHDOG": "1"}


def test_a_manager_that_is_away_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.ready("hearing kitchen")
    systemd.watchdog()


def test_outside_systemd_the_library_is_not_even_loaded() -> None:
    script = (
        "import sys; from edged import systemd\n"
        "systemd.ready('x'); systemd.watchdog(); systemd.stopping(); systemd.reloading(); systemd.set_up_logging()\n"
        "assert systemd.watchdog_interval_s() is None and systemd.credential('x') is None\n"
        "sys.exit('systemd' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, check=False).returncode == 0


def test_without_the_library_it_is_said_once(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.daemon", None)
    systemd.ready("hearing")
    systemd.watchdog()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(1)


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval_s"),
    [
        ("30000000", None, 30.0),
        ("30000000", str(os.getpid()), 30.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_the_watchdog_watches_whom_it_names(
    monkeypatch: pytest.MonkeyPatch, *, microseconds: str, pid: str | None, interval_s: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if pid is None:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert systemd.watchdog_interval_s() == interval_s


def test_a_credential_is_read_by_its_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "mqtt.password").write_text("hunter2\n")
    (folder / "binary").write_bytes(b"\xff")
    (tmp_path / "outside").write_text("no")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert systemd.credential("mqtt.password") == "hunter2"
    assert systemd.credential("other") is None
    assert systemd.credential("binary") is None
    assert systemd.credential("../outside") is None


# The log.


def test_stderr_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        systemd.set_up_logging(logging.WARNING)
        logging.getLogger("edged.x").warning("deaf: %s", "kitchen", extra={"EDGED_SOURCE": "kitchen"})
        logging.getLogger("edged.x").info("not this")
    finally:
        root.handlers[:], root.level = before
    assert capfd.readouterr().err == "edged: WARNING: deaf: kitchen\n"


def test_a_journal_stream_that_is_not_our_stderr_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = os.fstat(2)
    for stream in ("", "8:12345", f"{stderr.st_dev}:0", "nonsense"):
        monkeypatch.setenv("JOURNAL_STREAM", stream)
        assert systemd.journal_handler() is None


def test_the_journal_gets_the_fields(tmp_path: Path) -> None:
    """In a mount namespace of its own, where this test is the journal."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to make a mount namespace")
    script = tmp_path / "log.py"
    script.write_text(
        "import logging, os, socket, sys\n"
        "os.makedirs('/run/systemd/journal', exist_ok=True)\n"
        "journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); journal.bind('/run/systemd/journal/socket')\n"
        "stderr = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{stderr.st_dev}:{stderr.st_ino}'\n"
        "from edged import systemd\n"
        "systemd.set_up_logging()\n"
        "logging.getLogger('edged.ear').warning('deaf: %s', 'kitchen', extra={'EDGED_SOURCE': 'kitchen'})\n"
        "journal.settimeout(5); sys.stdout.buffer.write(journal.recv(65536))\n"
    )
    command = f"mount -t tmpfs tmpfs /run && exec {sys.executable} {script}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.stderr == b"", done.stderr.decode()
    entry = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert entry.pop("CODE_LINE").isdecimal()
    assert entry == {
        "MESSAGE": "deaf: kitchen",
        "PRIORITY": "4",
        "LOGGER": "edged.ear",
        "THREAD_NAME": "MainThread",
        "CODE_FILE": str(script),
        "CODE_FUNC": "<module>",
        "SYSLOG_IDENTIFIER": "edged",
        "EDGED_SOURCE": "kitchen",
    }


# The unit.

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@needs_analyze
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "edged.service"  # with a program that exists everywhere, or verify complains of that
    copy.write_text(UNIT.read_text().replace("/usr/bin/edged", "/bin/true"))
    done = analyze("verify", "--recursive-errors=no", "--man=no", str(copy))
    complaints = [line for line in done.stderr.splitlines() if "edged.service" in line]
    assert not complaints


@needs_analyze
def test_the_units_exposure_stays_low() -> None:
    done = analyze("security", "--offline=yes", "--threshold=12", "--no-pager", str(UNIT))
    assert done.returncode == 0, done.stdout[-300:]


def test_the_units_folder_is_no_package() -> None:
    assert not (UNIT.parent / "__init__.py").exists()
