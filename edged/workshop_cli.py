"""The workshop's part of the command line; like `cli`, it only parses."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the workshop's commands, in the order in which they are typed."""
    _collect(commands)
    _train(commands)
    _teach(commands)
    _optimise(commands)
    _compile(commands)
    _evaluate(commands)
    _calibrate(commands)


def _collect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    collect = commands.add_parser("collect", help="make a dataset: record takes, or cut up recordings you have")
    collect.add_argument("dataset", type=Path, metavar="DATASET", help="the folder to make or to add to")
    where = collect.add_mutually_exclusive_group()
    where.add_argument(
        "--from", dest="recordings", type=Path, metavar="FOLDER", help="WAV and FLAC files, or a dataset"
    )
    where.add_argument("--source", metavar="NAME", help="listen along with the running daemon at this source")
    where.add_argument("--device", help="a microphone, as `edged devices` prints it (default: default)")
    collect.add_argument("--label", metavar="WORD", help="what it is; with --from, default: the manifest or the folder")
    collect.add_argument(
        "--group", metavar="SPEAKER", help="who or what is recorded; never in training and in the test"
    )
    collect.add_argument("--licence", metavar="TEXT", help="what one may do with it: CC0-1.0, private, …")
    collect.add_argument("--origin", metavar="TEXT", help="where it comes from; groups are told apart within it")
    collect.add_argument("--count", type=_count, default=12, metavar="N", help="takes to record (default: 12)")
    collect.add_argument("--length", type=_count, default=2000, metavar="MS", help="longest take (default: 2000)")
    collect.add_argument("--steady", action="store_true", help="sound that is always there: no waiting, no cutting")
    default = os.environ.get("EDGED_CONFIG", "/etc/edged/edged.toml")
    collect.add_argument("--config", type=Path, default=Path(default), metavar="FILE", help=f"default: {default}")
    collect.add_argument("--json", action="store_true", help="print JSON, for machines")
    collect.set_defaults(command="collect")


def _train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train a model on datasets")
    train.add_argument("datasets", nargs="+", type=Path, metavar="DATASET", help="a folder with a manifest.csv")
    train.add_argument("--out", type=Path, required=True, metavar="WORK", help="the folder to train in; goes on there")
    train.add_argument("--recipe", type=Path, metavar="FILE", help="a TOML file: docs/TRAIN.md")
    train.add_argument("--kind", choices=["window", "streaming"], help="without a recipe: what to train (window)")
    train.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's")
    train.add_argument("--steps", type=int, metavar="N", help="instead of the recipe's")
    parts = train.add_mutually_exclusive_group()
    parts.add_argument("--fold", metavar="K/N", help="hold back part K of N of the groups, and test on it")
    parts.add_argument("--split", type=Path, metavar="FILE", help="a split.csv that says who trains and who tests")
    train.add_argument("--embedding", type=Path, metavar="FILE", help="only a linear head on this .tflite's embedding")
    train.add_argument("--json", action="store_true", help="print a JSON object")
    train.set_defaults(command="train")


