"""What a board's link carries at three rates, as a table: a model up, the microphone down, a recording heard.

    .venv/bin/python packaging/bench_board_link.py

The board is edged's firmware on this machine, behind a pty as slow as a UART of that rate; the gateway's end is the
daemon's own. It takes a minute and a half. What is timed here is the line, so that a busy machine changes little.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edged.compiler.compiled import compile_model, read_source
from edged.mcu import group
from edged.mcu.client import SmpClient
from edged.mcu.deploy import deploy
from edged.mcu.link import Link
from edged.mcu.tape import play
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[1]
BAUDS = (115_200, 460_800, 1_000_000)
RATE_HZ = 16_000
RECORD_S, HEAR_S = 5, 4
PIECE_BYTES = 1024


@contextlib.contextmanager
def board(folder: Path, baud: int) -> Iterator[Path]:
    """Switch a board on whose microphone hears silence, behind a line of that rate."""
    firmware = ROOT / "mcu-firmware" / "build" / "host" / "edged-firmware"
    device = folder / "board"
    command = [str(firmware), "--pty", str(device), "--silence", "--baud", str(baud), "--watchdog-ms", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for one line above
        process.stdout.readline()
        yield device
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def client_of(device: Path, baud: int) -> AsyncIterator[SmpClient]:
    """Speak with it as the daemon does."""

    async def asked(_: object) -> None:
        return None

    link = Link.open(device, baud=baud, dtr=None, rts=None)
    client = SmpClient(link, asked=asked, text=lambda _: None, wrong=lambda _: None, understood=lambda: None)
    running = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        running.cancel()
        link.close()


async def uploaded_s(client: SmpClient, plan: bytes) -> float:
    """Give it a model; for how long bytes went up."""
    began, ended = time.monotonic(), 0.0

    def progress(doing: str, _done: float, _total: float) -> None:
        nonlocal ended
        if doing == "uploading":
            ended = time.monotonic()

    await deploy(client, plan, trial_s=1.0, progress=progress)
    return ended - began


async def recorded_s(client: SmpClient) -> float:
    """Of so much that its microphone hears, how much arrives."""
    return sum([len(stretch.samples) async for stretch in play(client, seconds=RECORD_S)]) / 2 / RATE_HZ


async def heard_in_s(client: SmpClient) -> float:
    """Have it hear a recording, and say how long that takes."""
    samples = bytes(2 * HEAR_S * RATE_HZ)
    await client.ask(group.injection(on=True))
    began = time.monotonic()
    for at in range(0, len(samples), PIECE_BYTES):
        await client.ask(group.inject(samples[at : at + PIECE_BYTES], offset=at // 2))
    took_s = time.monotonic() - began
    await client.ask(group.injection(on=False))
    return took_s


async def measure(baud: int, plan: bytes) -> str:
    """Measure at one rate; a row of the table."""
    with tempfile.TemporaryDirectory() as folder, board(Path(folder), baud) as device:
        async with client_of(device, baud) as client:
            up_s = await uploaded_s(client, plan)
            down_s = await recorded_s(client)
            took_s = await heard_in_s(client)
    return f"| {baud} | {up_s:.1f} s | {down_s:.1f} of {RECORD_S} s | {took_s:.1f} s |"


def main() -> None:
    """Print the table."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "mcu-firmware")], check=True)
    plan = compile_model(read_source(shipped("wake-en/wake-en.edged"))).data
    print(f"| link | a model of {len(plan):,} bytes goes up in | of its microphone | {HEAR_S} s are heard in |")
    print("|---|---|---|---|")
    for baud in BAUDS:
        print(asyncio.run(measure(baud, plan)), flush=True)


if __name__ == "__main__":
    main()
