"""The tables of docs/TRAIN.md, from the recipe itself; run as a script, it writes them there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edged.workshop import recipe_tables as tables
from edged.workshop.recipe import Recipe

DOCUMENT = Path(__file__).parents[1] / "docs" / "TRAIN.md"
BEGIN, END = "<!-- keys -->\n", "<!-- end -->\n"
TABLES: dict[str, type[tables.Table]] = {
    "At the top": Recipe,
    "`[augment]`, for kind `window`": tables.Augment,
    "`[network]`, for kind `window`": tables.Network,
    "`[streaming]`, for kind `streaming`": tables.Streaming,
    "`[training]`": tables.Training,
    "`[policy]`, and `[policies.LABEL]` for one label": tables.Decide,
}


def keys() -> str:
    """Each table of a recipe: its keys, their defaults and what they say."""
    return "\n".join(f"### {title}\n\n{_table(table)}" for title, table in TABLES.items())


def _table(table: type[tables.Table]) -> str:
    lines = ["| key | default | |", "|---|---|---|"]
    for name, field in table.model_fields.items():
        if not isinstance(field.default, tables.Table) and name != "policies":
            lines.append(f"| `{name}` | {_written(field.default)} | {' '.join(str(field.description).split())} |")
    return "\n".join(lines) + "\n"


def _written(default: Any) -> str:
    return f"`{json.dumps(default)}`" if default not in (None, (), "", {}) else ""


def page() -> str:
    """The document with its tables as they should be."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + keys() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(page(), encoding="utf-8")