def _teach(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    teach = commands.add_parser("teach", help="a dozen clips of each sound make a detector in seconds")
    teach.add_argument("datasets", nargs="+", type=Path, metavar="DATASET", help="a folder with a manifest.csv")
    teach.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the .edged file to write")
    teach.add_argument(
        "--negatives", type=Path, action="append", default=[], metavar="DATASET", help="what it must not report, too"
    )
    teach.add_argument("--embedding", type=Path, metavar="BUNDLE", help="instead of the one that comes with edged")
    teach.add_argument("--seed", type=int, default=0, metavar="N", help="of the altered clips (default: 0)")
    teach.add_argument("--json", action="store_true", help="print a JSON object")
    teach.set_defaults(command="teach")


def _optimise(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    optimise = commands.add_parser(
        "optimise", help="make a trained model int8, and say what it costs and where it fits"
    )
    optimise.add_argument("trained", type=Path, metavar="WORK", help="what `edged train` made, or a model to look at")
    optimise.add_argument("--out", type=Path, metavar="BUNDLE", help="the .edged file to write")
    optimise.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DATASET", help="where a dataset of WORK is now"
    )
    optimise.add_argument("--boards", type=Path, metavar="FILE", help="another boards.toml than the one edged has")
    optimise.add_argument("--json", action="store_true", help="print JSON, for machines")
    optimise.set_defaults(command="optimise")


def _compile(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compile_ = commands.add_parser("compile", help="make a plan of a model, which boards run")
    compile_.add_argument("model", type=Path, metavar="MODEL", help="a bundle, .json, .tflite, or a .plan to explain")
    compile_.add_argument("--out", type=Path, metavar="FILE", help="the .plan file to write")
    compile_.add_argument("--explain", action="store_true", help="print every record, and a map of the arena")
    compile_.add_argument("--board", metavar="NAME", help="refuse what this board of boards.toml cannot hold")
    compile_.add_argument("--boards", type=Path, metavar="FILE", help="another boards.toml than the one edged has")
    compile_.add_argument(
        "--library",
        choices=["tflite-runtime", "litert"],
        help="whose reference kernels to equal (default: edged's)",
    )
    compile_.add_argument("--json", action="store_true", help="print JSON, for machines")
    compile_.set_defaults(command="compile")


def _evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser("evaluate", help="how good a model is, on clips and on continuous sound")
    evaluate.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="a bundle, .json, .tflite or .eim")
    evaluate.add_argument("--clips", nargs="+", type=Path, default=[], metavar="DATASET", help="hear each clip alone")
    evaluate.add_argument(
        "--stream-from", nargs="+", type=Path, default=[], metavar="DATASET", help="weave the clips into streams"
    )
    evaluate.add_argument(
        "--stream", action="append", type=Path, default=[], metavar="FILE", help="a recording; its truth follows it"
    )
    evaluate.add_argument(
        "--truth", action="append", type=Path, default=[], metavar="CSV", help="label,start_s,end_s[,said]"
    )
    evaluate.add_argument("--split", type=Path, metavar="CSV", help="hear only whom this split.csv of a training names")
    evaluate.add_argument(
        "--role", choices=["train", "validation", "test"], default="test", help="of the split (default: test)"
    )
    evaluate.add_argument(
        "--snr", action="append", type=float, default=[], metavar="DB", help="again, in noise at this ratio"
    )
    evaluate.add_argument("--noise", nargs="+", type=Path, default=[], metavar="DATASET", help="where noise is drawn")
    evaluate.add_argument("--seed", type=int, default=0, help="of the order, the gaps and the noise (default: 0)")
    evaluate.add_argument(
        "--tolerance", type=float, default=0.75, metavar="S", help="so late an event may be told (default: 0.75)"
    )
    evaluate.add_argument("--jobs", type=int, metavar="N", help="processes side by side (default: one a core)")
    evaluate.add_argument(
        "--merge", nargs="+", type=Path, default=[], metavar="JSON", help="add up what --json printed"
    )
    evaluate.add_argument("--report", type=Path, metavar="HTML", help="write a page with the pictures")
    evaluate.add_argument("--json", action="store_true", help="print JSON, for machines and for --merge")
    evaluate.set_defaults(command="evaluate")


def _calibrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    calibrate = commands.add_parser("calibrate", help="a threshold for this room, from its own ordinary sound")
    calibrate.add_argument("model", type=Path, metavar="MODEL", help="a bundle, .json, .tflite or .eim")
    room = calibrate.add_mutually_exclusive_group(required=True)
    room.add_argument("--audio", nargs="+", type=Path, default=[], metavar="FILE", help="recordings of the room")
    room.add_argument("--room", nargs="+", type=Path, default=[], metavar="DATASET", help="the room as a dataset")
    room.add_argument("--source", metavar="NAME", help="listen along with the running daemon at this source")
    calibrate.add_argument("--minutes", type=float, default=60.0, metavar="N", help="so long (default: 60)")
    calibrate.add_argument(
        "--alarms-per-day", type=float, required=True, metavar="N", help="as many false alarms at most"
    )
    calibrate.add_argument("--label", action="append", default=[], metavar="LABEL", help="these only (default: all)")
    calibrate.add_argument(
        "--clips", nargs="+", type=Path, default=[], metavar="DATASET", help="say what recall it costs on these"
    )
    calibrate.add_argument(
        "--folds", type=int, metavar="K", help="of --room, by group: calibrate on the others, count the alarms in one"
    )
    calibrate.add_argument("--jobs", type=int, metavar="N", help="processes side by side (default: one a core)")
    calibrate.add_argument("--write", type=Path, metavar="FILE", help="write the lines for the config")
    default = os.environ.get("EDGED_CONFIG", "/etc/edged/edged.toml")
    calibrate.add_argument("--config", type=Path, default=Path(default), metavar="FILE", help=f"default: {default}")
    calibrate.add_argument("--json", action="store_true", help="print JSON, for machines")
    calibrate.set_defaults(command="calibrate")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no such number; write a whole one from 1 on")
    return int(text)
