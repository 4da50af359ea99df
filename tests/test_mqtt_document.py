"""docs/MQTT.md is true: its examples fit the schemas, and every field of every schema stands in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edged.published import schemas

DOCUMENT = (Path(__file__).parents[1] / "docs" / "MQTT.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- (\w+) -->\n```json\n(.*?)```", DOCUMENT, re.DOTALL)
SCHEMAS = schemas()


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_fits_its_schema(name: str, example: str) -> None:
    body = json.loads(example)
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(body)
    assert body.keys() == SCHEMAS[name]["properties"].keys()


def test_every_payload_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_and_value_is_explained(name: str) -> None:
    missing = [field for field in fields(SCHEMAS[name]) if not re.search(rf"`([^`]*\.)?{field}[`.]", DOCUMENT)]
    assert not missing


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("board", "A board"),
        ("board_health", "A board's health"),
        ("board_event", "A board's events"),
        ("board_log", "A board's log"),
    ],
)
def test_a_boards_tables_repeat_what_the_schemas_say(name: str, section: str) -> None:
    page = DOCUMENT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| [^|]+ \| (.*?) ?\|$", page, re.MULTILINE))
    told = flat(SCHEMAS[name], SCHEMAS[name].get("$defs", {}))
    assert rows.keys() == told.keys()
    assert {field: rows[field] for field, words in told.items() if words} == {f: w for f, w in told.items() if w}


def flat(schema: dict[str, Any], shapes: dict[str, Any], outer: str = "") -> dict[str, str]:
    """Every field with its description, those of an object in it under both names."""
    found = {}
    for field, told in schema["properties"].items():
        kinds = [kind["$ref"].rpartition("/")[2] for kind in [told, *told.get("anyOf", ())] if "$ref" in kind]
        if not kinds or "description" in told:
            found[outer + field] = told.get("description", "")
        for kind in kinds:
            found |= flat(shapes[kind], shapes, f"{outer}{field}.")
    return found


def fields(schema: dict[str, Any]) -> list[str]:
    """Names of all fields, and all values of those that have few."""
    shapes = [schema, *schema.get("$defs", {}).values()]
    found = [field for shape in shapes for field in shape["properties"]]
    return found + [
        value for shape in shapes for field in shape["properties"].values() for value in field.get("enum", ())
    ]
