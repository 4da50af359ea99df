"""What each library costs to import, and what the daemon's own set costs together, as a table.

    .venv/bin/python packaging/bench_imports.py

Every number is the median of five fresh processes: CPU milliseconds to import, and MB by which resident memory grew.
*alone* is after NumPy where the library needs it, else in a bare interpreter. *last* is after everything else that the
daemon imports, and so what dropping the library would save it: libraries share what they need of the standard library
(`ssl`, `re`, `typing`, …), and alone each pays for all of it. *disk* is what the library and what it needs, but for
NumPy, take installed; compiled Python included. The processes are the .venv's own: `site`, and the finder of the
editable edged, are in the bare interpreter.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

RUNS = 5
CHILD = """
import sys, time
def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
exec(sys.argv[1])
before_mb, began = resident_mb(), time.process_time()
exec(sys.argv[2])
print(1000 * (time.process_time() - began), resident_mb() - before_mb, resident_mb())
"""
NUMPY = "import numpy"
STDLIB = "import argparse, asyncio, json, logging, sqlite3, ssl, tomllib, wave"
"""What edged needs of the standard library in any case."""


@dataclass(frozen=True, slots=True)
class Row:
    """A library, and where it is imported."""

    name: str
    statement: str
    where: str
    numpy: bool = False
    needs: tuple[str, ...] = ()
    """Distributions that are there on its account."""
    instead: str | None = None
    """Of the daemon's set it replaces this one."""
    in_daemon: bool = True


DAEMON = (
    Row("numpy", NUMPY, "daemon"),
    Row("paho-mqtt", "import paho.mqtt.client", "daemon"),
    Row("pymicro-features", "import pymicro_features", "daemon", numpy=True),
    Row("tflite-runtime", "from tflite_runtime import interpreter", "daemon", numpy=True),
    Row("soxr", "import soxr", "daemon, where a rate differs", numpy=True),
    Row("systemd-python", "import systemd.daemon, systemd.journal", "daemon, under systemd"),
)
OTHERS = (
    Row(
        "pydantic",
        "import pydantic",
        "commands; the process that reads the config",
        needs=("pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"),
        in_daemon=False,
    ),
    Row("pyaudio", "import pyaudio", "capture child", in_daemon=False),
    Row(
        "edge_impulse_linux",
        "load_runner()",
        ".eim worker: runner.py alone",
        numpy=True,
        in_daemon=False,
    ),
    Row(
        "ai-edge-litert",
        "from ai_edge_litert import interpreter",
        "daemon, Python 3.12 and later",
        numpy=True,
        needs=("flatbuffers", "protobuf", "tqdm", "backports.strenum"),
        instead="tflite-runtime",
    ),
    Row("soundfile", "import soundfile", "files other than 16-bit WAV", numpy=True, needs=("cffi", "pycparser")),
    Row(
        "rich",
        "import rich.console, rich.progress",
        "commands on a terminal",
        needs=("markdown-it-py", "mdurl", "pygments"),
        in_daemon=False,
    ),
    Row(
        "tflite",
        "import tflite",
        "compile, optimise",
        numpy=True,
        needs=("flatbuffers",),
        in_daemon=False,
    ),
    Row("cbor2", "import cbor2", "whoever talks to boards", in_daemon=False),
    Row("pyserial", "import serial", "whoever talks to boards", in_daemon=False),
    Row("pymicro-wakeword", "import pymicro_wakeword", "never: only its models are read", numpy=True, in_daemon=False),
)
STANDARD = (
    Row("argparse", "import argparse", "every command"),
    Row("asyncio", "import asyncio", "daemon"),
    Row("sqlite3", "import sqlite3", "daemon"),
    Row("ssl", "import ssl", "daemon"),
    Row("tomllib", "import tomllib", "daemon, commands"),
    Row("wave", "import wave", "16-bit WAV files"),
)
WHOLE = {
    "the daemon's libraries": "; ".join([STDLIB, *(row.statement for row in DAEMON)]),
    "edged's daemon, nothing open": (
        "import edged.daemon; from edged.classify import runtime; runtime._import(runtime.choose())"
    ),
}


def cost(before: str, statement: str) -> tuple[float, float, float]:
    """Milliseconds, MB more, and MB in all, each the median of fresh processes."""
    command = [sys.executable, "-c", CHILD, before, statement]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(RUNS)]
    ms, more_mb, all_mb = (statistics.median(map(float, column)) for column in zip(*runs, strict=True))
    return ms, more_mb, all_mb


def disk_mb(row: Row) -> float:
    """MB of its files and of what it needs, as they are installed."""
    files = [file for name in (row.name, *row.needs) for file in metadata.files(name) or []]
    return sum(path.stat().st_size for file in files if (path := file.locate()).is_file()) / 1e6


def line(row: Row) -> str:
    """Measure one library."""
    alone = NUMPY if row.numpy else ""
    if row.statement == "load_runner()":
        alone = "from edged.classify.eim_worker import load_runner"
    ms, mb, _ = cost(alone, row.statement)
    last = f"{'':17}"
    if row.in_daemon:
        last_ms, last_mb, _ = cost(everything_but(row), row.statement)
        last = f"{last_ms:9.1f} {last_mb:7.1f}"
    return f"{row.name:20} {ms:7.1f} {mb:7.1f} {last} {disk_mb(row):7.1f}   {row.where}"


def everything_but(row: Row) -> str:
    """Import the rest of the daemon's set: without the row, what it replaces, and what would import it."""
    gone = {row.name, row.instead}
    rest = [other for other in DAEMON if other.name not in gone and not (row.name == "numpy" and other.numpy)]
    return "; ".join([STDLIB, *(other.statement for other in rest)])


def main() -> None:
    """Print the table."""
    print(f"{'':20} {'alone':>15} {'last':>17} {'disk':>7}")
    print(f"{'':20} {'ms':>7} {'+MB':>7} {'ms':>9} {'+MB':>7} {'MB':>7}   imported by")
    for row in (*DAEMON, *OTHERS):
        print(line(row), flush=True)
    for row in STANDARD:
        ms, mb, _ = cost("", row.statement)
        print(f"{row.name:20} {ms:7.1f} {mb:7.1f} {'':9} {'':7} {'':7}   {row.where}", flush=True)
    print(f"{'a bare interpreter':30} {'':7} {'':7} {cost('', '')[2]:9.1f} MB resident")
    for name, statement in WHOLE.items():
        ms, mb, all_mb = cost("", statement)
        print(f"{name:30} {ms:5.0f} ms {mb:+6.1f} MB {all_mb:6.1f} MB resident", flush=True)


if __name__ == "__main__":
    main()
