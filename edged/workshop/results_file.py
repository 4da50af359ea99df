"""Results of an evaluation as JSON: what `edged evaluate --json` prints, and `--merge` reads.

Under each result stands, as `derived`, what follows from its counts, for machines that want the numbers; it is left
aside when the file is read, and derived anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from edged.errors import DatasetError
from edged.workshop.poisson import garwood, upper, wilson
from edged.workshop.results import ClipResult, Counts, Evaluation, Excerpt, Facts, Point, StreamResult

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA: Final = 1
_KEY: Final = "edged_evaluation"


def to_json(evaluation: Evaluation) -> str:
    """The evaluation as one line of JSON; the same evaluation gives the same text."""
    told: dict[str, Any] = {_KEY: SCHEMA, **asdict(evaluation)}
    for row, clips in zip(told["clips"], evaluation.clips, strict=True):
        row["derived"] = _of_clips(clips)
    for row, streams in zip(told["streams"], evaluation.streams, strict=True):
        row["derived"] = _of_streams(streams)
    return json.dumps(told)


def read_results(path: Path) -> Evaluation:
    """Read what `to_json` wrote.

    Raises:
        DatasetError: It cannot be read, or is something else.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError("there is no such file", file=path, way_out=_WAY_OUT) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DatasetError(f"cannot be read: {why}", file=path, way_out=_WAY_OUT) from None
    except ValueError as error:
        raise DatasetError(f"is not JSON ({error})", file=path, way_out=_WAY_OUT) from None
    if not isinstance(told, dict) or told.get(_KEY) != SCHEMA:
        raise DatasetError("is no evaluation of this version", file=path, key=_KEY, way_out=_WAY_OUT)
    try:
        return Evaluation(
            models=tuple(Facts(**each) for each in told["models"]),
            clips=tuple(_clips(each) for each in told["clips"]),
            streams=tuple(_streams(each) for each in told["streams"]),
            tolerance_s=float(told["tolerance_s"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"is damaged: {error}", file=path, way_out=_WAY_OUT) from None


_WAY_OUT: Final = "Name a file that holds what `edged evaluate --json` printed"


def _clips(row: dict[str, Any]) -> ClipResult:
    return ClipResult(row["snr_db"], row["confusion"], _said(row))


def _streams(row: dict[str, Any]) -> StreamResult:
    return StreamResult(
        snr_db=row["snr_db"],
        seconds=float(row["seconds"]),
        counts={label: Counts(**count) for label, count in row["counts"].items()},
        latencies_s={label: tuple(values) for label, values in row["latencies_s"].items()},
        said=_said(row),
        det=tuple(Point(**point) for point in row["det"]),
        misses=tuple(_excerpt(each) for each in row["misses"]),
        alarms=tuple(_excerpt(each) for each in row["alarms"]),
    )


def _excerpt(row: dict[str, Any]) -> Excerpt:
    return Excerpt(**{**row, "times_s": tuple(row["times_s"]), "scores": tuple(row["scores"])})


def _said(row: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (int(clips), int(accepts)) for name, (clips, accepts) in row["said"].items()}


def _of_clips(result: ClipResult) -> dict[str, Any]:
    low, high = wilson(result.right, result.total)
    return {"clips": result.total, "accuracy": result.right / result.total, "accuracy_95": [low, high]}


def _of_streams(result: StreamResult) -> dict[str, Any]:
    total, hours = result.total, result.hours
    low, high = garwood(total.alarms)
    return {
        "hours": hours,
        "recall": result.recall,
        "recall_95": list(wilson(total.hits, total.events)) if total.events else None,
        "false_alarms_per_hour": total.alarms / hours,
        "false_alarms_per_hour_95": [low / hours, high / hours],
        "false_alarms_per_hour_upper_95": upper(total.alarms) / hours,
        "latency_median_s": result.latency_s(0.5),
        "latency_p95_s": result.latency_s(0.95),
    }
