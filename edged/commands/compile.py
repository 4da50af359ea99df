"""`edged compile`: a model becomes a plan, which boards run; `--explain` shows what is in one."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edged.classify.archive import read_file
from edged.compiler.blob import SUFFIX, read_plan
from edged.compiler.compiled import compile_model, read_source
from edged.compiler.explain import picture, rows_of, work_of
from edged.errors import ConfigError, ModelError
from edged.workshop.holding import check_held

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edged.compiler.blob import Plan

_NUMBERS: Final = (0, 5, 6)
"""Columns of the table of records that hold numbers."""
MAX_PLAN_BYTES: Final = 64 * 1024 * 1024


def run(arguments: argparse.Namespace) -> int:
    """Compile it, or read it; see that the board can hold it; then write it, and tell."""
    if arguments.out is not None:
        _check_out(arguments.out)
    if arguments.model.suffix == SUFFIX:
        plan, data = _read(arguments.model)
        operators: Sequence[str] = ()
        only = "" if plan.front_end is not None else "it was compiled so"
    else:
        compiled = compile_model(read_source(arguments.model), library=arguments.library)
        plan, data, only = compiled.plan, compiled.data, compiled.network_only
        operators = [f"{each.operator.at} {each.operator.name}" for each in compiled.program.run]
    if arguments.board is not None:
        check_held(
            arguments.board,
            boards=arguments.boards,
            model=arguments.model,
            plan_bytes=len(data),
            arena_bytes=plan.network.arena_bytes,
        )
    if arguments.out is not None:
        _write(arguments.out, data)
    told = _told(arguments, plan, data) | {"network_only": only or None, "board": arguments.board}
    rows = rows_of(plan.network, operators=operators)
    if arguments.json:
        print(json.dumps(told | {"records": rows}, indent=2))
        return 0
    print("\n".join(_in_words(told)))
    if arguments.explain:
        print("\n".join(["", *_table(rows), "", *picture(plan.network, labels=[_label(row) for row in rows])]))
    return 0


def _read(path: Path) -> tuple[Plan, bytes]:
    data = read_file(path, limit=MAX_PLAN_BYTES)
    try:
        return read_plan(data), data
    except ModelError as wrong:
        raise ModelError(wrong.what, file=path, way_out=wrong.way_out) from None


def _check_out(path: Path) -> None:
    """Refuse what is no place for a plan, before any work is done for it."""
    if path.suffix != SUFFIX or path.is_dir():
        raise ConfigError("is no name for a plan", key="--out", value=str(path), way_out=f"Name a file: NAME{SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise ConfigError("its folder is not there", key="--out", value=str(path), way_out=f"Make {path.parent} first")


def _write(path: Path, data: bytes) -> None:
    """Write the plan, whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        what = f"cannot be written: {(error.strerror or str(error)).lower()}"
        way_out = "Make room, or name another place"
        raise ConfigError(what, key="--out", value=str(path), way_out=way_out) from None


# For machines.


def _told(arguments: argparse.Namespace, plan: Plan, data: bytes) -> dict[str, Any]:
    network = plan.network
    return {
        "file": str(arguments.model),
        "out": None if arguments.out is None else str(arguments.out),
        **asdict(plan.names),
        "plan_bytes": len(data),
        "constants_bytes": len(network.constants),
        "arena_bytes": network.arena_bytes,
        "state_bytes": network.state_bytes,
        "macs": work_of(network),
        "input": asdict(network.input),
        "output": asdict(network.output),
        "front_end": None if plan.front_end is None else asdict(plan.front_end),
        "decisions": None if plan.decisions is None else asdict(plan.decisions),
        "golden": {"seed": plan.golden.seed, "windows": len(plan.golden.outputs)},
    }


# For people.


def _in_words(told: dict[str, Any]) -> list[str]:
    state = f", {told['state_bytes']:,} of it state" if told["state_bytes"] else ""
    front_end, takes, gives = told["front_end"], told["input"], told["output"]
    hears = f"the network only: {told['network_only']}"
    if front_end is not None:
        frames, hop, every = (front_end[key] for key in ("window_frames", "hop_frames", "every"))
        kept = f", of which each {every}th is kept" if every > 1 else ""
        hears = f"{frames} frames of the micro front end{kept}, anew after {hop}; decides about "
        hears += f"{len(told['decisions']['watched'])} of {len(told['labels'])} labels"
    rows = [
        ["model", f"{told['name']} {told['version']}".rstrip() + f", sha256 {told['sha256'][:16]}…"],
        ["plan", f"{told['plan_bytes']:,} bytes" + (f", in {told['out']}" if told["out"] else "")],
        ["constants in it", f"{told['constants_bytes']:,} bytes"],
        ["arena", f"{told['arena_bytes']:,} bytes{state}"],
        ["MACs a run", f"{told['macs']:,}"],
        ["takes", f"{takes['bytes']:,} {takes['dtype']}, scale {takes['scale']:.6g} around {takes['zero']}"],
        ["gives", f"{gives['bytes']:,} {gives['dtype']}, scale {gives['scale']:.6g} around {gives['zero']}"],
        ["hears", hears],
        ["golden", f"{told['golden']['windows']} windows of seed {told['golden']['seed']:#010x}"],
    ]
    return _aligned(rows + ([["board", f"{told['board']} holds it"]] if told["board"] else []))


def _table(rows: list[dict[str, Any]]) -> list[str]:
    head = ["", "record", "of", "takes", "gives", "MACs", "constants", "from", "to"]
    lines = [
        [
            *(str(row["record"]), row["kind"], row["operator"] or "", row["input"], row["output"]),
            *(f"{row['macs']:,}", f"{row['constants_bytes']:,}", " + ".join(row["from"]), row["to"]),
        ]
        for row in rows
    ]
    return _aligned([head, *lines], right=_NUMBERS)


def _label(row: dict[str, Any]) -> str:
    return f"{row['record']:>3} {row['kind']}"


def _aligned(rows: list[list[str]], *, right: tuple[int, ...] = ()) -> list[str]:
    """Columns side by side; those numbered in `right` end where the others begin."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
