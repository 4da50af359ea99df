"""Reads the outline of a `.tflite` file, following every offset in it: no damaged one reaches an interpreter.

tflite-runtime trusts its input. Of 400 truncations of a wake-word model it dies of SIGSEGV in three quarters (LiteRT
checks, and raises). So the file is walked here first, in plain Python, a few milliseconds a model: each table, vector
and string that the interpreter will follow must lie inside the file, each index must name something that exists, and
each constant must be as long as its shape says. What is found on the way (inputs and outputs, and whether the model
keeps state between calls) is returned, so that `edged check` and the bundles need no interpreter at all.

A FlatBuffer is a heap of tables. A table begins with a signed offset back to its vtable; the vtable holds its own
size, the table's size, and one 16-bit position for each field, 0 for an absent one. Strings, vectors and sub-tables
are unsigned offsets forward from where they are written. The fields below, named by position, are those of
TensorFlow's `schema.fbs` (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3); a table that is not described
is checked for its bounds only.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

IDENTIFIER: Final = b"TFL3"
MAX_MODEL_BYTES: Final = 64 * 1024 * 1024
"""Models here have kilobytes to a few megabytes; anything larger is a mistake, and is refused before it is read."""

# Field kinds: a struct format character; "str"; "[x]" for a vector of scalars x or of tables x; a table's name.
_Fields = dict[int, tuple[str, str]]
_TABLES: Final[dict[str, _Fields]] = {
    "Model": {
        0: ("version", "I"),
        1: ("codes", "[OperatorCode]"),
        2: ("subgraphs", "[SubGraph]"),
        3: ("description", "str"),
        4: ("buffers", "[Buffer]"),
        5: ("metadata_buffer", "[i]"),
        6: ("metadata", "[Metadata]"),
        7: ("signatures", "[SignatureDef]"),
    },
    "OperatorCode": {0: ("old_code", "b"), 1: ("custom_code", "str"), 2: ("version", "i"), 3: ("code", "i")},
    "SubGraph": {
        0: ("tensors", "[Tensor]"),
        1: ("inputs", "[i]"),
        2: ("outputs", "[i]"),
        3: ("operators", "[Operator]"),
        4: ("name", "str"),
    },
    "Tensor": {
        0: ("shape", "[i]"),
        1: ("type", "b"),
        2: ("buffer", "I"),
        3: ("name", "str"),
        4: ("quantization", "Quantization"),
        5: ("variable", "?"),
        6: ("sparsity", "Opaque"),
        7: ("signature", "[i]"),
        9: ("variants", "[Opaque]"),
    },
    "Quantization": {
        0: ("min", "[f]"),
        1: ("max", "[f]"),
        2: ("scale", "[f]"),
        3: ("zero_point", "[q]"),
        5: ("details", "Opaque"),
        6: ("dimension", "i"),
    },
    "Operator": {
        0: ("opcode", "I"),
        1: ("inputs", "[i]"),
        2: ("outputs", "[i]"),
        3: ("options_type", "B"),
        4: ("options", "Opaque"),
        5: ("custom_options", "[B]"),
        7: ("mutating", "[B]"),
        8: ("intermediates", "[i]"),
        11: ("options_2_type", "B"),
        12: ("options_2", "Opaque"),
    },
    "Buffer": {0: ("data", "[B]"), 1: ("offset", "Q"), 2: ("size", "Q")},
    "Metadata": {0: ("name", "str"), 1: ("buffer", "I")},
    "SignatureDef": {
        0: ("inputs", "[TensorMap]"),
        1: ("outputs", "[TensorMap]"),
        2: ("key", "str"),
        4: ("subgraph", "I"),
    },
    "TensorMap": {0: ("name", "str"), 1: ("tensor", "I")},
    "Opaque": {},
    "ReshapeOptions": {0: ("new_shape", "[i]")},
    "SqueezeOptions": {0: ("dimensions", "[i]")},
    "VarHandleOptions": {0: ("container", "str"), 1: ("shared_name", "str")},
    "BucketizeOptions": {0: ("boundaries", "[f]")},
    # Of a CALL, an IF, a WHILE or a CALL_ONCE: the graphs that it runs.
    "CallOptions": {0: ("graph", "I")},
    "IfOptions": {0: ("graph", "i"), 1: ("other_graph", "i")},
    "WhileOptions": {0: ("graph", "i"), 1: ("other_graph", "i")},
    "CallOnceOptions": {0: ("graph", "i")},
}
_OPTIONS: Final = {
    16: "CallOptions",
    17: "ReshapeOptions",
    30: "SqueezeOptions",
    92: "IfOptions",
    93: "WhileOptions",
    103: "CallOnceOptions",
    111: "VarHandleOptions",
    115: "BucketizeOptions",
}
"""The operators' options that hold more than plain numbers, by their number in the union BuiltinOptions."""

