"""What is typed about boards, with the whole daemon between the shell and the board."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import tty
import wave
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
from boards import HostBoard
from broker import Broker, eventually
from gateway import RATE_HZ
from nabu import NABU_PATH
from speech import write_wav
from system.daemon import Daemon, settings
from zephyr_board import Flash, ZephyrBoard, made_image

from edged import cli
from edged.classify.bundle import write_bundle
from edged.control.client import call, stream
from edged.control.send import sent
from edged.errors import UserError
from edged.features.spec import LogMel
from edged.shipped import shipped
from edged.workshop.dataset import read_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from broker import Subscriber

    from edged.records import Pcm

pytest_plugins = ("board_fixtures",)
WAKE_EN = shipped("wake-en/wake-en.edged")
TRIAL = ("--trial", "0.5")
SOON_S = 30.0
OLD = made_image(b"the old one" * 50)
NEW = made_image(bytes(range(256)) * 30, version=(1, 2, 3))
ROW = b"0.5,-1.25,9.81\r\n"


class Sketch:
    """A board that prints, and is never asked."""

    def __init__(self, device: Path) -> None:
        self.fd, self._outside = os.openpty()
        tty.setraw(self._outside)
        device.symlink_to(os.ttyname(self._outside))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        os.close(self._outside)

    def say(self, line: bytes) -> None:
        os.write(self.fd, line)


class House:
    """A daemon with four boards: attic (ours, hears noise), small (ours, little flash), zephyr and sketch."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.noise = np.random.default_rng(70).integers(-20000, 20000, 400 * RATE_HZ).astype(np.int16)
        wav = write_wav(folder / "noise.wav", self.noise, rate_hz=RATE_HZ)
        for name in ("attic", "small", "zephyr"):
            (folder / name).mkdir()
        self.attic = HostBoard(folder / "attic", ("--wav", str(wav), "--watchdog-ms", "0"))
        pages = ("--slot-bytes", "32768", "--erase-unit", "4096", "--watchdog-ms", "0")
        self.small = HostBoard(folder / "small", pages)
        self.zephyr = ZephyrBoard(folder / "zephyr", running=OLD)
        self.sketch = Sketch(folder / "sketch")
        tables = [
            f'[boards.attic]\nport = "{self.attic.device}"\nheartbeat_s = 0.5',
            f'[boards.small]\nport = "{self.small.device}"\nheartbeat_s = 0.5',
            f'[boards.zephyr]\nport = "{self.zephyr.device}"\nheartbeat_s = 0.5',
            f'[boards.sketch]\nport = "{folder / "sketch"}"\ndriver = "lines"',
            f'[boards.away]\nport = "{folder / "away"}"',
        ]
        self.daemon = Daemon(folder / "edged", settings(broker.port, *tables))

    def typed(self, *words: object, code: int = 0) -> str:
        """Type a command that speaks to the daemon; it must end so. What it said, on either stream."""
        command = [sys.executable, "-m", "edged", *map(str, words), "--config", str(self.daemon.file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def told(self, name: str) -> dict[str, Any]:
        return next(board for board in call(self.daemon.control_socket, "boards")["boards"] if board["name"] == name)

    def state(self) -> str | None:
        """Of the attic, as its last heartbeat had it."""
        state: str | None = (self.told("attic")["pulse"] or {}).get("state")
        return state

    def held(self, name: str = "attic") -> dict[str, Any]:
        return dict(call(self.daemon.control_socket, "board_slots", deadline_s=SOON_S, board=name)["held"])

    def running(self, name: str = "attic") -> str | None:
        held = self.held(name)
        return None if held["active"] is None else str(held["slots"][held["active"]]["name"])

    def up(self, *names: str) -> None:
        for name in names:
            eventually(lambda name=name: self.told(name)["state"] == "up", f"{name} is up", SOON_S)  # type: ignore[misc]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), broker)
    with made.attic, made.small, made.zephyr, made.sketch, made.daemon:
        made.up("attic", "small", "zephyr", "sketch")
        yield made


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    with broker.subscriber() as made:
        yield made


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory, plan: bytes, other_plan: bytes) -> tuple[Path, Path]:
    """okay_nabu's and wake-en's, as files: compiling takes longer than all the rest."""
    folder = tmp_path_factory.mktemp("plans")
    (folder / "nabu.plan").write_bytes(plan)
    (folder / "wake.plan").write_bytes(other_plan)
    return folder / "nabu.plan", folder / "wake.plan"


@pytest.fixture
def nabu(house: House, plans: tuple[Path, Path]) -> House:
    """With okay_nabu on the board."""
    house.typed("deploy", plans[0], "--board", "attic", *TRIAL)
    return house


# Looking at them.


def test_the_list_names_each_board_and_how_it_is(house: House) -> None:
    said = house.typed("board", "list").splitlines()
    assert [line.split()[0] for line in said] == ["attic", "small", "zephyr", "sketch", "away"]
    assert said[0].split()[1:3] == ["up", "host"]
    assert said[4].split()[1] == "absent:"
    told = json.loads(house.typed("board", "list", "--json"))["boards"]
    assert [board["state"] for board in told] == ["up", "up", "up", "up", "absent"]


def test_info_says_all_that_is_known(nabu: House) -> None:
    said = nabu.typed("board", "info", "attic")
    assert "board    host" in said
    assert "okay_nabu, whole" in said
    assert "active, confirmed" in said
    told = json.loads(nabu.typed("board", "info", "attic", "--json"))
    assert told["held"]["slots"][told["held"]["active"]]["name"] == "okay_nabu"
    assert "slot" not in nabu.typed("board", "info", "zephyr")
    assert json.loads(nabu.typed("board", "info", "sketch", "--json"))["held"] is None


def test_a_reset_is_another_boot(house: House) -> None:
    boot = house.told("small")["identity"]["boot"]
    assert house.typed("board", "reset", "small") == f"small: up; boot {boot + 1}, by software\n"


def test_the_log_goes_on(house: House) -> None:
    command = [sys.executable, "-m", "edged", "board", "log", "sketch", "--config", str(house.daemon.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as log:
        assert log.stdout is not None
        stop = threading.Event()
        saying = threading.Thread(target=repeat, args=(house.sketch, b"hello out there\r\n", 0.2, stop))
        saying.start()
        try:
            assert log.stdout.readline().endswith("hello out there\n")
        finally:
            stop.set()
            saying.join()
            log.send_signal(signal.SIGINT)
        assert log.wait(SOON_S) == 130


def repeat(sketch: Sketch, line: bytes, pause_s: float, stop: threading.Event) -> None:
    while not stop.wait(pause_s):
        sketch.say(line)


def test_without_a_daemon_the_list_is_of_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edged.mcu.ports import Port  # noqa: PLC0415 - only here

    found = (
        Port(tmp_path / "ttyACM0", usb_serial="A1", interface=0, product="Nano 33"),
        Port(tmp_path / "ttyUSB0", usb_serial="B2", interface=0),
        Port(tmp_path / "ttyUSB1", usb_serial="B2", interface=1),
        Port(tmp_path / "ttyS0"),
    )
    monkeypatch.setattr("edged.mcu.ports.ports", lambda: found)
    (tmp_path / "edged.toml").write_text('gateway = "x"\nruntime_dir = "run"\n[mqtt]\nhost = "h"\n')
    assert cli.main(["board", "list", "--config", str(tmp_path / "edged.toml")]) == 0
    said = capsys.readouterr()
    pasted = [line.split("  #")[0] for line in said.out.splitlines()]
    assert pasted == ['port = "usb:A1"', 'port = "usb:B2:0"', 'port = "usb:B2:1"', f'port = "{tmp_path}/ttyS0"']
    assert "no daemon answers" in said.err
    assert cli.main(["board", "list", "--json", "--config", str(tmp_path / "edged.toml")]) == 0
    assert json.loads(capsys.readouterr().out)["ports"][0]["paste"] == "usb:A1"
    monkeypatch.setattr("edged.mcu.ports.ports", lambda: ())
    assert cli.main(["board", "list", "--config", str(tmp_path / "edged.toml")]) == 1
    assert "plug a board in" in capsys.readouterr().err


# Another model, another firmware.


def test_a_model_is_compiled_deployed_and_kept(house: House, plans: tuple[Path, Path]) -> None:
    told = json.loads(house.typed("deploy", plans[1], "--board", "attic", *TRIAL, "--json"))
    assert (told["board"], told["what"], told["name"]) == ("attic", "model", "wake-en")
    assert house.running() == "wake-en"
    said = house.typed("deploy", NABU_PATH, "--board", "attic", *TRIAL)
    assert "attic: okay_nabu runs, and stays: slot" in said
    assert "its golden windows give the gateway's outputs" in said
    assert house.running() == "okay_nabu"
    assert "runs there already" in house.typed("deploy", plans[0], "--board", "attic")
    assert house.told("attic")["state"] == "up"


def test_what_does_not_fit_is_refused_with_numbers(house: House, plans: tuple[Path, Path]) -> None:
    said = house.typed("deploy", plans[0], "--board", "small", code=2)
    assert f"{plans[0]}: its plan takes 47,344 bytes, a slot of the board has 32,768" in said
    assert house.running("small") is None


def test_what_no_board_hears_by_is_refused_before_anything_is_sent(house: House, tmp_path: Path) -> None:
    model = NABU_PATH.with_suffix(".tflite")
    assert "a board could not hear by it" in house.typed("deploy", model, "--board", "attic", code=2)
    mel = tmp_path / "mel.edged"
    front_end = LogMel(bands=40)
    write_bundle(
        mel, model=model.read_bytes(), name="mel", labels=["x"], front_end=front_end, window_frames=3, hop_frames=3
    )
    said = house.typed("deploy", mel, "--board", "attic", code=2)
    assert f"{mel}: a board could not hear by it: the firmware has no front end log-mel" in said


def test_who_gives_up_leaves_the_board_as_it_was(nabu: House, plans: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "edged", "deploy", str(plans[1]), "--board", "attic", "--trial", "60"]
    with subprocess.Popen([*command, "--config", str(nabu.daemon.file)], stderr=subprocess.PIPE) as deploying:
        eventually(lambda: nabu.state() == "trial", "the trial begins", SOON_S)
        said = nabu.typed("deploy", plans[1], "--board", "attic", code=1)
        assert "attic is busy with another command" in said
        deploying.send_signal(signal.SIGINT)
        assert deploying.wait(SOON_S) == 130
    eventually(lambda: nabu.state() == "listening", "it is taken back", SOON_S)
    assert nabu.running() == "okay_nabu"


def test_a_board_that_is_away_gets_nothing(house: House) -> None:
    assert "away is absent" in house.typed("deploy", NABU_PATH, "--board", "away", code=1)
    assert "there is no such board" in house.typed("deploy", NABU_PATH, "--board", "loft", code=2)


def test_a_zephyr_board_gets_another_firmware(house: House, tmp_path: Path) -> None:
    (tmp_path / "zephyr.signed.bin").write_bytes(NEW)
    said = house.typed("deploy", tmp_path / "zephyr.signed.bin", "--board", "zephyr")
    assert f"zephyr: 1.2.3 runs, and stays: {len(NEW):,} bytes sent" in said
    assert Flash(house.zephyr.folder).slot(0) == NEW
    assert "1.2.3 runs there already" in house.typed("deploy", tmp_path / "zephyr.signed.bin", "--board", "zephyr")


def test_the_wrong_thing_for_a_board_is_refused(house: House, plans: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(NEW)
    said = house.typed("deploy", tmp_path / "image.bin", "--board", "attic", code=2)
    assert "runs edged's own firmware" in said
    assert "does not run edged's firmware" in house.typed("deploy", plans[0], "--board", "zephyr", code=2)
    (tmp_path / "cut.bin").write_bytes(NEW[:-5])
    assert "is cut off" in house.typed("deploy", tmp_path / "cut.bin", "--board", "zephyr", code=2)


@pytest.mark.parametrize(
    ("verb", "args", "words"),
    [
        ("deploy", {"board": "attic", "what": "firmware"}, 'Write "model" or "image"'),
        ("deploy", {"board": "attic", "trial_s": "long"}, "Write one from 0 to 3600"),
        ("deploy", {"board": "attic", "trial_s": True}, "Write one from 0 to 3600"),
        ("deploy", {"board": 7}, "is not a text"),
        ("board_test", {"board": "attic", "sha256": "zz"}, "in hexadecimal"),
        ("board_record", {"board": "attic", "seconds": -1}, "Write one from 0 to 86400"),
        ("board_record", {"board": "loft"}, "there is no such board"),
    ],
)
def test_who_asks_the_socket_for_nonsense_is_told(house: House, verb: str, args: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        list(stream(house.daemon.control_socket, verb, **args))
    assert house.told("attic")["state"] == "up"


def test_what_is_no_plan_is_refused_by_the_board(house: House) -> None:
    with pytest.raises(UserError, match="the board cannot run it"):
        list(sent(house.daemon.control_socket, "deploy", [bytes(5000)], board="attic"))
    with pytest.raises(UserError, match="is no firmware image"):
        list(sent(house.daemon.control_socket, "deploy", [bytes(5000)], board="zephyr", what="image"))


# Tests on the device.


def test_the_board_says_what_the_gateway_says(nabu: House, tmp_path: Path, sound: Pcm, subscriber: Subscriber) -> None:
    wav = write_wav(tmp_path / "nabu.wav", sound, rate_hz=RATE_HZ)
    other = write_wav(tmp_path / "noise.wav", nabu.noise[: 2 * 22_050], rate_hz=22_050)
    said = nabu.typed("board", "test", "attic", wav, other, "--model", NABU_PATH)
    assert "attic and the gateway agree in" in said
    assert "(100.00 %)" in said
    assert "its golden windows are right" in said
    told = json.loads(nabu.typed("board", "test", "attic", wav, "--model", NABU_PATH, "--json"))
    (row,) = told["recordings"]
    assert row["equal"]
    assert row["windows"] == row["agree"] > 50
    assert [event["label"] for event in row["board"]] == ["okay_nabu"]
    assert row["decisions"] == row["same_events"] == 1
    assert told["selftest"]["differs"] is None
    time.sleep(1.0)
    assert not [each for each in subscriber.messages if each.topic.endswith("/event")]
    assert nabu.told("attic")["events"] == 0


def test_another_model_than_the_boards_is_refused(nabu: House, tmp_path: Path, sound: Pcm) -> None:
    wav = write_wav(tmp_path / "nabu.wav", sound, rate_hz=RATE_HZ)
    said = nabu.typed("board", "test", "attic", wav, "--model", WAKE_EN, code=2)
    assert f"{WAKE_EN}: is not what the board runs, which is okay_nabu" in said
    said = nabu.typed("board", "test", "small", wav, "--model", WAKE_EN, code=1)
    assert "the board runs no model" in said


# Recordings.


def test_a_recording_goes_into_a_dataset(house: House, tmp_path: Path) -> None:
    said = house.typed("board", "record", "attic", "--length", 1.5, "--out", tmp_path / "set", "--label", "hiss")
    assert "clip" in said
    dataset = read_dataset(tmp_path / "set")
    assert {(clip.label, clip.source, clip.speaker) for clip in dataset.clips} == {
        ("hiss", "board attic", ("board attic", "attic"))
    }
    for clip in dataset.clips:
        with wave.open(str(clip.path)) as recorded:
            assert recorded.getframerate() == RATE_HZ
            samples = recorded.readframes(recorded.getnframes())
        assert house.noise.tobytes().find(samples) % 2 == 0
    told = house.typed(
        "board", "record", "attic", "--length", 1, "--out", tmp_path / "set", "--label", "hiss", "--json"
    )
    assert json.loads(told)["seconds"] + json.loads(told)["lost_s"] == pytest.approx(1.0, abs=0.11)


def test_who_cannot_be_recorded_says_so(house: House, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "set", "--label", "hiss")
    assert "there is no microphone" in house.typed("board", "record", "small", *out, code=1)
    assert "does not run edged's firmware" in house.typed("board", "record", "zephyr", *out, code=2)
    assert "is no label" in house.typed("board", "record", "attic", *out[:3], "../etc", code=2)
    assert not (tmp_path / "set").exists()


def test_a_sketchs_axes_become_a_csv(house: House, tmp_path: Path) -> None:
    stop = threading.Event()
    saying = threading.Thread(target=repeat, args=(house.sketch, ROW, 0.02, stop))
    saying.start()
    try:
        said = house.typed(
            *("board", "record", "sketch", "--length", 2, "--out", tmp_path / "csv", "--label", "shake"),
            *("--axes", "x,y,z"),
        )
    finally:
        stop.set()
        saying.join()
    assert "rows of x, y, z at" in said
    with (tmp_path / "csv" / "shake.1.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["timestamp", "x", "y", "z"]
    assert rows[1][1:] == ["0.5", "-1.25", "9.81"]
    assert len(rows) > 20
    assert house.told("sketch")["state"] == "up"


def test_a_sketch_that_says_nothing_gives_nothing(house: House, tmp_path: Path) -> None:
    said = house.typed("board", "record", "sketch", "--length", 0.3, "--out", tmp_path / "csv", "--label", "x", code=2)
    assert "the board prints no samples" in said
    assert list(tmp_path.iterdir()) == []
