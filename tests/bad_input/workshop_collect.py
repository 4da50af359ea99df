"""Datasets, and what is collected for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from bad_input.audio import no_sound_system
from bad_input.case import Make, Refused, Waits, steps
from bad_input.scene import GOOD, NABU, NOBODY, Scene

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "path,label,source,group,licence"
ROW = "sample.wav,bell,shop,door,CC0-1.0"
ADD = "edged collect set --from more --licence private"
SPEAK = "edged collect set --label bell --group ann --licence private"
SET = "set/manifest.csv"
KEEPING = GOOD + "loop = true\n[clips]\nkeep = true\n"


def refused(name: str, wrong: str, make: Make, **answer: Any) -> Refused:
    return Refused(name=name, wrong=wrong, make=make, typed=answer.pop("typed", ADD), **answer)


def noise(*, rms: float = 2000.0, n: int = 8000) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.clip(np.random.default_rng(1).normal(0, rms, n), -32768, 32767).astype(np.int16)


def more(scene: Scene) -> Path:
    """Make a recording that could be added."""
    (scene.folder / "more" / "bell").mkdir(parents=True)
    return scene.wav("more/bell/1.wav", noise())


def dataset(*rows: str, head: str = HEAD) -> Make:
    """Make a dataset with such a manifest, one clip, and a recording to add to it."""

    def make(scene: Scene) -> None:
        more(scene)
        scene.write(SET, "\n".join([head, *rows, ""]))
        scene.wav("set/sample.wav", noise(rms=1000))

    return make


def other_rate(scene: Scene) -> None:
    dataset(ROW)(scene)
    path = scene.folder / "set" / "sample.wav"
    data = bytearray(path.read_bytes())
    data[24:32] = (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little")
    path.write_bytes(data)


def full_disk(scene: Scene) -> None:
    more(scene)
    scene.fill(scene.disk("set"))


def clipped(scene: Scene) -> None:
    more(scene)
    scene.wav("more/bell/1.wav", noise(rms=200_000))


def closed(scene: Scene) -> None:
    more(scene)
    (scene.folder / "set").mkdir(mode=0o555)
    scene.become_nobody()


def keeping(scene: Scene) -> None:
    scene.config(KEEPING)


def somebodys(scene: Scene) -> None:
    keeping(scene)
    folder = scene.folder / "state" / "clips"
    folder.mkdir(parents=True)
    os.chown(folder, NOBODY, NOBODY)
    scene.become_nobody()


LEFT = ("state/lock",)
RESTORE = "Restore the file, or take its line out of manifest.csv"
ROOM = "Make room, or name a folder that you may write to; what the dataset had before is untouched"
CASES: tuple[Refused, ...] = (
    refused(
        "dataset-column",
        "a manifest without one of its columns",
        dataset("sample.wav,bell,shop,CC0-1.0", head="path,label,source,licence"),
        file=SET,
        key="group",
        what="the column is missing",
        way_out="Let its first line be path,label,source,group,licence,sha256 (sha256 may be left out)",
    ),
    refused(
        "dataset-row",
        "a line of a manifest with a value too many",
        dataset(ROW + ", by the way"),
        file=f"{SET}:2",
        what="more or fewer values",
        way_out="Put what holds a comma in quotes",
    ),
    refused(
        "dataset-label",
        "a clip without a label",
        dataset(ROW.replace("bell", "")),
        file=f"{SET}:2",
        key="label",
        what="is empty",
        way_out="Fill it in",
    ),
    refused(
        "dataset-file",
        "a clip that is not there",
        dataset(ROW, ROW.replace("sample", "other")),
        file=f"{SET}:3",
        key="path",
        value="'other.wav'",
        what="there is no such file",
        way_out="Put the file there, or take the line out",
    ),
    refused(
        "dataset-twice",
        "a clip listed twice",
        dataset(ROW, ROW.replace("door", "gate")),
        file=f"{SET}:3",
        key="path",
        value="'sample.wav'",
        what="stands in line 2 too",
        way_out="Take one of the lines out",
    ),
    refused(
        "dataset-outside",
        "a clip that lies outside of its dataset",
        dataset(ROW.replace("sample.wav", "../more/bell/1.wav")),
        file=f"{SET}:2",
        key="path",
        value="'../more/bell/1.wav'",
        what="leads out of the dataset",
        way_out="Give a path relative to the manifest, to a file beside or below it",
    ),
    refused(
        "dataset-no-csv",
        "a manifest that is no CSV",
        steps(dataset(ROW), lambda scene: scene.write(SET, b"\xff\xfe\x00")),
        file=SET,
        what="it is not CSV in UTF-8",
        way_out="Save it as that",
    ),
    refused(
        "dataset-rate",
        "a clip of another rate in a dataset",
        other_rate,
        file="set/sample.wav",
        key="rate",
        value="8000",
        what="is not the 16000 Hz of a dataset",
        way_out="Convert it: `edged collect DATASET --from FOLDER`",
    ),
    refused(
        "dataset-sha256",
        "a clip that is not what its sha256 says",
        dataset(ROW + "," + "0" * 64, head=HEAD + ",sha256"),
        file="set/sample.wav",
        key="sha256",
        value="'000",
        what="the file was changed or damaged",
        way_out=RESTORE,
    ),
    refused(
        "collect-clipped",
        "a take that is clipped, and no other",
        clipped,
        file="more/bell/1.wav",
        what="nothing was kept: clipped:",
        way_out="Give better ones, or record some with `edged collect`",
    ),
    refused(
        "collect-full",
        "a full disk",
        full_disk,
        file="set",
        what="it cannot be written: no space left on device",
        way_out=ROOM,
    ),
    refused(
        "collect-closed",
        "a dataset that this user may not write",
        closed,
        file="set",
        what="it cannot be written: permission denied",
        way_out=ROOM,
    ),
    refused(
        "collect-nowhere",
        "a folder that is not there",
        lambda _: None,
        file="more",
        key="--from",
        what="there is no such folder",
        way_out="Name a folder with recordings",
    ),
    refused(
        "collect-nothing",
        "a folder without a recording",
        lambda scene: scene.write("more/bell/notes.txt", "none"),
        file="more",
        key="--from",
        what="there is no recording in it",
        way_out="Name one with .flac or .wav files, or a dataset",
    ),
    refused(
        "collect-unlabelled",
        "a recording in no folder, and no label",
        steps(lambda scene: (scene.folder / "more").mkdir(), lambda scene: scene.wav("more/1.wav", noise())),
        file="more/1.wav",
        key="--label",
        what="it has no label",
        way_out="Put it in a folder of that name, or give --label",
    ),
    refused(
        "collect-unlicensed",
        "recordings of which nobody said whose they are",
        more,
        typed="edged collect set --from more",
        key="--licence",
        what="no licence is known",
        way_out="Say whose they are and what one may do with them",
    ),
    refused(
        "collect-itself",
        "a dataset that is to be made out of itself",
        dataset(ROW),
        typed="edged collect set --from set",
        file="set",
        key="--from",
        what="is the dataset itself",
        way_out="Name another folder",
    ),
    refused(
        "collect-nobody",
        "takes of nobody in particular",
        lambda _: None,
        typed="edged collect set --label bell --licence private",
        key="--group",
        what="is missing",
        way_out="Name who says it",
    ),
    refused(
        "collect-no-daemon",
        "takes through a daemon that does not run",
        Scene.config,
        typed=f"{SPEAK} --source mic --config edged.toml",
        exit=1,
        what="no daemon answers at",
        way_out="start it with `systemctl start edged` or `edged run`",
    ),
    refused(
        "collect-no-microphone",
        "takes without a microphone",
        no_sound_system,
        typed=SPEAK,
        exit=1,
        what="default: no default input device",
        way_out="plug one in",
    ),
    refused(
        "clips-quota",
        "clips that may take no room",
        lambda scene: scene.config(GOOD + "[clips]\nkeep = true\nquota_mb = 0\n"),
        typed="edged check --config edged.toml",
        file="edged.toml",
        key="clips.quota_mb",
        value="0",
        what="is too small",
        way_out="Write 1 or more",
    ),
    refused(
        "clips-closed",
        "clips in a folder of somebody else",
        somebodys,
        typed="edged run --config edged.toml",
        file="state/clips",
        key="clips.keep",
        value="true",
        what="clips cannot be kept in it: operation not permitted",
        way_out="Give it to the user that edged runs as, or set keep = false in [clips]",
        leaves=LEFT,
    ),
    refused(
        "clips-file",
        "a file where clips shall be kept",
        steps(keeping, lambda scene: scene.write("state/clips", "none")),
        typed="edged run --config edged.toml",
        file="state/clips",
        key="clips.keep",
        value="true",
        what="clips cannot be kept in it: file exists",
        way_out="Give it to the user that edged runs as, or set keep = false in [clips]",
        leaves=LEFT,
    ),
)


def no_room(scene: Scene) -> None:
    """Keep clips on a full disk of their own, and hear something again and again."""
    scene.config(KEEPING + NABU)
    scene.words()
    scene.wake_word()
    (scene.folder / "state").mkdir()
    scene.fill(scene.disk("state/clips"))


WAITS: tuple[Waits, ...] = (
    Waits(
        name="clips-full",
        wrong="the disk is full, and clips shall be kept on it",
        make=no_room,
        says="clips cannot be written: no space left on device",
        status="clips    no space left on device: 0 kept",
        mend=lambda scene: (scene.folder / "state" / "clips" / "filler").unlink(),
        then="clips are kept again in",
    ),
)
