"""Bundles with a head and a golden input: tampered with, damaged, or failing when they are put to work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from failing import MODEL as FAILING

from bad_input.case import Make, Refused
from bad_input.scene import GOOD, NABU, Scene
from edged.classify.bundle import write_bundle
from edged.classify.head import Head
from edged.features.spec import Micro

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFEST = "door/manifest.json"
VERIFY = "edged model verify door"
INSTALL = "edged model install nabu door --config edged.toml"
LIVE = GOOD.replace('path = "sample.wav"\n', 'path = "sample.wav"\npaced = true\nloop = true\n')


def door(scene: Scene, **changes: Any) -> Path:
    """Make a good bundle with a head and a golden input."""
    _, model = scene.wake_word()
    whole: dict[str, Any] = {
        "model": model.read_bytes(),
        "name": "door",
        "labels": ["bell", "knock"],
        "front_end": Micro(),
        "window_frames": 3,
        "hop_frames": 3,
        "output": "softmax",
        "head": Head([[4.0], [-4.0]], [0.0, 1.0]),
        "golden": True,
    }
    write_bundle(scene.folder / "door", **(whole | changes))
    return scene.folder / "door"


def told(change: Callable[[dict[str, Any]], object]) -> Make:
    """Make such a bundle whose manifest is otherwise."""

    def make(scene: Scene) -> None:
        path = door(scene) / "manifest.json"
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return make


def tampered(scene: Scene) -> None:
    path = door(scene) / "model.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def running(make: Make) -> Make:
    """Make a bundle, and a daemon that hears another."""

    def both(scene: Scene) -> None:
        make(scene)
        scene.config(LIVE + NABU)
        scene.wav(samples=np.random.default_rng(1).normal(0, 300, 16_000 * 20).astype(np.int16))
        scene.daemon()

    return both


def refused(name: str, wrong: str, make: Make, *, typed: str = VERIFY, file: str = MANIFEST, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=make, typed=typed, file=file, **answer)


ANEW = "Fetch the bundle anew"
CASES: tuple[Refused, ...] = (
    refused(
        "model-nowhere",
        "there is no such model",
        lambda _: None,
        file="door",
        what="there is no such model",
        way_out="Name a model that exists",
    ),
    refused(
        "model-tampered",
        "a bundle whose model was changed",
        tampered,
        key="sha256",
        what="is not that of model.tflite",
        way_out=ANEW,
    ),
    refused(
        "model-answers-otherwise",
        "a bundle whose manifest was changed",
        told(lambda manifest: manifest["head"].update(bias=[1.0, 0.0])),
        file="door",
        key="golden",
        what="its golden input gives 'bell' 0.7311 in window 1 of 32, not 0.2689 as where it was made",
        way_out=ANEW,
    ),
    refused(
        "golden-windows",
        "a golden output for fewer windows than its input makes",
        told(lambda manifest: manifest["golden"]["posteriors"].update(bell=[0.5])),
        key="golden.posteriors",
        what="'bell' has 1, and golden.audio makes 32 windows",
        way_out=ANEW,
    ),
    refused(
        "golden-label",
        "a golden output without one of the labels",
        told(lambda manifest: manifest["golden"]["posteriors"].pop("knock")),
        key="golden.posteriors",
        value="'knock'",
        what="is missing",
        way_out=ANEW,
    ),
    refused(
        "golden-audio",
        "a golden input that is none",
        told(lambda manifest: manifest["golden"].update(audio="?")),
        key="golden.audio",
        what="is not base64",
        way_out=ANEW,
    ),
    refused(
        "head-nan",
        "a head with a number that is none",
        told(lambda manifest: manifest["head"].update(bias=[float("nan"), 0.0])),
        what="is not JSON: NaN is no number there",
        way_out="fetch the bundle anew",
    ),
    refused(
        "head-columns",
        "a head that was trained on another embedding",
        told(lambda manifest: manifest["head"].update(weights=[[4.0, 1.0], [-4.0, 1.0]])),
        key="head.weights",
        what="has 2 columns, but the output uint8 [1, 1] has 1 numbers",
        way_out="Give the model that the head was trained on",
    ),
    refused(
        "head-rows",
        "a head with a row too few",
        told(lambda manifest: manifest["head"].update(weights=[[4.0]], bias=[0.0])),
        key="labels",
        what="2 given, but head.weights has 1 rows",
        way_out="Give 1",
    ),
    refused(
        "head-ragged",
        "a head whose rows differ in length",
        told(lambda manifest: manifest["head"].update(weights=[[4.0], [1.0, 2.0]])),
        key="head.weights[1]",
        what="has 2 numbers, and the first row 1",
        way_out="Give each row one number for each output",
    ),
    refused(
        "head-bias",
        "a head with a bias too many",
        told(lambda manifest: manifest["head"].update(bias=[0.0, 1.0, 2.0])),
        key="head.bias",
        what="has 3 numbers, and head.weights 2 rows",
        way_out="Give 2",
    ),
    refused(
        "install-otherwise",
        "the new model answers otherwise than where it was made: the old one goes on",
        running(told(lambda manifest: manifest.update(output="sigmoid"))),
        typed=INSTALL,
        file="door",
        key="golden",
        what="its golden input gives 'bell' 0.5000 in window 1",
        way_out=ANEW,
    ),
    refused(
        "install-failing",
        "the new model fails at what it hears: the old one is back",
        running(lambda scene: door(scene, model=FAILING, golden=False)),
        typed=INSTALL,
        file="door",
        what="is rolled back, for it failed in its first 3 windows: the model fails: gather index out of bounds",
        way_out="the one before it runs on",
    ),
)
