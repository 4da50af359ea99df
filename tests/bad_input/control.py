"""What is typed while a daemon runs, or should; and recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bad_input.audio import no_sound_system
from bad_input.case import Make, Refused, steps
from bad_input.scene import GOOD, NABU, Scene

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(name: str, wrong: str, make: Make, typed: str, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=make, typed=f"edged {typed}".strip(), **answer)


def config(scene: Scene) -> None:
    scene.config()


def running(then: Callable[[Scene], object] = lambda _: None) -> Make:
    """Start a daemon with a model, then do something."""

    def make(scene: Scene) -> None:
        scene.config(GOOD + NABU)
        scene.wake_word()
        scene.daemon()
        then(scene)

    return make


def cut_model(scene: Scene) -> None:
    model = scene.wake_word()[1]
    scene.write("bad/okay_nabu.json", (scene.folder / "okay_nabu.json").read_bytes())
    scene.write("bad/okay_nabu.tflite", model.read_bytes()[:9000])


def full(scene: Scene) -> None:
    scene.disk()
    running(lambda scene: scene.fill(scene.folder / "state"))(scene)


def unwritable(scene: Scene) -> None:
    no_sound_system(scene)
    (scene.folder / "closed").mkdir(mode=0o555)
    scene.become_nobody()


AT = "--config edged.toml"
CASES: tuple[Refused, ...] = (
    refused(
        "status-nobody",
        "no daemon runs",
        config,
        f"status {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "reload-nobody",
        "no daemon runs",
        config,
        f"reload {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "install-nobody",
        "no daemon runs",
        config,
        f"model install nabu okay_nabu.json {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "status-closed",
        "the socket is closed to this user",
        running(Scene.become_stranger),
        f"status {AT}",
        file="run/control.sock",
        what="is closed to this user",
        way_out="Ask with sudo",
    ),
    refused(
        "status-spoilt",
        "no daemon runs, and the config has a typo",
        lambda scene: scene.config(GOOD.replace("host =", "hots =")),
        f"status {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "reload-bad",
        "the new config has a typo: the old one goes on",
        running(lambda scene: scene.write("edged.toml", GOOD.replace("host =", "hots ="))),
        f"reload {AT}",
        file="edged.toml",
        key="mqtt.hots",
        what="did you mean `host`?",
        way_out="Rename it",
    ),
    refused(
        "reload-bad-model",
        "the new config names a model cut short: the old one goes on",
        running(steps(cut_model, lambda scene: scene.config(GOOD + NABU.replace("okay", "bad/okay")))),
        f"reload {AT}",
        file="bad/okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "reload-state-dir",
        "the new config has another state directory",
        running(lambda scene: scene.write("edged.toml", (GOOD + NABU).replace('"state"', '"state2"'))),
        f"reload {AT}",
        file="edged.toml",
        key="state_dir",
        what="cannot change while edged runs",
        way_out="Put it back, or restart edged",
    ),
    refused(
        "install-unknown",
        "the config has no model of that name",
        running(),
        f"model install naboo okay_nabu.json {AT}",
        key="name",
        value="'naboo'",
        what="no such model",
        way_out="Name any of nabu",
    ),
    refused(
        "install-missing",
        "there is no such model file: the old one goes on",
        running(),
        f"model install nabu other.json {AT}",
        file="other.json",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "install-cut",
        "the new model is cut short: the old one goes on",
        running(cut_model),
        f"model install nabu bad/okay_nabu.json {AT}",
        file="bad/okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "install-full",
        "no room for the new model: the old one goes on",
        full,
        f"model install nabu okay_nabu.json {AT}",
        file="state/models",
        what="no space left on device",
        way_out="Make room",
    ),
    refused(
        "record-deaf",
        "no microphone",
        no_sound_system,
        "record out.wav --length 100",
        exit=1,
        what="default: no default input device",
        way_out="plug one in",
    ),
    refused(
        "record-nobody",
        "no daemon runs to listen along with",
        config,
        f"record out.wav --source mic {AT}",
        exit=1,
        file="run/control.sock",
        what="no daemon answers",
        way_out="systemctl start edged",
    ),
    refused(
        "record-source",
        "no source of that name",
        running(),
        f"record out.wav --source mik {AT}",
        key="source",
        value="'mik'",
        way_out="Name any of mic",
    ),
    refused(
        "record-closed",
        "the folder is closed to this user",
        unwritable,
        "record closed/out.wav --length 100",
        file="closed/out.wav",
        what="Permission denied",
        way_out="Name a file in a folder that you may write to",
    ),
    refused(
        "record-folder",
        "the folder is not there",
        no_sound_system,
        "record no/out.wav --length 100",
        file="no/out.wav",
        what="No such file or directory",
        way_out="Name a file in a folder that you may write to",
    ),
    refused(
        "record-length-0",
        "a length of nothing",
        no_sound_system,
        "record out.wav --length 0",
        key="--length",
        value="'0'",
        what="is no length",
        way_out="write whole milliseconds, such as 2000",
    ),
    refused(
        "record-length-text",
        "a length that is no number",
        no_sound_system,
        "record out.wav --length 2s",
        key="--length",
        value="'2s'",
        what="is no length",
        way_out="write whole milliseconds, such as 2000",
    ),
    refused(
        "record-device",
        "a microphone by its index",
        no_sound_system,
        "record out.wav --device 1",
        key="device",
        value="'1'",
        way_out="as `edged devices` prints it",
    ),
    refused(
        "devices-none",
        "no microphone",
        no_sound_system,
        "devices",
        exit=1,
        what="there is no microphone",
        way_out="plug one in",
    ),
    refused(
        "command-unknown",
        "a command that is none",
        lambda _: None,
        "listen",
        value="'listen'",
        what="invalid choice",
        way_out="(choose from ",
    ),
    refused("command-none", "no command", lambda _: None, "", what="COMMAND", way_out="usage: edged"),
    refused(
        "option-unknown",
        "an option that is none",
        config,
        f"check --fast {AT}",
        key="--fast",
        what="unrecognized arguments",
        way_out="usage: edged",
    ),
    refused(
        "demo-keep",
        "the demo's folder cannot be made",
        lambda scene: scene.wav(),
        "demo --keep sample.wav",
        key="--keep",
        value="'sample.wav'",
        what="cannot be used: file exists",
        way_out="Name a folder that you may write to",
    ),
)
