"""What is typed about boards, wrongly: no such board, one that is away, what does not fit it, what is no recording."""

from __future__ import annotations

import functools
import shutil
from typing import TYPE_CHECKING, Any

from boards import HostBoard
from nabu import NABU_PATH
from zephyr_board import ZephyrBoard, made_image

from bad_input.case import Make, Refused, steps
from bad_input.scene import MQTT, TOP, Scene
from edged.compiler.compiled import compile_model, read_source
from edged.control.client import call
from edged.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = ("--slot-bytes", "32768", "--erase-unit", "4096")
AT = "--config edged.toml"
WAKE_EN = shipped("wake-en/wake-en.edged")


def refused(name: str, wrong: str, make: Make, typed: str, **answer: Any) -> Refused:
    return Refused(name=f"boards-{name}", wrong=wrong, make=make, typed=f"edged {typed}", **answer)


def attic(*options: str, then: Callable[[Scene, HostBoard], object] = lambda _scene, _board: None) -> Make:
    """Have a board on a daemon, and another that is away, and a model."""

    def make(scene: Scene) -> None:
        scene.wake_word()
        scene.wav()
        (scene.folder / "attic").mkdir()
        board = scene.stack.enter_context(HostBoard(scene.folder / "attic", ("--watchdog-ms", "0", *options)))
        then(scene, board)
        seen_to(scene, str(board.device))

    return make


def seen_to(scene: Scene, device: str) -> None:
    away = scene.folder / "nowhere"
    scene.write("edged.toml", f'{TOP}{MQTT}[boards.attic]\nport = "{device}"\n[boards.away]\nport = "{away}"\n')
    scene.daemon()
    socket = scene.folder / "run" / "control.sock"
    scene.until(lambda: call(socket, "boards")["boards"][0]["state"] == "up", lambda: "the board is up")


def zephyr(scene: Scene) -> None:
    scene.wake_word()
    (scene.folder / "attic").mkdir()
    board = scene.stack.enter_context(ZephyrBoard(scene.folder / "attic", running=made_image(b"old" * 100)))
    seen_to(scene, str(board.device))


@functools.cache
def nabu() -> bytes:
    return compile_model(read_source(NABU_PATH)).data


def with_nabu(_scene: Scene, board: HostBoard) -> None:
    with board.open() as link:
        link.install(nabu())


def wake_en(scene: Scene) -> None:
    shutil.copy(WAKE_EN, scene.folder / "wake-en.edged")


def plan(scene: Scene) -> None:
    scene.write("okay_nabu.plan", nabu())


def image(name: str, *, cut: int = 0) -> Make:
    def make(scene: Scene) -> None:
        data = made_image(b"new" * 1000, version=(2, 0, 0))
        scene.write(name, data[: len(data) - cut])

    return make


def bare(scene: Scene) -> None:
    scene.config()


def without_a_compiler(scene: Scene) -> None:
    (scene.folder / "bin").mkdir()
    (scene.folder / "bin" / "make").symlink_to(shutil.which("make") or "make")
    scene.env["PATH"] = str(scene.folder / "bin")


