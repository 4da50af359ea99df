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


def fields(schema: dict[str, Any]) -> list[str]:
    """Names of all fields, and all values of those that have few."""
    shapes = [schema, *schema.get("$defs", {}).values()]
    found = [field for shape in shapes for field in shape["properties"]]
    return found + [
        value for shape in shapes for field in shape["properties"].values() for value in field.get("enum", ())
    ]
