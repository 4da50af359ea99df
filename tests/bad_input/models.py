"""Models: missing, cut short, with flipped bits, or not what is said of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eim_peer import write_eim

from bad_input.case import Make, Refused, Waits, steps
from bad_input.config import CHECK
from bad_input.scene import GOOD, Scene
from edged.classify.flatbuffer import read_outline

if TYPE_CHECKING:
    from collections.abc import Callable

TRY = "edged classify sample.wav --model "


def refused(name: str, wrong: str, make: Make, *, model: str, **answer: Any) -> Refused:
    def with_wav(scene: Scene) -> None:
        scene.wav()
        make(scene)

    return Refused(
        name=name,
        wrong=wrong,
        make=with_wav,
        typed=answer.pop("typed", TRY + model),
        file=answer.pop("file", model),
        **answer,
    )


def cut(share: float) -> Make:
    """Cut a .tflite short."""

    def make(scene: Scene) -> None:
        _, model = scene.wake_word()
        data = model.read_bytes()
        model.write_bytes(data[: round(len(data) * share)])

    return make


def described(change: Callable[[dict[str, Any]], object]) -> Make:
    """Make a microWakeWord description that is otherwise."""

    def make(scene: Scene) -> None:
        path, _ = scene.wake_word()
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return make


def float64_input(scene: Scene) -> None:
    """Say in the model itself that its input is float64: the one byte of the tensor's type."""
    _, model = scene.wake_word()
    data = bytearray(model.read_bytes())
    places = [place for place, byte in enumerate(data) if byte == 9]  # int8 in schema.fbs; 10 is float64
    for at in reversed(places):  # tables come last
        data[at] = 10
        try:
            if read_outline(bytes(data)).inputs[0].dtype == "float64":
                model.write_bytes(data)
                return
        except ValueError:
            pass
        data[at] = 9
    raise AssertionError("no such byte")


def unexecutable(scene: Scene) -> None:
    write_eim(scene.folder / "nabu.eim").chmod(0o644)


CASES: tuple[Refused, ...] = (
    refused(
        "no-model",
        "there is no such model",
        lambda _: None,
        model="nabu.tflite",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "no-model-replay",
        "there is no such model, at replay",
        lambda _: None,
        model="nabu.tflite",
        typed="edged replay sample.wav --model nabu.tflite",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "env-model",
        "$EDGED_MODEL points nowhere",
        lambda scene: scene.env.update(EDGED_MODEL="nowhere.tflite"),
        model="",
        typed="edged classify sample.wav",
        key="$EDGED_MODEL",
        value="'nowhere.tflite'",
        what="there is no such model",
        way_out="Set it to a model that exists",
    ),
    refused(
        "not-a-model",
        "a file that is no model",
        lambda _: None,
        model="sample.wav",
        what="is no kind of model that edged knows",
        way_out=".edged, .json (microWakeWord), .tflite or .eim",
    ),
    refused(
        "tflite-empty",
        "a .tflite cut to nothing",
        cut(0),
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "tflite-cut-header",
        "a .tflite cut in its first bytes",
        cut(0.0001),
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "tflite-cut-half",
        "a .tflite cut in the middle",
        cut(0.5),
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "tflite-cut-end",
        "a .tflite that lacks its end",
        cut(0.99),
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "tflite-text",
        "a .tflite that is a web page",
        lambda scene: scene.write("nabu.tflite", "<!DOCTYPE html>\n<html>404</html>\n"),
        model="nabu.tflite",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "tflite-bare",
        "a bare .tflite: nothing tells its labels",
        lambda scene: scene.wake_word(),
        model="okay_nabu.tflite",
        key="labels",
        way_out="Give 1, one for each of its outputs, in [models.NAME] of a config",
    ),
    refused(
        "tflite-dtype",
        "a .tflite with numbers that edged does not feed",
        float64_input,
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        what="float64 [1, 3, 40]",
        way_out="Convert it with one of float32",
    ),
    refused(
        "wake-word-alone",
        "a microWakeWord .json without its .tflite",
        lambda scene: scene.wake_word()[1].unlink(),
        model="okay_nabu.json",
        key="model",
        value="'okay_nabu.tflite'",
        what="is not beside this file",
        way_out="Fetch okay_nabu.tflite too",
    ),
    refused(
        "wake-word-not-json",
        "a microWakeWord .json that is none",
        lambda scene: scene.write("nabu.json", "{oops"),
        model="nabu.json",
        what="is not JSON",
        way_out="Fetch it anew",
    ),
    refused(
        "wake-word-other",
        "a .json of something else",
        lambda scene: scene.write("nabu.json", '{"name": "a"}'),
        model="nabu.json",
        what="is not a microWakeWord description",
        way_out="Name a microWakeWord .json",
    ),
    refused(
        "wake-word-key",
        "a microWakeWord .json without its cutoff",
        described(lambda told: told["micro"].pop("probability_cutoff")),
        model="okay_nabu.json",
        key="micro.probability_cutoff",
        what="is missing",
        way_out="Fetch the model anew",
    ),
    refused(
        "wake-word-range",
        "a microWakeWord .json with a cutoff in per cent",
        described(lambda told: told["micro"].update(probability_cutoff=85)),
        model="okay_nabu.json",
        key="micro.probability_cutoff",
        value="85",
        what="is not from 0 to 1",
        way_out="Mend that value",
    ),
    refused(
        "eim-missing",
        "there is no such .eim",
        lambda _: None,
        model="nabu.eim",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "eim-not-executable",
        "an .eim that may not be run",
        unexecutable,
        model="nabu.eim",
        what="is not executable",
        way_out="Run chmod +x nabu.eim",
    ),
    refused(
        "eim-not-executable-check",
        "an .eim that may not be run, in the config",
        steps(unexecutable, lambda scene: scene.config(GOOD + '[models.nabu]\npath = "nabu.eim"\n')),
        model="nabu.eim",
        typed=CHECK,
        what="is not executable",
        way_out="Run chmod +x nabu.eim",
    ),
    refused(
        "eim-dead",
        "an .eim that ends at once",
        lambda scene: write_eim(scene.folder / "nabu.eim", "dead at start"),
        model="nabu.eim",
        exit=1,
        what="the model ended: exit status 3",
        way_out="",
    ),
    refused(
        "eim-foreign",
        "an .eim for another processor",
        lambda scene: scene.write("nabu.eim", b"\x7fELF\2\1\1\0", mode=0o755),
        model="nabu.eim",
        what="is no program that this machine can run",
        way_out="Download the .eim for Linux on MACHINE",
    ),
    refused(
        "tflite-closed",
        "a .tflite closed to this user",
        steps(lambda scene: scene.wake_word()[1].chmod(0), Scene.become_nobody),
        model="okay_nabu.json",
        file="okay_nabu.tflite",
        what="cannot be read: permission denied",
        way_out="Name a file that this user may read",
    ),
)


def dead_eim(scene: Scene) -> None:
    once = scene.write("once", "")
    write_eim(scene.folder / "nabu.eim", "dead at start", once=once)
    scene.config(GOOD + '[models.nabu]\npath = "nabu.eim"\n')


WAITS: tuple[Waits, ...] = (
    Waits(
        name="eim-dead-run",
        wrong="an .eim that ends at once",
        make=dead_eim,
        says="nabu: failed on mic: nabu.eim: the model ended: exit status 3",
        status="model    mic/nabu: ",
        mend=lambda _: None,
        then="nabu: running on mic",
    ),
)