CASES: tuple[Refused, ...] = (
    refused(
        "nobody",
        "no daemon runs",
        bare,
        f"deploy okay_nabu.json --board attic {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "unknown",
        "no board of that name",
        attic(),
        f"deploy okay_nabu.json --board loft {AT}",
        key="board",
        value="'loft'",
        what="there is no such board",
        way_out="Name any of attic, away",
    ),
    refused(
        "away",
        "the board is not plugged in",
        attic(),
        f"deploy okay_nabu.json --board away {AT}",
        exit=1,
        what="away is absent",
        way_out="see `edged board info away`",
    ),
    refused(
        "too-large",
        "the model is larger than the board's slots",
        steps(attic(*SMALL), plan),
        f"deploy okay_nabu.plan --board attic {AT}",
        file="okay_nabu.plan",
        what="a slot of the board has 32,768",
        way_out="Make the model smaller",
    ),
    refused(
        "memory",
        "the model needs more memory than the board has",
        steps(attic("--arena-bytes", "4096"), plan),
        f"deploy okay_nabu.plan --board attic {AT}",
        file="okay_nabu.plan",
        what="needs more memory than this board has",
        way_out="Make the model smaller",
    ),
    refused(
        "missing",
        "there is no such model",
        attic(),
        f"deploy other.json --board attic {AT}",
        file="other.json",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "no-model",
        "what is deployed is no model",
        attic(),
        f"deploy sample.wav --board attic {AT}",
        file="sample.wav",
        way_out="Name a",
    ),
    refused(
        "bare",
        "a model that says nothing of how it hears",
        attic(),
        f"deploy okay_nabu.tflite --board attic {AT}",
        file="okay_nabu.tflite",
        what="a board could not hear by it",
        way_out="Deploy a bundle",
    ),
    refused(
        "image-of-another",
        "a Zephyr image for a board with edged's firmware",
        steps(attic(), image("zephyr.signed.bin")),
        f"deploy zephyr.signed.bin --board attic {AT}",
        key="board",
        value="'attic'",
        what="runs edged's own firmware",
        way_out="Flash it",
    ),
    refused(
        "image-cut",
        "a Zephyr image that is cut off",
        steps(zephyr, image("zephyr.signed.bin", cut=7)),
        f"deploy zephyr.signed.bin --board attic {AT}",
        file="zephyr.signed.bin",
        what="is cut off",
        way_out="zephyr.signed.bin",
    ),
    refused(
        "model-for-zephyr",
        "a model for a board with another firmware",
        steps(zephyr, plan),
        f"deploy okay_nabu.plan --board attic {AT}",
        key="board",
        value="'attic'",
        what="does not run edged's firmware",
        way_out="Name a board that does",
    ),
    refused(
        "trial-length",
        "a trial of no length",
        lambda _: None,
        f"deploy okay_nabu.json --board attic --trial 0 {AT}",
        key="--trial",
        value="'0'",
        what="is no length",
        way_out="write seconds, such as 10",
    ),
    refused(
        "test-nothing",
        "a test without a recording",
        lambda _: None,
        f"board test attic --model okay_nabu.json {AT}",
        what="WAV",
        way_out="usage: edged board test",
    ),
    refused(
        "test-missing",
        "a recording that is not there",
        attic(),
        f"board test attic no.wav --model okay_nabu.json {AT}",
        file="no.wav",
        way_out="Name a",
    ),
    refused(
        "test-empty",
        "the board runs no model",
        attic(),
        f"board test attic sample.wav --model okay_nabu.json {AT}",
        exit=1,
        what="the board runs no model",
        way_out="give it one with `edged deploy`",
    ),
    refused(
        "test-another",
        "the board runs another model",
        steps(attic(then=with_nabu), wake_en),
        f"board test attic sample.wav --model wake-en.edged {AT}",
        file="wake-en.edged",
        what="is not what the board runs, which is okay_nabu",
        way_out="Name the model that it runs",
    ),
    refused(
        "record-deaf",
        "a board without a microphone",
        attic(),
        f"board record attic --out clips --label hiss {AT}",
        exit=1,
        what="there is no microphone",
        way_out="name a board that has one",
    ),
    refused(
        "record-silent",
        "a microphone that is muted",
        attic("--silence"),
        f"board record attic --length 1 --out clips --label hiss {AT}",
        file="clips",
        what="digital silence",
        way_out="Record for longer, or louder",
    ),
    refused(
        "record-label",
        "a label that is a path",
        attic("--silence"),
        f"board record attic --out clips --label ../etc {AT}",
        key="--label",
        value="'../etc'",
        what="is no label",
        way_out="Write a word",
    ),
    refused(
        "record-length",
        "a length that is none",
        lambda _: None,
        f"board record attic --length 2s --out clips --label hiss {AT}",
        key="--length",
        value="'2s'",
        what="is no length",
        way_out="write seconds, such as 10",
    ),
    refused(
        "reset-unknown",
        "no board of that name to reset",
        attic(),
        f"board reset loft {AT}",
        key="board",
        value="'loft'",
        what="there is no such board",
        way_out="Name any of attic, away",
    ),
    refused(
        "demo",
        "the demo of a board without a compiler",
        without_a_compiler,
        "demo --board",
        key="--board",
        what="there is no gcc",
        way_out="Type `make setup`",
    ),
)