DTYPES: Final = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
}
"""NumPy's names of the types that models on this road have, by their number in the schema."""
BYTES: Final = {
    "float32": 4,
    "float16": 2,
    "int32": 4,
    "uint8": 1,
    "int64": 8,
    "bool": 1,
    "int16": 2,
    "int8": 1,
    "float64": 8,
}
"""Of one element, by type."""
_KEEPS_STATE: Final = frozenset({142, 143, 144})
"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE: builtin operator codes of a streaming model."""

_Table = dict[str, Any]


class Damaged(ValueError):
    """The bytes are not a whole, well-formed TensorFlow Lite model; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """NumPy's name of it, or ``type 5`` for one that no model on this road has."""

    def __str__(self) -> str:
        """As the messages to the user say it: ``int8 [1, 3, 40]``."""
        return f"{self.dtype} {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a model takes and gives."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    stateful: bool
    """It keeps variables between calls: each window continues the one before."""


def read_outline(data: bytes) -> Outline:
    """Verify a `.tflite` file and return its outline.

    Raises:
        Damaged: It is not a model, or is truncated or otherwise inconsistent.
    """
    model = read_tables(data)
    main = model["subgraphs"][0]
    return Outline(
        inputs=tuple(_outline(main["tensors"][i]) for i in main["inputs"]),
        outputs=tuple(_outline(main["tensors"][i]) for i in main["outputs"]),
        stateful=any(code_of(c) in _KEEPS_STATE for c in model["codes"]) or any(t["variable"] for t in main["tensors"]),
    )


def read_tables(data: bytes) -> dict[str, Any]:
    """Verify a `.tflite` file and return all of it: its table Model, with the fields and tables named above.

    Raises:
        Damaged: It is not a model, or is truncated or otherwise inconsistent.
    """
    if len(data) < 8 or data[4:8] != IDENTIFIER:  # noqa: PLR2004 - root offset and identifier, four bytes each
        raise Damaged(f"not a TensorFlow Lite model: {IDENTIFIER.decode()!r} is not at byte 4 of its {len(data)} bytes")
    try:
        model = _Reader(data).table(int.from_bytes(data[:4], "little"), "Model")
    except (struct.error, UnicodeDecodeError) as error:
        raise Damaged(f"truncated or damaged: {error}") from error
    _check_model(model, size=len(data))
    return model


def code_of(code: dict[str, Any]) -> int:
    """Return the number of the builtin operator that a table OperatorCode stands for."""
    # The schema outgrew its first, one-byte field: the larger of the two holds.
    return max(int(code["old_code"]), int(code["code"]))


def called(operator: dict[str, Any]) -> tuple[int, ...]:
    """Return the numbers of the graphs that a table Operator runs."""
    options = operator["options"] or {}
    return tuple(options[name] for name in ("graph", "other_graph") if name in options)


def _outline(tensor: _Table) -> Tensor:
    return Tensor(tensor["name"], tuple(tensor["shape"]), DTYPES.get(tensor["type"], f"type {tensor['type']}"))


