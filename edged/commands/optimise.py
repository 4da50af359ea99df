"""`edged optimise`: a trained model in 8 bits, what it costs, and which boards can hold it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edged.classify.archive import read_file
from edged.classify.bundle import open_bundle
from edged.classify.flatbuffer import MAX_MODEL_BYTES, Damaged
from edged.compiler.compiled import Source, compile_model
from edged.compiler.hearing import why_not
from edged.errors import ConfigError, ModelError
from edged.progress import progress
from edged.workshop.boards import boards_file, read_boards, verdicts
from edged.workshop.cost import as_compiled, cost_of
from edged.workshop.optimise import is_trained, optimise, read_trained
from edged.workshop.speed import Speed, speed_of

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.workshop.boards import Boards, Verdict
    from edged.workshop.cost import Cost
    from edged.workshop.optimise import Comparison


@dataclass(frozen=True, slots=True)
class Looked:
    """A model, and what it costs."""

    path: Path
    bundle: Bundle | None
    """None of a bare `.tflite`: nothing says how often it is asked."""
    cost: Cost
    speed: Speed | str
    why_estimated: ModelError | None = None
    """Why there is no plan of it; None where `cost` has the plan's figures."""

    @property
    def hop_s(self) -> float | None:
        """From one call to the next, in seconds of sound."""
        return None if self.bundle is None else self.bundle.hop_frames * self.bundle.step_ms / 1000


def run(arguments: argparse.Namespace) -> int:
    """Tell what a model costs; of a training, make the model first, and compare it."""
    file = arguments.boards or boards_file()
    boards = None if file is None else read_boards(file)
    given, comparison = None, None
    if is_trained(arguments.trained):
        if arguments.out is None:
            way_out = "Say where the bundle shall be: --out NAME.edged"
            raise ConfigError("is missing", key="--out", way_out=way_out)
        trained = read_trained(arguments.trained, datasets=arguments.data)
        with progress("comparing", len(trained.clips), unit="clips") as bar:
            made, comparison = optimise(trained, arguments.out, advanced=bar)
        given, found = _of_bundle(trained.bundle), _of_bundle(made)
    else:
        _only_of_training(arguments)
        found = _look(arguments.trained)
    judged = [] if boards is None else verdicts(found.cost, boards, besides=_besides(found))
    if arguments.json:
        print(json.dumps(_told(found, given, comparison, judged), indent=2))
    else:
        print("\n".join(_in_words(found, given, comparison, judged, boards=boards)))
    return 0


def _only_of_training(arguments: argparse.Namespace) -> None:
    for key, value in (("--out", arguments.out), ("--data", arguments.data)):
        if value:
            way_out = f"Leave {key} out to see what a model costs, or name the folder of a training"
            raise ConfigError(f"{key} is for what `edged train` made", file=arguments.trained, way_out=way_out)


def _look(path: Path) -> Looked:
    match path.suffix:
        case ".tflite":
            return _costed(path, None, read_file(path, limit=MAX_MODEL_BYTES))
        case ".eim":
            way_out = "Export the model as TensorFlow Lite in Edge Impulse's studio, and name that .tflite"
            raise ModelError("is a program; what it costs cannot be read from it", file=path, way_out=way_out)
    return _of_bundle(open_bundle(path))


def _of_bundle(bundle: Bundle) -> Looked:
    return _costed(bundle.path, bundle, bundle.model)


def _costed(path: Path, bundle: Bundle | None, model: bytes) -> Looked:
    try:
        cost = cost_of(model)
    except Damaged as why:
        raise ModelError(str(why), file=path, way_out="Fetch or convert it anew") from None
    speed = speed_of(model, file=path)
    try:
        return Looked(path, bundle, as_compiled(cost, compile_model(Source(path, model, bundle))), speed)
    except ModelError as why:  # boards cannot run it: what it would take there is estimated
        return Looked(path, bundle, cost, speed, why)


def _besides(found: Looked) -> tuple[str, ...]:
    """Why no board can hear with it, beside its operators, types and sizes."""
    reasons = []
    if found.bundle is not None and (why := why_not(found.bundle)):
        reasons.append(why)
    if (wrong := found.why_estimated) is not None:
        reasons.append(f"it cannot be compiled: {wrong.key + ': ' if wrong.key else ''}{wrong.what}")
    return tuple(reasons)


# For machines.


def _told(found: Looked, given: Looked | None, comparison: Comparison | None, judged: list[Verdict]) -> dict[str, Any]:
    return {
        **_model(found),
        "boards": {verdict.board: {"holds": verdict.holds, **_plain(verdict)} for verdict in judged},
        "float": None if given is None else _model(given),
        "comparison": None if comparison is None else _plain(comparison),
    }


