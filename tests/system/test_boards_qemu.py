"""The same supervisor over the STM32F405's own image in QEMU: hello, events, heartbeat, another model, a reset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from broker import eventually
from qemu import QemuBoard
from system.asking import edged
from system.daemon import Daemon, settings

from edged.compiler.compiled import compile_model, read_source
from edged.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from broker import Broker, Subscriber

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SOON_S = 60.0
WAKE_EN = shipped("wake-en/wake-en.edged")


def said(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    found = [each for each in tuple(subscriber.messages) if each.topic == f"edged/test/mcu/stm/{topic}"]
    return [json.loads(each.payload) for each in found if each.payload]


def test_an_emulated_stm32f405_is_supervised(
    tmp_path: Path, plan: bytes, sound: Pcm, broker: Broker, subscriber: Subscriber
) -> None:
    with QemuBoard() as board:
        with board.open() as link:
            link.install(plan)
            link.inject(sound.tobytes())  # QEMU emulates no microphone; what is heard now waits for a gateway
            assert link.hello().next == 2
        table = f'[boards.stm]\nport = "{board.device}"\nheartbeat_s = 1.0\n'
        config = settings(broker.port, table, "[health]\ninterval_s = 1.0\n")
        with Daemon(tmp_path / "edged", config) as daemon:
            eventually(lambda: said(subscriber, "event"), f"what it kept arrives; {daemon.log}", SOON_S)
            (event,) = said(subscriber, "event")
            assert (event["label"], event["board_boot"], event["number"]) == ("okay_nabu", 1, 1)
            assert event["error_ms"] < 5000
            (up, *_) = [each for each in said(subscriber, "state") if each["state"] == "up"]
            assert (up["identity"]["hardware"], up["identity"]["speaks"]) == ("stm32f405", "edged")
            eventually(lambda: beating(subscriber, boot=1), "heartbeats with a round-trip time", SOON_S)

            edged("deploy", WAKE_EN, "--board", "stm", "--trial", "3", "--config", daemon.file)
            info = edged("board", "info", "stm", "--config", daemon.file)
            assert "wake-en" in info
            eventually(lambda: beating(subscriber, boot=1, doing="listening"), "it hears with it", SOON_S)

            edged("board", "reset", "stm", "--config", daemon.file)
            eventually(lambda: beating(subscriber, boot=2), "it is back", SOON_S)
            (*_, health) = beating(subscriber, boot=2)
            arena_bytes = compile_model(read_source(WAKE_EN)).plan.network.arena_bytes
            assert (health["reset"], health["arena_bytes"]) == ("software", arena_bytes)
            assert "wake-en" in edged("board", "info", "stm", "--config", daemon.file)
            board.stop()
            eventually(lambda: said(subscriber, "state")[-1]["state"] == "absent", "its loss is said", SOON_S)


def beating(subscriber: Subscriber, *, boot: int, doing: str | None = None) -> list[dict[str, Any]]:
    """Reports of a board in that boot that answers."""
    return [
        each
        for each in said(subscriber, "health")
        if each["boot"] == boot and each["round_trip_ms"] is not None and doing in (None, each["doing"])
    ]
