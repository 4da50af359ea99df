"""Clients of SMP that nobody here wrote, against any board: the tool `smpmgr` and the library `smpclient`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 60.0
_SMPMGR = Path(sys.executable).parent / "smpmgr"


def smpmgr_words(device: Path, *words: str) -> list[str]:
    """Its command line."""
    return [str(_SMPMGR), "--port", str(device), *words]


def smpmgr(device: Path, *words: str) -> str:
    """Type `smpmgr --port DEVICE …`; what it printed. It must be there, and succeed."""
    done = subprocess.run(smpmgr_words(device, *words), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(device: Path, requests: Sequence[Any]) -> list[Any]:
    """The responses of a board to these requests of `smpclient`, over one connection. None may be an error."""
    return asyncio.run(_ask(device, requests))


async def _ask(device: Path, requests: Sequence[Any]) -> list[Any]:
    from smpclient import SMPClient  # noqa: PLC0415 - it brings a whole Bluetooth stack along
    from smpclient.generics import success  # noqa: PLC0415 - likewise
    from smpclient.transport.serial import SMPSerialTransport  # noqa: PLC0415 - likewise

    answers: list[Any] = []
    async with SMPClient(SMPSerialTransport(), str(device)) as client:
        for request in requests:
            answer = await client.request(request)
            assert success(answer), answer
            answers.append(answer)
    return answers
