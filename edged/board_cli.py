"""The boards' part of the command line; like `cli`, it only parses."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what can be done with boards, by the running daemon."""
    deploy = commands.add_parser("deploy", help="give a board another model, or a Zephyr board another firmware")
    deploy.add_argument("model", type=Path, metavar="MODEL", help="a bundle, .json, .plan, or a signed Zephyr image")
    deploy.add_argument("--board", required=True, metavar="NAME", help="as `edged board list` prints it")
    deploy.add_argument("--trial", type=_seconds, default=15.0, metavar="S", help="watch it so long (default: 15)")
    _takes_config(deploy)
    _takes_json(deploy)
    deploy.set_defaults(command="deploy")

    boards = commands.add_parser("board", help="look at microcontrollers, test them, and record what they hear")
    board = boards.add_subparsers(metavar="VERB", required=True)
    list_ = board.add_parser("list", help="all boards; where no daemon runs, the ports and what to paste for them")
    _takes_config(list_)
    _takes_json(list_)
    list_.set_defaults(command="board_list")
    for verb, purpose in (
        ("info", "everything that a board says of itself, and the models it holds"),
        ("reset", "have a board begin anew"),
    ):
        about = board.add_parser(verb, help=purpose)
        about.add_argument("name", metavar="NAME", help="as `edged board list` prints it")
        _takes_config(about)
        _takes_json(about)
        about.set_defaults(command=f"board_{verb}")
    log = board.add_parser("log", help="what a board has printed, and then what it prints; Ctrl-C ends it")
    log.add_argument("name", metavar="NAME", help="as `edged board list` prints it")
    _takes_config(log)
    _takes_json(log)
    log.set_defaults(command="board_log")
    _add_test(board)
    _add_record(board)


def _add_test(board: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    test = board.add_parser("test", help="have a board hear recordings, and compare it with the gateway")
    test.add_argument("name", metavar="NAME", help="as `edged board list` prints it")
    test.add_argument("files", nargs="+", type=Path, metavar="WAV", help="a recording: WAV, FLAC or OGG")
    test.add_argument("--model", type=Path, required=True, metavar="MODEL", help="the model that the board runs")
    _takes_config(test)
    _takes_json(test)
    test.set_defaults(command="board_test")


def _add_record(board: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    record = board.add_parser("record", help="clips of what a board hears, or a CSV of a sketch's axes")
    record.add_argument("name", metavar="NAME", help="as `edged board list` prints it")
    record.add_argument("--length", type=_seconds, default=10.0, metavar="S", help="seconds (default: 10)")
    record.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the dataset to add to; of a CSV, a folder"
    )
    record.add_argument("--label", required=True, metavar="WORD", help="what it is; beginning with _, background")
    record.add_argument("--group", metavar="SPEAKER", help="who or what is recorded (default: the board's name)")
    record.add_argument(
        "--licence", default="private", metavar="TEXT", help="what one may do with it (default: private)"
    )
    record.add_argument("--axes", metavar="A,B,…", help="of a sketch: the names of its columns (default: axis1, …)")
    record.add_argument("--rate", type=float, metavar="HZ", help="of a sketch: its rate (default: measured)")
    record.add_argument("--ask", action="store_true", help="of a sketch: have it begin, as the data forwarder does")
    _takes_config(record)
    _takes_json(record)
    record.set_defaults(command="board_record")


def _takes_config(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("EDGED_CONFIG", "/etc/edged/edged.toml")
    parser.add_argument("--config", type=Path, default=Path(default), metavar="FILE", help=f"default: {default}")


def _takes_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:  # noqa: PLR2004 - a day
        raise argparse.ArgumentTypeError(f"{text!r} is no length; write seconds, such as 10")
    return seconds