class _Reader:
    """Follows offsets within `data`; each table is read once, so that the work is bounded by the file's length."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._seen: dict[tuple[int, str], _Table] = {}

    def table(self, at: int, name: str) -> _Table:
        """Read the table that begins at byte `at`, absent fields with their empty value."""
        if (at, name) not in self._seen:
            self._seen[at, name] = self._read(at, name)
        return self._seen[at, name]

    def _read(self, at: int, name: str) -> _Table:
        positions, size = self._vtable(at)
        table: _Table = {}
        for number, (field, kind) in _TABLES[name].items():
            position = positions[number] if number < len(positions) else 0
            actual = _OPTIONS.get(table["options_type"], kind) if field == "options" else kind
            table[field] = self._field(at + position, actual, room=size - position) if position else _absent(kind)
        return table

    def _vtable(self, at: int) -> tuple[tuple[int, ...], int]:
        start = at - self._scalar(at, "i")
        vtable_size, size = self._scalar(start, "H"), self._scalar(start + 2, "H")
        if vtable_size < 4 or vtable_size % 2:  # noqa: PLR2004 - its two own sizes, then 16-bit positions
            raise Damaged(f"truncated or damaged: no table at byte {at}")
        self._bounds(start, vtable_size)
        self._bounds(at, size)
        positions = struct.unpack_from(f"<{vtable_size // 2 - 2}H", self._data, start + 4)
        if any(position >= size for position in positions if position):
            raise Damaged(f"damaged: a field lies outside its table at byte {at}")
        return positions, size

    def _field(self, at: int, kind: str, *, room: int) -> Any:
        wanted = struct.calcsize(kind) if len(kind) == 1 else 4
        if wanted > room:
            raise Damaged(f"damaged: a field at byte {at} is larger than its table")
        if len(kind) == 1:
            return self._scalar(at, kind)
        there = at + self._scalar(at, "I")
        if kind == "str":
            return bytes(self._vector(there, "B")).decode()
        if kind.startswith("["):
            inner = kind[1:-1]
            return self._vector(there, inner) if len(inner) == 1 else self._tables(there, inner)
        return self.table(there, kind)

    def _tables(self, at: int, name: str) -> list[_Table]:
        offsets = self._vector(at, "I")
        return [self.table(at + 4 + 4 * i + offset, name) for i, offset in enumerate(offsets)]

    def _vector(self, at: int, kind: str) -> Any:
        """A vector of scalars, as a tuple; one of bytes, which may be megabytes of weights, as a view."""
        count = self._scalar(at, "I")
        self._bounds(at + 4, count * struct.calcsize(kind))
        if kind == "B":
            return memoryview(self._data)[at + 4 : at + 4 + count]
        return struct.unpack_from(f"<{count}{kind}", self._data, at + 4)

    def _scalar(self, at: int, kind: str) -> Any:
        self._bounds(at, struct.calcsize(kind))
        return struct.unpack_from(f"<{kind}", self._data, at)[0]

    def _bounds(self, at: int, count: int) -> None:
        if at < 0 or at + count > len(self._data):
            raise Damaged(f"truncated or damaged: byte {at + count} is wanted of {len(self._data)}")


def _absent(kind: str) -> Any:
    if len(kind) == 1 or kind == "str":
        return 0 if len(kind) == 1 else ""
    return () if kind.startswith("[") else None


def _check_model(model: _Table, *, size: int) -> None:
    """Check that every number that points at something points at something that exists."""
    if not model["subgraphs"] or not model["subgraphs"][0]["tensors"]:
        raise Damaged("damaged: it holds no graph")
    for buffer in model["buffers"]:
        _check(buffer["offset"] + buffer["size"] <= size, "its constants lie beyond its end")
    for graph in model["subgraphs"]:
        _check_graph(graph, codes=len(model["codes"]), buffers=model["buffers"], graphs=len(model["subgraphs"]))
    calls = {i: {j for each in graph["operators"] for j in called(each)} for i, graph in enumerate(model["subgraphs"])}
    try:
        TopologicalSorter(calls).prepare()
    except CycleError:
        raise Damaged("damaged: a graph of it runs itself, and would never end") from None
    for signature in model["signatures"]:
        _check(signature["subgraph"] < len(model["subgraphs"]), "a signature names a graph that is not there")
        tensors = len(model["subgraphs"][signature["subgraph"]]["tensors"])
        for entry in (*signature["inputs"], *signature["outputs"]):
            _check(entry["tensor"] < tensors, "a signature names a tensor that is not there")


def _check_graph(graph: _Table, *, codes: int, buffers: list[_Table], graphs: int) -> None:
    count = len(graph["tensors"])
    for index in (*graph["inputs"], *graph["outputs"]):
        _check(0 <= index < count, f"its graph names tensor {index} of {count}")
    for operator in graph["operators"]:
        _check(operator["opcode"] < codes, f"an operator has number {operator['opcode']} of {codes}")
        for index in (*operator["inputs"], *operator["outputs"], *operator["intermediates"]):
            _check(-1 <= index < count, f"an operator names tensor {index} of {count}")
        for index in called(operator):
            _check(0 <= index < graphs, f"an operator runs graph {index} of {graphs}")
    for tensor in graph["tensors"]:
        _check(tensor["buffer"] < len(buffers), f"a tensor names buffer {tensor['buffer']} of {len(buffers)}")
        _check_constant(tensor, buffers[tensor["buffer"]])


def _check_constant(tensor: _Table, buffer: _Table) -> None:
    # -1 stands for a dimension known only at run time; such a tensor is never a constant.
    _check(
        all(side >= -1 for side in tensor["shape"]), f"tensor {tensor['name']!r} has the shape {list(tensor['shape'])}"
    )
    _check(
        math.prod(abs(side) for side in tensor["shape"]) <= MAX_MODEL_BYTES, f"tensor {tensor['name']!r} is too large"
    )
    dtype = DTYPES.get(tensor["type"])
    if len(buffer["data"]) and dtype is not None and tensor["sparsity"] is None:
        wanted = BYTES[dtype] * math.prod(tensor["shape"])
        _check(
            len(buffer["data"]) == wanted, f"tensor {tensor['name']!r} needs {wanted} bytes, not {len(buffer['data'])}"
        )


def _check(holds: bool, why: str) -> None:  # noqa: FBT001 - reads as an assertion does
    if not holds:
        raise Damaged(f"damaged: {why}")
