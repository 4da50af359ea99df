"""Whoever dies while a board gets another model, command, daemon or board: it goes on, or runs what it ran."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from boards import HostBoard
from broker import Broker, eventually
from gateway import RATE_HZ
from nabu import NABU_PATH
from qemu import QemuBoard
from speech import write_wav
from system.asking import edged
from system.daemon import Daemon, settings

from edged.control.client import call
from edged.control.send import sent
from edged.errors import Unavailable
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edged.records import Pcm

pytestmark = pytest.mark.slow
pytest_plugins = ("board_fixtures",)
WAKE_EN = shipped("wake-en/wake-en.edged")
SILENT = ("--silence", "--watchdog-ms", "0")
SOON_S = 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "attic").mkdir()
    return tmp_path / "attic"


def config(broker: Broker, device: object) -> str:
    return settings(broker.port, f'[boards.attic]\nport = "{device}"\nheartbeat_s = 0.5\n')


def told(daemon: Daemon) -> dict[str, Any]:
    return dict(call(daemon.control_socket, "boards")["boards"][0])


def up(daemon: Daemon) -> None:
    eventually(lambda: told(daemon)["state"] == "up", "the board is up", SOON_S)


def state(daemon: Daemon) -> str | None:
    found: str | None = (told(daemon)["pulse"] or {}).get("state")
    return found


def runs(daemon: Daemon) -> str:
    held = call(daemon.control_socket, "board_slots", deadline_s=30.0, board="attic")["held"]
    return str(held["slots"][held["active"]]["name"])


def free(daemon: Daemon) -> bool:
    """Whether nobody has borrowed the board."""
    try:
        return bool(runs(daemon))
    except Unavailable:
        return False


def installed(board: HostBoard, plan: bytes) -> None:
    with board.open() as link:
        link.install(plan)


def deploying(daemon: Daemon, model: Path, *, trial_s: float) -> subprocess.Popen[str]:
    words = ["deploy", str(model), "--board", "attic", "--trial", str(trial_s), "--config", str(daemon.file)]
    return subprocess.Popen(
        [sys.executable, "-m", "edged", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_command_that_is_killed_in_the_upload_is_gone_on_with(
    tmp_path: Path, place: Path, broker: Broker, plan: bytes, other_plan: bytes
) -> None:
    (tmp_path / "wake.plan").write_bytes(other_plan)
    with HostBoard(place, (*SILENT, "--baud", "57600")) as board:
        installed(board, plan)
        with Daemon(tmp_path / "edged", config(broker, board.device)) as daemon:
            up(daemon)
            items = sent(daemon.control_socket, "deploy", [other_plan], board="attic", what="model", trial_s=1)
            for item in items:
                if item.get("doing") == "uploading" and item["done"] > 10_000:
                    break
            items.close()
            eventually(lambda: free(daemon), "the board is free again", SOON_S)
            said = edged(
                "deploy", tmp_path / "wake.plan", "--board", "attic", "--trial", 1, "--json", "--config", daemon.file
            )
            done = json.loads(said)
            assert done["resumed_at"] >= 10_000
            assert done["sent_bytes"] == len(other_plan) - done["resumed_at"]
            assert runs(daemon) == "wake-en"


def test_a_board_that_loses_its_power_in_the_trial_runs_what_it_ran(
    tmp_path: Path, place: Path, broker: Broker, plan: bytes, other_plan: bytes
) -> None:
    (tmp_path / "wake.plan").write_bytes(other_plan)
    with HostBoard(place, SILENT) as board:
        installed(board, plan)
        with Daemon(tmp_path / "edged", config(broker, board.device)) as daemon:
            up(daemon)
            with deploying(daemon, tmp_path / "wake.plan", trial_s=60) as command:
                eventually(lambda: state(daemon) == "trial", "the trial begins", SOON_S)
                board.kill()
                board.noinit.unlink()
                board.start()
                _, said = command.communicate(timeout=SOON_S)
            assert command.returncode == 1
            assert "the board began anew in the trial (power); it runs okay_nabu again" in said
            up(daemon)
            assert runs(daemon) == "okay_nabu"


def test_a_daemon_that_dies_in_the_trial_leaves_the_board_to_revert(
    tmp_path: Path, place: Path, broker: Broker, plan: bytes, other_plan: bytes
) -> None:
    (tmp_path / "wake.plan").write_bytes(other_plan)
    with HostBoard(place, (*SILENT, "--speed", "4")) as board:
        installed(board, plan)
        with Daemon(tmp_path / "edged", config(broker, board.device)) as daemon:
            up(daemon)
            with deploying(daemon, tmp_path / "wake.plan", trial_s=8) as command:
                eventually(lambda: state(daemon) == "trial", "the trial begins", SOON_S)
                daemon.kill()
                command.communicate(timeout=SOON_S)
            assert command.returncode == 1
            daemon.start()
            up(daemon)
            eventually(lambda: state(daemon) == "listening", "the trial's time is over", SOON_S)
            assert runs(daemon) == "okay_nabu"


def test_an_emulated_stm32f405_gets_a_model_and_says_what_the_gateway_says(
    tmp_path: Path, broker: Broker, sound: Pcm
) -> None:
    wav = write_wav(tmp_path / "nabu.wav", sound, rate_hz=RATE_HZ)
    with QemuBoard() as board, Daemon(tmp_path / "edged", config(broker, board.device)) as daemon:
        up(daemon)
        said = edged("deploy", WAKE_EN, "--board", "attic", "--trial", 2, "--config", daemon.file)
        assert "attic: wake-en runs, and stays" in said
        said = edged("deploy", NABU_PATH, "--board", "attic", "--trial", 2, "--config", daemon.file)
        assert "attic: okay_nabu runs, and stays" in said
        found = json.loads(
            edged("board", "test", "attic", wav, "--model", NABU_PATH, "--json", "--config", daemon.file)
        )
        (row,) = found["recordings"]
        assert row["equal"]
        assert row["windows"] > 50
        sys.stdout.write(f"{row['pace']} times real time, {found['selftest']['window_us']} us a window\n")
