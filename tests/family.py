"""The processes that a test has started and not ended."""

from __future__ import annotations

import psutil


def children(*, recursive: bool = False) -> list[psutil.Process]:
    """Those of this process, but for the one that Python keeps to the end once a pool of processes was used."""
    found = psutil.Process().children(recursive=recursive)
    return [process for process in found if "resource_tracker" not in " ".join(_command(process))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
