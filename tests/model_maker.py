"""Small `.tflite` files made on the spot, by the schema that LiteRT brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Callable


def changed(model: bytes, change: Callable[[Any], object]) -> bytes:
    """The model with something in it otherwise: `change` gets its `ModelT`."""
    told = schema.ModelT.InitFromPackedBuf(model, 0)
    change(told)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(told.Pack(builder), b"TFL3")
    return bytes(builder.Output())
