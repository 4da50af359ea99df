"""Bundles, in a folder or packed: damaged, or with a manifest that is not true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bad_input.models import refused
from edged.classify.bundle import write_bundle
from edged.features.spec import Micro
from edged.records import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bad_input.case import Make
    from bad_input.scene import Scene

IN_MANIFEST = "nabu/manifest.json"


def bundle(scene: Scene, path: str = "nabu") -> Path:
    """Make a good bundle, a folder."""
    _, model = scene.wake_word()
    place = scene.folder / path
    policy = Policy(threshold=0.85, mean_of=5)
    write_bundle(
        place,
        model=model.read_bytes(),
        name="nabu",
        labels=["okay_nabu"],
        front_end=Micro(),
        window_frames=3,
        hop_frames=3,
        policy=policy,
    )
    return place


def flipped(scene: Scene) -> None:
    model = bundle(scene) / "model.tflite"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 0x10
    model.write_bytes(data)


def packed_flipped(scene: Scene) -> None:
    place = bundle(scene, "nabu.edged")
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 0x10
    place.write_bytes(data)


def packed_cut(scene: Scene) -> None:
    place = bundle(scene, "nabu.edged")
    place.write_bytes(place.read_bytes()[:20_000])


def manifest(change: Callable[[dict[str, Any]], object]) -> Make:
    """Make a bundle whose manifest is otherwise."""

    def make(scene: Scene) -> None:
        path = bundle(scene) / "manifest.json"
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return make


CASES = (
    refused(
        "bundle-empty",
        "a folder without a manifest",
        lambda scene: (scene.folder / "nabu").mkdir(),
        model="nabu",
        file=IN_MANIFEST,
        what="there is no such file",
        way_out="Name a folder with manifest.json and model.tflite in it",
    ),
    refused(
        "bundle-no-model",
        "a bundle without its model",
        lambda scene: (bundle(scene) / "model.tflite").unlink(),
        model="nabu",
        file="nabu/model.tflite",
        what="there is no such file",
        way_out="Fetch the bundle anew",
    ),
    refused(
        "bundle-flipped",
        "a bundle with one flipped bit",
        flipped,
        model="nabu",
        file=IN_MANIFEST,
        key="sha256",
        what="is not that of model.tflite",
        way_out="Fetch the bundle anew: it is damaged",
    ),
    refused(
        "bundle-packed-flipped",
        "a packed bundle with one flipped bit",
        packed_flipped,
        model="nabu.edged",
        way_out="Fetch the bundle anew",
    ),
    refused(
        "bundle-packed-cut",
        "a packed bundle cut short",
        packed_cut,
        model="nabu.edged",
        what="is not a whole .edged file",
        way_out="Fetch the bundle anew",
    ),
    refused(
        "manifest-not-json",
        "a manifest that is not JSON",
        lambda scene: (bundle(scene) / "manifest.json").write_text("{oops"),
        model="nabu",
        file=IN_MANIFEST,
        way_out="Mend the file, or fetch the bundle anew",
    ),
    refused(
        "manifest-label-count",
        "a manifest with a label too many",
        manifest(lambda told: told["labels"].append("other")),
        model="nabu",
        file=IN_MANIFEST,
        key="labels",
        what="2 given, but its output uint8 [1, 1] has 1",
        way_out="Give 1, in the order of the outputs",
    ),
    refused(
        "manifest-shape",
        "a manifest with another window",
        manifest(lambda told: told.update(window_frames=4)),
        model="nabu",
        file=IN_MANIFEST,
        key="window_frames",
        value="4",
        what="its input int8 [1, 3, 40] takes 120",
        way_out="Give 3",
    ),
    refused(
        "manifest-front-end",
        "a manifest with another front end",
        manifest(lambda told: told.update(front_end={"name": "mfcc"})),
        model="nabu",
        file=IN_MANIFEST,
        key="window_frames",
        what="3 frames of 10 (mfcc) make 30 numbers",
        way_out="Give 12",
    ),
    refused(
        "manifest-front-end-name",
        "a manifest with a front end that is none",
        manifest(lambda told: told.update(front_end={"name": "mfc"})),
        model="nabu",
        file=IN_MANIFEST,
        key="front_end.name",
        value="'mfc'",
        what="unknown front end",
        way_out="Did you mean mfcc",
    ),
    refused(
        "manifest-unknown-key",
        "a manifest with a typo",
        manifest(lambda told: told.update(treshold=0.5)),
        model="nabu",
        file=IN_MANIFEST,
        key="treshold",
        value="0.5",
        way_out="Take it out; known here are edged_bundle, ",
    ),
    refused(
        "manifest-policy-typo",
        "a manifest with a typo in its policy",
        manifest(lambda told: told.update(policy={"treshold": 0.5})),
        model="nabu",
        file=IN_MANIFEST,
        key="policy.treshold",
        value="0.5",
        what="did you mean `threshold`?",
        way_out="Rename it",
    ),
    refused(
        "manifest-newer",
        "a manifest of a newer format",
        manifest(lambda told: told.update(edged_bundle=9)),
        model="nabu",
        file=IN_MANIFEST,
        key="edged_bundle",
        value="9",
        way_out="upgrade edged",
    ),
)
