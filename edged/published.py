"""Every JSON payload that is published, by name, and its JSON Schema: what `edged schema messages` prints."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from edged.board_schemas import BoardCondition, BoardEvent, BoardHealth, BoardLine
from edged.schemas import Event, Health, ModelCondition, SourceCondition, Status

SHAPES = {
    "status": Status,
    "health": Health,
    "source": SourceCondition,
    "model": ModelCondition,
    "event": Event,
    "board": BoardCondition,
    "board_health": BoardHealth,
    "board_event": BoardEvent,
    "board_log": BoardLine,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Describe every JSON payload as a JSON Schema (draft 2020-12), by the names of `SHAPES`."""
    return {name: _schema(shape) for name, shape in SHAPES.items()}


def _schema(shape: type) -> dict[str, Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - 50 ms and 5 MB that only the asking command should pay

    described: dict[str, Any] = TypeAdapter(shape).json_schema()
    for base in shape.__mro__[1:]:
        if is_dataclass(base):  # pydantic reads the docstrings of a class's own fields, not of those it inherits
            described["properties"] |= TypeAdapter(base).json_schema()["properties"]
    return described
