"""What a process and all its children cost: CPU time to the nanosecond, and resident memory."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

POLL_S = 0.05
LEAVE_S = 10.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and all its children."""

    rss_mb: float
    """Shared pages count once for each process that has them."""
    pss_mb: float
    """Shared pages count once, divided among those that have them, ours and others."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process has cost that has come to its end."""

    cpu_s: float
    """User and system, of itself and of all children that it waited for."""
    start_s: float
    """From its start to its first line of output."""
    memory: Memory
    """The most that was seen."""


def tree(pid: int) -> list[int]:
    """The process and all its children, theirs included."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return [pid, *(member for child in children for member in tree(child))]
    return []


def cpu_s(pid: int) -> float:
    """User and system time of a running process and of its running children."""
    total = 0.0
    for member in tree(pid):
        with suppress(OSError):
            total += time.clock_gettime(~member << 3 | 2)  # clock_getcpuclockid(3), which Python does not have
    return total


def memory(pid: int) -> Memory:
    """What is resident now."""
    totals = {"Rss:": 0, "Pss:": 0}
    for member in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(" ")
                if name in totals:
                    totals[name] += int(rest.split()[0])
    return Memory(totals["Rss:"] / 1024, totals["Pss:"] / 1024)


def start(command: list[str], *, env: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[str], float]:
    """Start a process that says a line when it is ready; return it, and how long that took."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None  # noqa: S101 - asked for one line above
    if not process.stdout.readline():
        raise SystemExit(f"{command} ended with {process.wait()} before it began")
    return process, time.monotonic() - began


def stop(process: subprocess.Popen[str]) -> None:
    """End a process."""
    process.terminate()
    process.communicate(timeout=LEAVE_S)


def run(command: list[str]) -> Ran:
    """Run a process to its end."""
    process, start_s = start(command)
    most = memory(process.pid)
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        now = memory(process.pid)
        most = now if now.rss_mb > most.rss_mb else most
        time.sleep(POLL_S)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    process.communicate()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Ran(usage.ru_utime + usage.ru_stime, start_s, most)
