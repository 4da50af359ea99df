"""Truth files: what is known to sound in a recording, and when.

A CSV of the columns `label`, `start_s`, `end_s` and, if one likes, `said`; a line for each event, in seconds from the
recording's beginning. A label is one that the model decides about; what it has no word for, and must not take for one
of them, has a label that begins with an underscore, and `said` tells what it was: ``_unknown_,12.4,13.1,alexa``.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Final

from edged.errors import DatasetError
from edged.mistakes import nearest
from edged.workshop.dataset import BACKGROUND
from edged.workshop.metrics import Truth

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

REQUIRED: Final = ("label", "start_s", "end_s")
HEADER: Final = ",".join((*REQUIRED, "said"))


def read_truth(path: Path, *, labels: Collection[str], length_s: float) -> tuple[Truth, ...]:
    """Read a truth file.

    Args:
        path: The CSV.
        labels: What the model decides about.
        length_s: Of the recording.

    Raises:
        DatasetError: It cannot be read, lacks a column, or has a line that is wrong, named with its column and value.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or ()
            for column in REQUIRED:
                if column not in header:
                    way_out = f"Let its first line be {HEADER} (said may be left out)"
                    raise DatasetError("the column is missing", file=path, key=column, way_out=way_out)
            return tuple(
                _truth(row, where=f"{path}:{reader.line_num}", labels=labels, length_s=length_s) for row in reader
            )
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise DatasetError(why, file=path, way_out="Name the CSV that says what sounds when") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"it is not CSV in UTF-8 ({error})", file=path, way_out="Save it as that") from None


def _truth(row: dict[str, str | None], *, where: str, labels: Collection[str], length_s: float) -> Truth:
    if None in row.values() or None in row:
        what = "the line has more or fewer values than the first line has columns"
        raise DatasetError(what, file=where, way_out="Put what holds a comma in quotes")
    label = row["label"] or ""
    if label not in labels and not label.startswith(BACKGROUND):
        way_out = f"It has {', '.join(sorted(labels))}{nearest(label, labels)}; for anything else write _unknown_"
        raise DatasetError("is no label of the model", file=where, key="label", value=label, way_out=way_out)
    start_s, end_s = (_seconds(row[column] or "", where=where, key=column) for column in ("start_s", "end_s"))
    if end_s < start_s:
        way_out = f"Give an end at or after start_s = {start_s:g}"
        raise DatasetError("is before its beginning", file=where, key="end_s", value=end_s, way_out=way_out)
    if start_s > length_s:
        what = f"is past the end of the recording, which is {length_s:.3f} s long"
        raise DatasetError(what, file=where, key="start_s", value=start_s, way_out="See that it is of this recording")
    return Truth(label, start_s, end_s, row.get("said") or "")


def _seconds(text: str, *, where: str, key: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        way_out = "Write seconds from the recording's beginning, such as 12.4"
        raise DatasetError("is no time", file=where, key=key, value=text, way_out=way_out)
    return seconds
