"""Evaluating and calibrating: truth files, datasets and wishes that do not fit the model or one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bad_input.case import Make, Refused, steps

if TYPE_CHECKING:
    from bad_input.scene import Scene

HEAD = "path,label,source,group,licence"
STREAM = "edged evaluate okay_nabu.json --stream sample.wav --truth truth.csv"
CLIPS = "edged evaluate okay_nabu.json --clips set"
CALIBRATE = "edged calibrate okay_nabu.json --audio sample.wav --alarms-per-day "


def model(scene: Scene) -> None:
    scene.wake_word()
    scene.words()


def truth(*lines: str, head: str = "label,start_s,end_s") -> Make:
    return steps(model, lambda scene: scene.write("truth.csv", "\n".join([head, *lines, ""])))


def dataset(*groups: str, suffix: str = "wav", name: str = "set", loud: bool = True) -> Make:
    """Make a dataset of one clip for each group."""

    def make(scene: Scene) -> None:
        model(scene)
        rows = [f"{at}.{suffix},okay_nabu,here,{group},CC0-1.0" for at, group in enumerate(groups)]
        scene.write(f"{name}/manifest.csv", "\n".join([HEAD, *rows, ""]))
        for at in range(len(groups)):
            if suffix == "wav":
                scene.wav(f"{name}/{at}.wav", None if loud else np.zeros(8000, np.int16))
            else:
                scene.write(f"{name}/{at}.{suffix}", "accX,accY,accZ\n0.1,0.2,9.8\n")

    return make


def split(*roles: str) -> Make:
    """Say who trained and who tests: ann, with each of these roles."""
    rows = [f"{at}.wav,okay_nabu,here,ann,CC0-1.0,{role}" for at, role in enumerate(roles)]
    return lambda scene: scene.write("work/split.csv", "\n".join([HEAD + ",role", *rows, ""]))


def not_a_wav(scene: Scene) -> None:
    model(scene)
    scene.write("sample.wav", b"this is no recording")
    scene.write("truth.csv", "label,start_s,end_s\n")


def refused(name: str, wrong: str, make: Make, typed: str, **answer: str) -> Refused:
    return Refused(name=f"evaluate-{name}", wrong=wrong, make=make, typed=typed, **answer)  # type: ignore[arg-type]


CASES: tuple[Refused, ...] = (
    refused(
        "truth-column",
        "a truth file without a column",
        truth("okay_nabu,1,2", head="label,from,to"),
        STREAM,
        file="truth.csv",
        key="start_s",
        what="the column is missing",
        way_out="Let its first line be label,start_s,end_s,said",
    ),
    refused(
        "truth-time",
        "a truth file with a time that is none",
        truth("okay_nabu,one,2"),
        STREAM,
        file="truth.csv:2",
        key="start_s",
        value="'one'",
        what="is no time",
        way_out="Write seconds from the recording's beginning",
    ),
    refused(
        "truth-backwards",
        "a truth file with an event that ends before it begins",
        truth("okay_nabu,2,1"),
        STREAM,
        file="truth.csv:2",
        key="end_s",
        value="1.0",
        what="is before its beginning",
        way_out="Give an end at or after start_s = 2",
    ),
    refused(
        "truth-late",
        "a truth file with an event after the recording's end",
        truth("okay_nabu,100,101"),
        STREAM,
        file="truth.csv:2",
        key="start_s",
        value="100.0",
        what="is past the end of the recording",
        way_out="See that it is of this recording",
    ),
    refused(
        "truth-label",
        "a truth file with a label that the model does not have",
        truth("okay_nabo,1,2"),
        STREAM,
        file="truth.csv:2",
        key="label",
        value="'okay_nabo'",
        what="is no label of the model",
        way_out="(did you mean `okay_nabu`?); for anything else write _unknown_",
    ),
    refused(
        "truth-missing",
        "a truth file that is not there",
        model,
        STREAM,
        file="truth.csv",
        what="there is no such file",
        way_out="Name the CSV that says what sounds when",
    ),
    refused(
        "truth-forgotten",
        "a recording without a truth file",
        model,
        "edged evaluate okay_nabu.json --stream sample.wav",
        key="--truth",
        what="there are 1 recordings and 0 truth files",
        way_out="Give one --truth for each --stream",
    ),
    refused(
        "not-a-wav",
        "a stream from a WAV that is none",
        not_a_wav,
        STREAM,
        file="sample.wav",
        what="this is not a recording that can be read",
        way_out="Give a WAV, FLAC or OGG file",
    ),
    refused(
        "sensor-stream",
        "sensor data for a model that hears",
        steps(truth(), lambda scene: scene.write("accel.csv", "accX\n0.1\n")),
        "edged evaluate okay_nabu.json --stream accel.csv --truth truth.csv",
        file="accel.csv",
        what="is sensor data, or a table of numbers; this model hears sound",
        way_out="Give recordings",
    ),
    refused(
        "sensor-clips",
        "a dataset of sensor data for a model that hears",
        dataset("ann", suffix="csv"),
        CLIPS,
        file="set/0.csv",
        what="is sensor data, or a table of numbers; this model hears sound",
        way_out="Give recordings",
    ),
    refused(
        "empty-dataset",
        "a dataset without a clip",
        dataset(),
        CLIPS,
        file="set/manifest.csv",
        what="it lists no clip",
        way_out="Add some with `edged collect`",
    ),
    refused(
        "straddling",
        "test speakers that are in training",
        steps(dataset("ann", "ann"), split("train", "test")),
        f"{CLIPS} --split work/split.csv",
        file="work/split.csv",
        key="group",
        value="'ann'",
        what="of here is in train and in test: the model knows this voice or room already",
        way_out="Train anew with each group in one part only",
    ),
    refused(
        "nobody-left",
        "a dataset of which everybody was in training",
        steps(dataset("ann"), split("train")),
        f"{CLIPS} --split work/split.csv",
        file="work/split.csv",
        key="--role",
        value="'test'",
        what="none of the clips is of that part",
        way_out="Name the datasets that were trained on",
    ),
    refused(
        "no-noise",
        "a ratio to noise without noise",
        dataset("ann"),
        f"{CLIPS} --snr 10",
        key="--snr",
        value="10.0",
        what="a ratio needs noise",
        way_out="Add --noise DATASET",
    ),
    refused(
        "silent-noise",
        "noise in which there is no sound",
        steps(dataset("x", name="hum", loud=False), dataset("ann")),
        f"{CLIPS} --snr 10 --noise hum --jobs 1",
        file="hum",
        key="--noise",
        what="there is no sound in any of its clips",
        way_out="Name a dataset with noise in it",
    ),
    refused(
        "nothing",
        "nothing to hear",
        model,
        "edged evaluate okay_nabu.json",
        what="there is nothing to hear",
        way_out="Add --clips, --stream-from, or --stream with --truth",
    ),
    refused(
        "no-model",
        "no model",
        model,
        "edged evaluate --clips set",
        key="MODEL",
        what="is missing",
        way_out="Name a bundle, .json, .tflite or .eim, or use --merge",
    ),
    refused(
        "merge-other",
        "adding up what is no evaluation",
        lambda scene: scene.write("a.json", "{}"),
        "edged evaluate --merge a.json",
        file="a.json",
        key="edged_evaluation",
        what="is no evaluation of this version",
        way_out="Name a file that holds what `edged evaluate --json` printed",
    ),
    refused(
        "report-nowhere",
        "a report into a folder that is not there",
        truth("okay_nabu,1,2"),
        f"{STREAM} --report no/report.html",
        file="no/report.html",
        what="cannot be written: no such file or directory",
        way_out="Name a file in a folder you own",
    ),
    refused(
        "rate-negative",
        "a negative rate of alarms",
        model,
        f"{CALIBRATE}-1",
        key="--alarms-per-day",
        value="-1.0",
        what="is no rate",
        way_out="Give a number above 0",
    ),
    refused(
        "calibrate-label",
        "calibrating a label that the model does not have",
        model,
        f"{CALIBRATE}1 --label hey",
        key="--label",
        value="'hey'",
        what="is no label that the model reports",
        way_out="It reports okay_nabu",
    ),
    refused(
        "calibrate-sensor",
        "calibrating on sensor data",
        steps(model, lambda scene: scene.write("accel.csv", "accX\n0.1\n")),
        "edged calibrate okay_nabu.json --audio accel.csv --alarms-per-day 1",
        file="accel.csv",
        what="is sensor data, or a table of numbers; this model hears sound",
        way_out="Give recordings",
    ),
    refused(
        "few-groups",
        "three clips when five folds are asked",
        dataset("ann", "ben", "cat"),
        "edged calibrate okay_nabu.json --room set --folds 5 --alarms-per-day 1",
        key="folds",
        value="5",
        what="there are 3 groups to deal out",
        way_out="Ask for fewer folds, or record more speakers or sessions",
    ),
)
