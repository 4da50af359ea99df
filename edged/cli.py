"""The command line: it only parses and calls.

Exit codes: 0 done, 1 it failed or is not there now, 2 the user must mend it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edged import __version__, board_cli, workshop_cli
from edged.errors import EdgedError, Mistakes, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_CONFIG = "/etc/edged/edged.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        command = importlib.import_module(f"edged.commands.{arguments.command}")
        return int(command.run(arguments))
    except EdgedError as error:
        _complain(error, as_json=getattr(arguments, "json", False))
        return 2 if isinstance(error, UserError) else 1
    except BrokenPipeError:  # the reader of our output has gone: `edged replay … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _complain(error: EdgedError, *, as_json: bool) -> None:
    if not as_json:
        print(f"edged: {error}", file=sys.stderr)
        return
    told: dict[str, object] = {"error": str(error)}
    if isinstance(error, UserError):
        told = _told(error)
    if isinstance(error, Mistakes) and len(error.mistakes) > 1:
        told["mistakes"] = [_told(mistake) for mistake in error.mistakes]
    print(json.dumps(told), file=sys.stderr)


def _told(error: UserError) -> dict[str, object]:
    value = None if error.value is None else str(error.value)
    return {"error": error.what, "file": error.file, "key": error.key, "value": value, "way_out": error.way_out}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edged", description="Tell an MQTT broker what a room sounds like; no cloud, ever.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"edged {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="listen, classify, publish: the daemon")
    _takes_config(run)
    run.set_defaults(command="daemon")

    demo = commands.add_parser("demo", help="a private broker, the daemon on a sample, and what a subscriber gets")
    demo.add_argument("--keep", type=Path, metavar="DIR", help="leave config, sample and state in this folder")
    with_board = "instead, a board of its own that hears it, and is given a model before"
    demo.add_argument("--board", dest="command", action="store_const", const="demo_board", help=with_board)
    demo.set_defaults(command="demo")

    check = commands.add_parser("check", help="read the config and say what would run, without running it")
    _takes_config(check)
    _takes_json(check)
    check.set_defaults(command="check")

    schema = commands.add_parser("schema", help="print the JSON Schema of the config file, or of the messages")
    schema.add_argument("what", nargs="?", choices=["config", "messages"], default="config", help="default: config")
    schema.set_defaults(command="schema")

    devices = commands.add_parser("devices", help="list microphones, each with the string to paste into the config")
    _takes_json(devices)
    devices.set_defaults(command="devices")

    record = commands.add_parser("record", help="record a WAV file")
    record.add_argument("file", type=Path, metavar="FILE", help="the WAV file to write: 16 kHz, mono, 16 bits")
    record.add_argument("--length", type=_milliseconds, default=2000, metavar="MS", help="milliseconds (default: 2000)")
    heard = record.add_mutually_exclusive_group()
    heard.add_argument("--device", default="default", help="as `edged devices` prints it (default: default)")
    heard.add_argument("--source", metavar="NAME", help="listen along with the running daemon at this source")
    _takes_config(record)
    record.set_defaults(command="record")

    classify = commands.add_parser("classify", help="say what a recording sounds like")
    classify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording: WAV, FLAC or OGG")
    _takes_model(classify, "the first model of this config")
    _takes_json(classify)
    classify.set_defaults(command="classify")

    replay = commands.add_parser("replay", help="put recordings through the daemon's road at full speed")
    replay.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording: WAV, FLAC or OGG")
    _takes_model(replay, "every model of this config, as it would run")
    _takes_json(replay)
    replay.set_defaults(command="replay")

    _add_control(commands)
    board_cli.add(commands)
    workshop_cli.add(commands)
    return parser


def _add_control(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that speak to the running daemon."""
    status = commands.add_parser("status", help="ask the running daemon how it is")
    _takes_config(status)
    _takes_json(status)
    status.set_defaults(command="status")

    reload_ = commands.add_parser("reload", help="have the running daemon read its config again")
    _takes_config(reload_)
    reload_.set_defaults(command="reload")

    _add_models(commands)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what can be done with models, those of the running daemon and others."""
    models = commands.add_parser("model", help="look at models, and give the running daemon another")
    model = models.add_subparsers(metavar="VERB", required=True)

    list_ = model.add_parser("list", help="the models that run; where no daemon does, those of the config and built in")
    _takes_config(list_)
    _takes_json(list_)
    list_.set_defaults(command="model_list")

    for verb, purpose in (
        ("info", "everything that a model says of itself"),
        ("verify", "whether a model is whole, and answers here as it did where it was made"),
    ):
        about = model.add_parser(verb, help=purpose)
        about.add_argument("model", type=Path, metavar="MODEL", help="a bundle, .json or .eim")
        _takes_json(about)
        about.set_defaults(command=f"model_{verb}")

    install = model.add_parser("install", help="give a model of the running daemon another file, losing no window")
    install.add_argument("name", help="the model's name in the config")
    install.add_argument("path", type=Path, help="a bundle, .json, .tflite or .eim")
    _takes_config(install)
    install.set_defaults(command="install")


def _takes_config(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("EDGED_CONFIG", DEFAULT_CONFIG)
    parser.add_argument("--config", type=Path, default=Path(default), metavar="FILE", help=f"default: {default}")


def _takes_model(parser: argparse.ArgumentParser, of_config: str) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", type=Path, metavar="PATH", help="a bundle, .json or .eim; default: wake-en")
    which.add_argument("--config", type=Path, metavar="FILE", help=of_config)


def _takes_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")


def _milliseconds(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no length; write whole milliseconds, such as 2000")
    return int(text)
