"""Teaching: too little to learn from, clips that hold nothing, and an embedding that is not what it should be."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from bad_input.case import Make, Refused
from edged.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from bad_input.scene import Scene

HEAD = "path,label,source,group,licence"
SET = "set/manifest.csv"
TEACH = "edged teach set --out bell.edged"
WITH = "edged teach set --embedding my/embedding.edged --out bell.edged"
ANEW = "Install edged anew, or make both files anew with packaging/make_embedding.py"


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(name=f"teach-{name}", wrong=wrong, make=make, typed=answer.pop("typed", TEACH), **answer)


def taught(count: int, *, label: str = "bell", silent: bool = False) -> Make:
    """Make a dataset of so many clips of noise."""

    def make(scene: Scene) -> None:
        (scene.folder / "set").mkdir()
        rng = np.random.default_rng(1)
        for number in range(count):
            noise = rng.normal(0, 0 if silent and number == 0 else 2000, 8000)
            scene.wav(f"set/{number}.wav", noise.astype(np.int16))
        rows = [f"{number}.wav,{label},shop,door,CC0-1.0" for number in range(count)]
        scene.write(SET, "\n".join([HEAD, *rows, ""]))

    return make


def other_rate(scene: Scene) -> None:
    taught(4)(scene)
    path = scene.folder / "set" / "2.wav"
    data = bytearray(path.read_bytes())
    data[24:32] = (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little")
    path.write_bytes(data)


def sensor(scene: Scene) -> None:
    taught(4)(scene)
    scene.write("set/acc.csv", "timestamp,accX,accY\n0,0.1,9.8\n10,0.2,9.7\n")
    manifest = scene.folder / SET
    manifest.write_text(manifest.read_text() + "acc.csv,bell,shop,door,CC0-1.0\n")


def embedding(scene: Scene) -> Path:
    """Copy the embedding and its background, to be spoilt."""
    taught(4)(scene)
    place = scene.folder / "my"
    place.mkdir()
    for name in ("embedding.edged", "background.npz"):
        shutil.copy(shipped(f"embedding/{name}"), place / name)
    return place


def flipped(scene: Scene) -> None:
    path = embedding(scene) / "embedding.edged"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def background(data: bytes | None) -> Make:
    """Put something else in the place of the background, or nothing."""

    def make(scene: Scene) -> None:
        path = embedding(scene) / "background.npz"
        path.unlink() if data is None else path.write_bytes(data)

    return make


def strange(scene: Scene) -> None:
    path = embedding(scene) / "background.npz"
    points = np.zeros((4, 96), np.int8)
    np.savez(path, points=points, scale=np.float32(1), embedding=np.array("0" * 64))


def full_disk(scene: Scene) -> None:
    taught(4)(scene)
    scene.fill(scene.disk("out"))


CASES: tuple[Refused, ...] = (
    refused(
        "few",
        "a sound with three clips",
        taught(3),
        file="set",
        key="label",
        value="'bell'",
        what="has 3 clips, and 4 is the least",
        way_out="Record more with `edged collect`, a dozen is a good beginning",
    ),
    refused(
        "background",
        "a dataset with nothing but background",
        taught(4, label="_noise_"),
        file=SET,
        key="label",
        what="holds background only",
        way_out="Give clips of a sound to detect a label that does not begin with _",
    ),
    refused(
        "silent",
        "a clip in which there is nothing",
        taught(4, silent=True),
        file="set/0.wav",
        key="label",
        value="'bell'",
        what="nothing is to be heard in it",
        way_out="Record it anew, or take it out of the manifest",
    ),
    refused(
        "rate",
        "a clip of 8 kHz",
        other_rate,
        file="set/2.wav",
        key="rate",
        value="8000",
        what="is not the 16000 Hz",
        way_out="Convert it",
    ),
    refused("sensor", "sensor data as a clip", sensor, file="set/acc.csv", way_out="WAV"),
    refused(
        "out",
        "a bundle's name without its ending",
        taught(4),
        typed="edged teach set --out bell",
        key="--out",
        value="'bell'",
        way_out="Let it end in .edged",
    ),
    refused(
        "out-folder",
        "a bundle in a folder that is not there",
        taught(4),
        typed="edged teach set --out models/bell.edged",
        key="--out",
        value="'models/bell.edged'",
        way_out="Make models first",
    ),
    refused(
        "full",
        "a full disk while the bundle is written",
        full_disk,
        typed="edged teach set --out out/bell.edged",
        file="out/bell.edged",
        what="no space left on device",
        way_out="Name a place that is free and writable",
    ),
    refused(
        "negatives",
        "negatives that are not there",
        taught(4),
        typed="edged teach set --negatives more --out bell.edged",
        file="more",
        what="there is no such folder",
        way_out="Name a dataset",
    ),
    refused(
        "embedding-missing",
        "an embedding that is not there",
        taught(4),
        typed=WITH,
        file="my/embedding.edged",
        way_out="Name a model that exists",
    ),
    refused(
        "embedding-tampered",
        "an embedding that was tampered with",
        flipped,
        typed=WITH,
        file="my/embedding.edged",
        way_out="Fetch the bundle anew",
    ),
    refused(
        "background-missing",
        "an embedding without its background",
        background(None),
        typed=WITH,
        file="my/background.npz",
        what="there is no such file",
        way_out=ANEW,
    ),
    refused(
        "background-damaged",
        "a background that is cut off",
        background(b"PK\3\4 and no more"),
        typed=WITH,
        file="my/background.npz",
        what="is damaged",
        way_out=ANEW,
    ),
    refused(
        "background-strange",
        "the background of another embedding",
        strange,
        typed=WITH,
        file="my/background.npz",
        key="embedding",
        what="was made with another embedding",
        way_out=ANEW,
    ),
)
