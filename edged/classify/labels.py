"""The names of a model's outputs, in their order, as a list or in a file, and names that fit into a topic."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edged.classify.archive import read_file
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LABEL_FILE_BYTES: Final = 1024 * 1024


def read_labels(labels: Sequence[str] | Path) -> tuple[str, ...]:
    """The labels given, or those of a file: text with one a line, or CSV with a column ``display_name``.

    Raises:
        ModelError: The file cannot be read, or a label stands there twice.
    """
    found = _from_file(labels) if isinstance(labels, Path) else tuple(labels)
    if not all(found):
        file = labels if isinstance(labels, Path) else None
        raise ModelError("one of them is empty", file=file, key="labels", way_out="Give every output a name")
    if twice := [label for label, count in Counter(found).items() if count > 1]:
        file = labels if isinstance(labels, Path) else None
        raise ModelError("stands there twice", file=file, key="labels", value=twice[0], way_out="Give distinct labels")
    return found


def slug(phrase: str) -> str:
    """A name that can be a level of a topic: ``Okay Nabu`` → ``okay_nabu``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", phrase).strip("_").lower()[:64] or "model"


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        lines = read_file(path, limit=MAX_LABEL_FILE_BYTES).decode().splitlines()
    except UnicodeDecodeError:
        raise ModelError("is not UTF-8 text", file=path, way_out="Name a text file with one label a line") from None
    if path.suffix == ".csv":
        return _column(lines, path)
    return tuple(line.strip() for line in lines if line.strip())


def _column(lines: list[str], path: Path) -> tuple[str, ...]:
    rows = csv.DictReader(lines)
    if "display_name" not in (rows.fieldnames or ()):
        raise ModelError("has no column display_name", file=path, way_out="Add that column, or name a text file")
    return tuple(row["display_name"] or "" for row in rows)
