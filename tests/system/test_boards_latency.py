"""How long it takes from a sound at a board's microphone to the message at a subscriber."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from boards import HostBoard
from broker import eventually
from chatterbox import RATE_HZ, bursts, chatterbox, plan, write_wav
from system.daemon import Daemon, settings

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker, Subscriber

    from edged.records import Pcm

pytestmark = pytest.mark.slow
BURSTS: Final = 40
ON_S, OFF_S = 0.3, 0.7
LEAD_S: Final = 10.0
"""Of silence, in which the daemon finds the board."""


def test_from_the_microphone_to_the_message(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "chatterbox.edged"
    chatterbox(bundle)
    wav = write_wav(tmp_path / "bursts.wav", led(bursts(BURSTS, on_s=ON_S, off_s=OFF_S)))
    board = HostBoard(tmp_path, ("--silence", "--watchdog-ms", "0"))
    with board, board.open() as link:
        link.install(plan(bundle))
    board.options = ("--wav", str(wav), "--watchdog-ms", "0")
    with Daemon(tmp_path / "edged", settings(broker.port, f'[boards.b]\nport = "{board.device}"\n')) as daemon:
        before = time.monotonic()
        with board:
            unsure_ms = 1000 * (time.monotonic() - before)  # its microphone plays from somewhere in between on
            topic = "edged/test/mcu/b/event"

            def starts() -> list[tuple[float, int]]:
                found = [each for each in tuple(subscriber.messages) if each.topic == topic]
                told = [(each.at, json.loads(each.payload)) for each in found]
                return [(at, event["monotonic_ns"]) for at, event in told if event["kind"] == "start"]

            what = f"every burst is heard; the log:\n{daemon.log}"
            eventually(lambda: len(starts()) >= BURSTS, what, LEAD_S + 2 * BURSTS)
    onsets = [before + LEAD_S + OFF_S + number * (ON_S + OFF_S) for number in range(BURSTS)]
    heard = [1000 * (at - onset) for (at, _), onset in zip(starts(), onsets, strict=True)]
    on_the_way = [1000 * (at - placed / 1e9) for at, placed in starts()]
    with capsys.disabled():
        print(table(heard, on_the_way, unsure_ms=unsure_ms))  # noqa: T201 - what the test is for
    assert min(heard) > 0
    assert median(heard) < 1000  # a bound that says that it works at all: the machine is shared


def led(sound: Pcm) -> Pcm:
    return np.concatenate([np.zeros(round(LEAD_S * RATE_HZ), np.int16), sound])


def table(heard: list[float], on_the_way: list[float], *, unsure_ms: float) -> str:
    lines = [
        f"\nfrom board to subscriber, {len(heard)} sounds, ms (the first line has up to {unsure_ms:.0f} too much):",
        f"{'':34}{'median':>8}{'p95':>8}{'worst':>8}",
    ]
    for what, values in (("sound begins → message", heard), ("board decides → message", on_the_way)):
        p95 = sorted(values)[round(0.95 * len(values)) - 1]
        lines.append(f"{what:<34}{median(values):>8.1f}{p95:>8.1f}{max(values):>8.1f}")
    return "\n".join(lines)
