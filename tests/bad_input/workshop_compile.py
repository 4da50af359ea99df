"""Models that boards could not run, plans that are none, and places where none can be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bad_input.case import Make, Refused, steps
from edged.workshop.operators import BUILTINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bad_input.scene import Scene

COMPILE = "edged compile nabu.tflite --out nabu.plan"
BOARDS = Path(__file__).parents[2] / "mcu-firmware" / "boards.toml"
FLOAT32, TANH = 0, 4
"""A TensorType and an ActivationFunctionType of the schema."""


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    typed = answer.pop("typed", COMPILE)
    return Refused(name=f"compile-{name}", wrong=wrong, make=make, typed=typed, **answer)


def model(scene: Scene) -> None:
    scene.write("nabu.tflite", scene.wake_word()[1].read_bytes())


def otherwise(change: Callable[[Any], object]) -> Make:
    """Make a model that has something in it otherwise: `change` gets its `ModelT`."""

    def make(scene: Scene) -> None:
        from model_maker import changed  # noqa: PLC0415 - needs LiteRT, which only these cases do

        scene.write("nabu.tflite", changed(scene.wake_word()[1].read_bytes(), change))

    return make


def in_float(told: Any) -> None:
    graph = told.subgraphs[0]
    graph.tensors[graph.inputs[0]].type = FLOAT32


def unknown(told: Any) -> None:
    code = next(each for each in told.operatorCodes if BUILTINS[each.builtinCode] == "LOGISTIC")
    code.builtinCode = code.deprecatedBuiltinCode = BUILTINS.index("TANH")


def with_tanh(told: Any) -> None:
    codes = [BUILTINS[each.builtinCode] for each in told.operatorCodes]
    conv = next(each for each in told.subgraphs[0].operators if codes[each.opcodeIndex] == "CONV_2D")
    conv.builtinOptions.fusedActivationFunction = TANH


def small_board(scene: Scene) -> None:
    model(scene)
    text = BOARDS.read_text(encoding="utf-8")
    assert "slot_bytes = 393216" in text
    scene.write("boards.toml", text.replace("slot_bytes = 393216", "slot_bytes = 16384"))


def cut(scene: Scene) -> None:
    scene.write("nabu.tflite", scene.wake_word()[1].read_bytes()[:20_000])


CASES: tuple[Refused, ...] = (
    refused(
        "nothing",
        "there is no such model",
        lambda _: None,
        file="nabu.tflite",
        what="there is no such file",
        way_out="Name",
    ),
    refused(
        "no-model",
        "a file that is no model",
        lambda scene: scene.write("nabu.tflite", "okay nabu"),
        file="nabu.tflite",
        what="not a TensorFlow Lite model",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "damaged",
        "a model cut short",
        cut,
        file="nabu.tflite",
        what="truncated or damaged",
        way_out="Fetch or convert it anew",
    ),
    refused(
        "float",
        "a float model",
        otherwise(in_float),
        file="nabu.tflite",
        what="its input is float32 [1, 3, 40]; int8 and uint8 can be compiled",
        way_out="Make an int8 model of it: `edged optimise`",
    ),
    refused(
        "operator",
        "an operator that the firmware does not have",
        otherwise(unknown),
        file="nabu.tflite",
        key="operator 5",
        what="the firmware has no TANH",
        way_out="Use a model of ADD, ASSIGN_VARIABLE",
    ),
    refused(
        "option",
        "an option of an operator that the firmware does not have",
        otherwise(with_tanh),
        file="nabu.tflite",
        key="(CONV_2D)",
        what="its fused activation has number 4",
        way_out="Train the model with RELU, RELU6 or RELU_N1_TO_1",
    ),
    refused(
        "eim",
        "an .eim",
        lambda scene: scene.write("door.eim", "#!/bin/sh\n", mode=0o755),
        typed="edged compile door.eim",
        file="door.eim",
        what="is a program",
        way_out="Export the model as TensorFlow Lite",
    ),
    refused(
        "too-large",
        "a model larger than a slot of the board",
        small_board,
        typed=f"{COMPILE} --board stm32f405 --boards boards.toml",
        file="nabu.tflite",
        what="the STM32F405 cannot hold it: flash: it takes",
        way_out="Make the model smaller, or take a larger board",
    ),
    refused(
        "board",
        "a board that nobody knows",
        model,
        typed=f"{COMPILE} --board uno",
        key="--board",
        value="'uno'",
        what="is no board of",
        way_out="Name one of nano-33-ble-sense, esp32-c3, stm32f405",
    ),
    refused(
        "out-no-plan",
        "a plan by another name",
        model,
        typed="edged compile nabu.tflite --out nabu.bin",
        key="--out",
        value="'nabu.bin'",
        way_out="Name a file: NAME.plan",
    ),
    refused(
        "out-no-folder",
        "a plan in a folder that is not there",
        model,
        typed="edged compile nabu.tflite --out new/nabu.plan",
        key="--out",
        value="'new/nabu.plan'",
        way_out="Make new first",
    ),
    refused(
        "out-full",
        "a plan on a full disk",
        steps(model, lambda scene: scene.fill(scene.disk())),
        typed="edged compile nabu.tflite --out state/nabu.plan",
        key="--out",
        value="'state/nabu.plan'",
        what="cannot be written: no space left on device",
        way_out="Make room, or name another place",
    ),
    refused(
        "no-plan",
        "a file that is no plan",
        lambda scene: scene.write("nabu.plan", "okay nabu, in words"),
        typed="edged compile nabu.plan --explain",
        file="nabu.plan",
        what="is no plan",
        way_out="Name what edged compiled",
    ),
    refused(
        "plan-damaged",
        "a plan that was changed on the way",
        lambda scene: scene.write("nabu.plan", b"EDPL\1\0\0\0\x10\0\0\0\0\0\0\0"),
        typed="edged compile nabu.plan --explain",
        file="nabu.plan",
        what="its checksum is wrong",
        way_out="Compile it anew",
    ),
)
