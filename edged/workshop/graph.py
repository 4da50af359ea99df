"""What a `.tflite` computes: its graphs of operators and tensors, as plain records.

The file is walked and verified by `edged.classify.flatbuffer`, which knows where everything stands; here its tables
become something to reckon with. Nothing is refused that is well formed: an operator or a type that nobody knows is told
by its number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edged.classify.flatbuffer import BYTES, DTYPES, called, code_of, read_tables
from edged.workshop.operators import operator_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_OTHER_TYPES: Final = {
    5: ("string", 32),
    8: ("complex64", 64),
    11: ("complex128", 128),
    12: ("uint64", 64),
    13: ("resource", 32),
    14: ("variant", 32),
    15: ("uint32", 32),
    16: ("uint16", 16),
    17: ("int4", 4),
    18: ("bfloat16", 16),
    19: ("int2", 2),
    20: ("uint4", 4),
    21: ("float8_e4m3fn", 8),
    22: ("float8_e5m2", 8),
}
"""Names and bits of the types in `schema.fbs` that `flatbuffer.DTYPES` leaves out; a handle is an int32."""
_UNKNOWN_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph."""

    shape: tuple[int, ...]
    """A side known only at run time counts as 1."""
    dtype: str
    size_bytes: int
    buffer: int
    """Which of the file's buffers it stands for; two tensors may share one of constants."""
    constant: bool
    """Its values stand in the file."""
    variable: bool
    """It keeps its values from one call to the next."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; tensors are told by their index in the graph, graphs by theirs in the file."""

    name: str
    inputs: tuple[int, ...]
    """-1 for one that is left out."""
    outputs: tuple[int, ...]
    calls: tuple[int, ...] = ()
    """Graphs that it runs."""
    variable: str = ""
    """Of a VAR_HANDLE: which variable."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


def read_graphs(data: bytes) -> tuple[Graph, ...]:
    """Every graph of a `.tflite`; the first is the one that is invoked.

    Raises:
        Damaged: It is not a whole, well-formed model.
    """
    model = read_tables(data)
    codes = [operator_name(code_of(code), code["custom_code"]) for code in model["codes"]]
    return tuple(
        Graph(
            tensors=tuple(_tensor(tensor, model["buffers"]) for tensor in graph["tensors"]),
            inputs=graph["inputs"],
            outputs=graph["outputs"],
            operators=tuple(_operator(operator, codes) for operator in graph["operators"]),
        )
        for graph in model["subgraphs"]
    )


def _tensor(tensor: dict[str, Any], buffers: Sequence[dict[str, Any]]) -> Tensor:
    shape = tuple(abs(side) for side in tensor["shape"])
    dtype, bits = _type(tensor["type"])
    buffer = buffers[tensor["buffer"]]
    return Tensor(
        shape=shape,
        dtype=dtype,
        size_bytes=-(-math.prod(shape) * bits // 8),
        buffer=tensor["buffer"],
        constant=len(buffer["data"]) > 0 or buffer["size"] > 0,  # a file beyond 2 GB keeps its constants at the end
        variable=bool(tensor["variable"]),
    )


def _type(number: int) -> tuple[str, int]:
    if number in DTYPES:
        return DTYPES[number], 8 * BYTES[DTYPES[number]]
    return _OTHER_TYPES.get(number, (f"type {number}", _UNKNOWN_BITS))


def _operator(operator: dict[str, Any], codes: Sequence[str]) -> Operator:
    options = operator["options"] or {}
    variable = f"{options['container']}/{options['shared_name']}" if "shared_name" in options else ""
    return Operator(
        name=codes[operator["opcode"]],
        inputs=operator["inputs"],
        outputs=operator["outputs"],
        calls=called(operator),
        variable=variable,
    )