def _model(looked: Looked) -> dict[str, Any]:
    cost, speed = looked.cost, looked.speed
    return {
        "file": str(looked.path),
        "sha256": None if looked.bundle is None else looked.bundle.sha256,
        "why_estimated": None if looked.why_estimated is None else str(looked.why_estimated),
        "cost": _plain(cost) | {"arena": _plain(cost.arena) | {"total_bytes": cost.arena.total_bytes}},
        "hop_s": looked.hop_s,
        "macs_per_s": None if looked.hop_s is None else round(cost.macs / looked.hop_s),
        "speed": _plain(speed) if isinstance(speed, Speed) else {"why_not": speed},
    }


def _plain(record: Any) -> dict[str, Any]:
    return asdict(record)


# For people.


def _in_words(
    found: Looked,
    given: Looked | None,
    comparison: Comparison | None,
    judged: list[Verdict],
    *,
    boards: Boards | None,
) -> list[str]:
    lines = _compared(comparison) if comparison is not None else []
    lines += _table([["", str(found.path), *([] if given is None else ["in float"])], *_costs(found, given)])
    if found.cost.uncounted:
        lines.append(f"The MACs leave out {', '.join(found.cost.uncounted)}.")
    lines += ["", *_table([["operator", "count"], *([name, str(n)] for name, n in found.cost.operators.items())])]
    if boards is None:
        return [*lines, "", "This edged came without boards.toml: no board is judged. Name one with --boards."]
    return [*lines, "", *_judged(judged)]


def _compared(comparison: Comparison) -> list[str]:
    clips, windows = comparison.clips, comparison.windows
    points = 100 * (comparison.int8_right - comparison.float_right) / clips
    return [
        f"{clips} clips of {comparison.role}, heard by both down the road:",
        *_table(
            [
                ["clips right, in float", _share(comparison.float_right, clips)],
                ["clips right, in int8", f"{_share(comparison.int8_right, clips)}, {points:+.2f} points"],
                ["clips taken for the same", _share(comparison.clips_agreed, clips)],
                ["windows with the same on top", _share(comparison.top1_agreed, windows)],
                [
                    "posteriors apart",
                    f"{comparison.mean_difference:.4f} on average, {comparison.worst_difference:.3f} at most",
                ],
            ]
        ),
        "",
    ]


def _costs(found: Looked, given: Looked | None) -> list[list[str]]:
    columns = [_column(looked) for looked in (found, given) if looked is not None]
    return [[name, *(column[name] for column in columns)] for name in columns[0]]


def _column(looked: Looked) -> dict[str, str]:
    cost, arena, speed = looked.cost, looked.cost.arena, looked.speed
    at_least = "at least " if cost.uncounted else ""
    per_s = "unknown: nothing says how often it is asked"
    took = speed if isinstance(speed, str) else f"{speed.invoke_ms:.3f} ms, median of {speed.calls}; {speed.runtime}"
    if looked.hop_s is not None:
        per_s = f"{at_least}{cost.macs / looked.hop_s:,.0f}, once in {1000 * looked.hop_s:g} ms"
        if isinstance(speed, Speed):
            took += f"; {speed.invoke_ms / looked.hop_s / 10:.2f} % of the time"
    estimated = "" if cost.compiled else ", estimated"
    state = f", {arena.state_bytes:,} of it state" if arena.state_bytes else ""
    return {
        "file": f"{cost.file_bytes:,} bytes",
        "constants in it": f"{cost.constants_bytes:,} bytes",
        "on a board's flash": f"{cost.plan_bytes:,} bytes{estimated}",
        "arena": f"{arena.total_bytes:,} bytes{state}{estimated}",
        "MACs a call": f"{at_least}{cost.macs:,}",
        "MACs a second of sound": per_s,
        "a call here": took,
    }


def _judged(judged: list[Verdict]) -> list[str]:
    rows = [["board", "", "flash", "RAM"]]
    for verdict in judged:
        flash = f"{verdict.flash_bytes:,} of {verdict.flash_room_bytes:,}"
        ram = f"{verdict.ram_bytes:,} of {verdict.ram_room_bytes:,}"
        rows.append([verdict.name, "holds it" if verdict.holds else "no", flash, ram])
    return _table(rows) + [f"{who}: {reason}." for reason, who in _why(judged).items()]


def _why(judged: list[Verdict]) -> dict[str, str]:
    """Each reason once, and whom it keeps from holding the model."""
    kept: dict[str, list[str]] = {}
    for verdict in judged:
        for reason in verdict.reasons:
            kept.setdefault(reason, []).append(verdict.name)
    return {reason: "All" if len(names) == len(judged) else ", ".join(names) for reason, names in kept.items()}


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / max(1, whole):.2f} %)"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
