"""Trainings and models to optimise, and files of boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bad_input import bundles
from bad_input.case import Make, Refused, steps

if TYPE_CHECKING:
    from bad_input.scene import Scene

WORK = "edged optimise work --out small.edged"
LOOK = "edged optimise nabu.tflite --boards boards.toml"
HEAD = "path,label,source,group,licence,role\n"
BOARDS = Path(__file__).parents[2] / "mcu-firmware" / "boards.toml"


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(name=f"optimise-{name}", wrong=wrong, make=make, typed=answer.pop("typed", WORK), **answer)


def training(scene: Scene) -> None:
    """Make what a training leaves, with one clip held back."""
    (scene.folder / "work" / "saved_model").mkdir(parents=True)
    bundles.bundle(scene, "work/float.edged")
    np.savez(scene.folder / "work" / "representative.npz", frames=np.zeros((1, 3, 40), np.float32))
    scene.write("work/datasets.json", '["."]')
    scene.write("work/split.csv", HEAD + "sample.wav,okay_nabu,us,ann,CC0-1.0,test\n")
    scene.wav()


def without(name: str) -> Make:
    return steps(training, lambda scene: (scene.folder / "work" / name).unlink())


def boards(old: str, new: str) -> Make:
    """Make a file of boards that is otherwise, and a model to judge."""

    def make(scene: Scene) -> None:
        text = BOARDS.read_text(encoding="utf-8")
        assert old in text
        scene.write("boards.toml", text.replace(old, new, 1))
        scene.write("nabu.tflite", scene.wake_word()[1].read_bytes())

    return make


def cut(scene: Scene) -> None:
    scene.write("nabu.tflite", scene.wake_word()[1].read_bytes()[:20_000])


CASES: tuple[Refused, ...] = (
    refused(
        "nothing",
        "there is no such training or model",
        lambda _: None,
        file="work",
        what="there is no such model",
        way_out="Name a model that exists",
        typed="edged optimise work",
    ),
    refused(
        "no-training",
        "a folder that is neither a training nor a bundle",
        lambda scene: (scene.folder / "work").mkdir(),
        file="work",
        what="there is no float.edged in it",
        way_out="Name what `edged train` made",
    ),
    refused(
        "cut-off",
        "a training that has not come to its end",
        steps(without("float.edged"), lambda scene: scene.write("work/training.json", "{}")),
        file="work",
        what="there is no float.edged in it",
        way_out="Let `edged train` come to its end",
    ),
    refused(
        "no-out",
        "a training, and no name for the bundle",
        training,
        typed="edged optimise work",
        key="--out",
        what="is missing",
        way_out="Say where the bundle shall be: --out NAME.edged",
    ),
    refused(
        "out-no-bundle",
        "a bundle by another name",
        training,
        typed="edged optimise work --out small.tflite",
        key="--out",
        value="'small.tflite'",
        way_out="Name a file: NAME.edged",
    ),
    refused(
        "out-no-folder",
        "a bundle in a folder that is not there",
        training,
        typed="edged optimise work --out new/small.edged",
        key="--out",
        value="'new/small.edged'",
        way_out="Make new first",
    ),
    refused(
        "no-windows",
        "a training without the windows to quantise with",
        without("representative.npz"),
        file="work/representative.npz",
        what="there is no such file",
        way_out="Let `edged train` come to its end",
    ),
    refused(
        "windows-damaged",
        "a training whose windows are damaged",
        steps(training, lambda scene: scene.write("work/representative.npz", "x")),
        file="work/representative.npz",
        what="holds no windows to quantise with",
        way_out="Delete the folder, and train anew",
    ),
    refused(
        "clip-gone",
        "a clip of its split is no longer there",
        steps(training, lambda scene: (scene.folder / "sample.wav").unlink()),
        file="work/split.csv:2",
        key="path",
        value="'sample.wav'",
        what="there is no such file",
        way_out="say where the datasets are now, with --data DATASET",
    ),
    refused(
        "no-roles",
        "a split that gives no clip a part",
        steps(
            training,
            lambda scene: scene.write("work/split.csv", HEAD + "sample.wav,okay_nabu,us,ann,CC0-1.0,\n"),
        ),
        file="work/split.csv",
        key="role",
        what="no clip in it has one",
        way_out="Write one of test, validation, train",
    ),
    refused(
        "tampered",
        "a bundle that was tampered with",
        bundles.flipped,
        typed="edged optimise nabu",
        file="nabu/manifest.json",
        key="sha256",
        what="is not that of model.tflite",
        way_out="Fetch the bundle anew",
    ),
    refused(
        "damaged",
        "a model cut short",
        cut,
        typed="edged optimise nabu.tflite",
        file="nabu.tflite",
        what="truncated or damaged",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "eim",
        "an .eim",
        lambda scene: scene.write("door.eim", "#!/bin/sh\n", mode=0o755),
        typed="edged optimise door.eim",
        file="door.eim",
        what="is a program",
        way_out="Export the model as TensorFlow Lite",
    ),
    refused(
        "out-of-model",
        "a name for a bundle, beside a model that is one already",
        bundles.bundle,
        typed="edged optimise nabu --out small.edged",
        file="nabu",
        what="--out is for what `edged train` made",
        way_out="Leave --out out",
    ),
    refused(
        "boards-missing",
        "a file of boards that is not there",
        lambda scene: scene.write("nabu.tflite", scene.wake_word()[1].read_bytes()),
        typed=LOOK,
        file="boards.toml",
        what="cannot be read: no such file",
        way_out="Name a file of boards that is there, with --boards",
    ),
    refused(
        "boards-not-toml",
        "a file of boards that is not TOML",
        boards("[firmware]", "[firmware"),
        typed=LOOK,
        file="boards.toml",
        what="is not TOML",
        way_out="Mend that line",
    ),
    refused(
        "boards-typo",
        "a typo in a board",
        boards("flash_bytes", "flash_byte"),
        typed=LOOK,
        file="boards.toml",
        key="boards.nano-33-ble-sense.flash_byte",
        value="1048576",
        what="did you mean `flash_bytes`?",
        way_out="Rename it",
    ),
    refused(
        "boards-missing-key",
        "a board without RAM",
        boards("[[boards.nano-33-ble-sense.ram]]", "[[boards.esp32-c3.ram]]"),
        typed=LOOK,
        file="boards.toml",
        key="boards.nano-33-ble-sense.ram",
        what="is missing",
        way_out="Add it",
    ),
    refused(
        "boards-negative",
        "a board with less than no flash",
        boards("slot_bytes = 417792", "slot_bytes = -417792"),
        typed=LOOK,
        file="boards.toml",
        key="boards.nano-33-ble-sense.slot_bytes",
        value="-417792",
        what="is too small",
        way_out="Write 0 or more",
    ),
    refused(
        "boards-too-much",
        "a board whose slots are larger than its flash",
        boards("slot_bytes = 417792", "slot_bytes = 417793"),
        typed=LOOK,
        file="boards.toml",
        key="boards.nano-33-ble-sense.slot_bytes",
        value="417793",
        what="more than flash_bytes",
        way_out="Write 417792 or less",
    ),
)
