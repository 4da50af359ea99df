"""`edged deploy`: a board gets another model, compiled for it here; a Zephyr board, another firmware."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from edged.classify.archive import read_file
from edged.commands.board_info import board_of
from edged.compiler.blob import SUFFIX, read_plan
from edged.compiler.compiled import compile_model, read_source
from edged.config import control_socket
from edged.control.send import sent
from edged.errors import ModelError, Unavailable, UserError
from edged.mcu.image import MAGIC, read_image
from edged.progress import progress
from edged.workshop.holding import check_held

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from edged.progress import Bar

MOST_BYTES: Final = 16 * 1024 * 1024
UNITS: Final = {"uploading": (1024, "kB"), "watching": (1, "s"), "booting": (1, "s")}
"""Of the bars: what one of them counts is divided by, and its name."""


def run(arguments: argparse.Namespace) -> int:
    """Compile it, see that the board can hold it, have the daemon deploy it, and say what came of it."""
    socket = control_socket(arguments.config)
    board = board_of(socket, arguments.board)
    if board["state"] != "up":
        why = f": {board['why']}" if board["why"] else ""
        raise Unavailable(f"{board['name']} is {board['state']}{why}; see `edged board info {board['name']}`")
    image = _is_image(arguments.model)
    data = _image(arguments.model) if image else _plan(arguments.model, board)
    what = "image" if image else "model"
    items = sent(socket, "deploy", [data], board=board["name"], what=what, trial_s=arguments.trial)
    with contextlib.closing(items), _named(arguments.model):
        told = _watched(items)
    if arguments.json:
        print(json.dumps({"board": board["name"], "what": what} | told))
    else:
        print("\n".join(_image_in_words(board, told) if image else _model_in_words(board, told)))
    return 0


# What goes there.


def _is_image(path: Path) -> bool:
    """Whether it begins as a firmware image does."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # whoever reads it says why


def _image(path: Path) -> bytes:
    data = read_file(path, limit=MOST_BYTES)
    with _named(path):
        read_image(data)
    return data


def _plan(path: Path, board: dict[str, Any]) -> bytes:
    """Compile it, unless it is a plan; refuse what the board cannot run."""
    if path.suffix == SUFFIX:
        data = read_file(path, limit=MOST_BYTES)
        with _named(path):
            plan = read_plan(data)
        only = "" if plan.front_end is not None else "it was compiled so"
    else:
        compiled = compile_model(read_source(path))
        plan, data, only = compiled.plan, compiled.data, compiled.network_only
    if only:
        way_out = "Deploy a bundle whose front end boards have: the micro front end"
        raise ModelError(f"a board could not hear by it: {only}", file=path, way_out=way_out)
    kind = (board["identity"] or {}).get("board") or ""  # one that boards.toml does not know says itself what fits
    check_held(kind, model=path, plan_bytes=len(data), arena_bytes=plan.network.arena_bytes, known_only=False)
    return data


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let what is wrong with the file name it."""
    try:
        yield
    except UserError as wrong:
        if wrong.file is not None or wrong.key is not None:
            raise
        raise ModelError(wrong.what, file=path, way_out=wrong.way_out) from None


# How it goes.


def _watched(items: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Show each stage by a bar of its own; the result."""
    result: dict[str, Any] | None = None
    doing = ""
    with contextlib.ExitStack() as shown:
        bar: Bar | None = None
        for item in items:
            result = item.get("result", result)
            if "doing" not in item:
                continue
            per, unit = UNITS.get(item["doing"], (1, ""))
            if item["doing"] != doing:
                shown.close()
                doing = item["doing"]
                bar = shown.enter_context(progress(doing, item["total"] / per, unit=unit))
            if bar is not None:
                bar(item["done"] / per, item["total"] / per)
    if result is None:
        raise Unavailable("the daemon ended the deployment without a word")
    return result


def _model_in_words(board: dict[str, Any], told: dict[str, Any]) -> list[str]:
    name = f"{board['name']}: {told['name']}"
    if told["already"]:
        return [f"{name} runs there already, in slot {told['slot']}"]
    resumed = f"; went on at {told['resumed_at']:,}, where it broke off" if told["resumed_at"] else ""
    lines = [f"{name} runs, and stays: slot {told['slot']}, {told['sent_bytes']:,} bytes sent{resumed}"]
    if told["microphone"]:
        heard = f"{told['inferences']} inferences in {told['watched_s']:.0f} s, {told['missed_s']:.1f} s missed"
        return [*lines, f"in its trial: {heard}; its golden windows give the gateway's outputs"]
    return [*lines, "the board has no microphone: it was judged by its golden windows and by being alive"]


def _image_in_words(board: dict[str, Any], told: dict[str, Any]) -> list[str]:
    if told["already"]:
        return [f"{board['name']}: {told['version']} runs there already"]
    resumed = f"; went on at {told['resumed_at']:,}, where it broke off" if told["resumed_at"] else ""
    return [
        f"{board['name']}: {told['version']} runs, and stays: {told['sent_bytes']:,} bytes sent{resumed}",
        f"it answered {told['boot_s']:.1f} s after the reset",
    ]
