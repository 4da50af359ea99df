"""What a `.tflite` costs, read from the file: bytes, operators, multiply-accumulates, memory.

Nothing runs for it, and no runtime is needed. A multiply-accumulate (MAC) is counted for each weight that meets each
value, at the borders too, where padding is multiplied; that is how the field counts. Additions, activations and pooling
are operators without MACs. Where an operator multiplies and is not known here (a recurrent one, a custom one, one of a
newer schema), the count says whom it leaves out.

What a board keeps of it, in flash and in RAM, is an estimate here, for models that the compiler does not take: float
ones, and those of other operators. `as_compiled` puts the compiler's own figures in its place.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from edged.workshop.arena import Arena, arena
from edged.workshop.graph import read_graphs
from edged.workshop.operators import BUILTINS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.compiler.compiled import Compiled
    from edged.workshop.graph import Graph, Operator

PLAN_HEADER_BYTES: Final = 640
"""Container, names, golden outputs, front end and the network's head, about."""
PLAN_OPERATOR_BYTES: Final = 72
"""A record of the plan, about; a convolution's."""
PLAN_CHANNEL_BYTES: Final = 5
"""Multiplier and shift of one output channel, int32 and int8."""
PLAN_GROUP: Final = 4
"""Output channels lie side by side; those that are absent take their room too."""
PLAN_TABLE_BYTES: Final = {"LOGISTIC": 256, "QUANTIZE": 256, "SOFTMAX": 1024}
"""What is looked up instead of being worked out."""
_RESOLVED: Final = {"CALL_ONCE", "READ_VARIABLE", "RESHAPE", "STRIDED_SLICE", "VAR_HANDLE"}
"""Operators of which, mostly, no record is left."""

_CHANNELLED: Final = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
_COUNTED: Final = _CHANNELLED | {"BATCH_MATMUL", "SVDF"}
_MULTIPLIES: Final = {
    "CALL",
    "CONV_3D",
    "CONV_3D_TRANSPOSE",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "DELEGATE",
    "IF",
    "LSTM",
    "RFFT2D",
    "RNN",
    "STABLEHLO_CONVOLUTION",
    "STABLEHLO_DOT_GENERAL",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "WHILE",
}
"""Builtin operators that multiply, or run graphs that may, and are not counted."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model costs."""

    file_bytes: int
    """Of the `.tflite`."""
    constants_bytes: int
    """Of the weights, biases and shapes in it; the rest is names, scales and the file's own structure."""
    plan_bytes: int
    """What a board keeps of it in flash: the constants, how to rescale each channel, and what to do."""
    operators: Mapping[str, int]
    """How many of each kind, over every graph, by name."""
    macs: int
    """Multiply-accumulates of one call."""
    uncounted: tuple[str, ...]
    """Kinds of operators whose multiplications `macs` leaves out."""
    types: tuple[str, ...]
    """Types of the tensors that it works on."""
    arena: Arena
    compiled: bool = False
    """`plan_bytes` and `arena` are those of the plan; else they are estimates."""


def cost_of(data: bytes) -> Cost:
    """Read off a `.tflite` what it costs.

    Raises:
        Damaged: It is not a whole, well-formed model.
    """
    graphs = read_graphs(data)
    everywhere = [operator for graph in graphs for operator in graph.operators]
    counted = [macs(operator, graphs[0]) for operator in graphs[0].operators]
    return Cost(
        file_bytes=len(data),
        constants_bytes=_constants_bytes(graphs),
        plan_bytes=_plan_bytes(graphs),
        operators=dict(sorted(Counter(operator.name for operator in everywhere).items())),
        macs=sum(count for count in counted if count is not None),
        uncounted=tuple(
            sorted({op.name for op, count in zip(graphs[0].operators, counted, strict=True) if count is None})
        ),
        types=tuple(sorted({tensor.dtype for graph in graphs for tensor in graph.tensors if not tensor.constant})),
        arena=arena(graphs),
    )


def as_compiled(cost: Cost, made: Compiled) -> Cost:
    """The cost with the figures of the plan that was made of the model."""
    layout = made.program.layout
    arena_ = Arena(layout.activations_bytes, live_bytes=layout.live_bytes, state_bytes=layout.state_bytes)
    return replace(cost, plan_bytes=len(made.data), arena=arena_, compiled=True)


def macs(operator: Operator, graph: Graph) -> int | None:
    """Multiply-accumulates of one operator; None where it multiplies in a way that is not known here."""
    count = _product(operator, graph)
    if count is None and operator.name in BUILTINS and operator.name not in _COUNTED | _MULTIPLIES:
        return 0
    return count


def _product(operator: Operator, graph: Graph) -> int | None:  # noqa: PLR0911 - a table, a row each
    shapes = [graph.tensors[index].shape if index >= 0 else () for index in operator.inputs]
    made = graph.tensors[operator.outputs[0]].shape if operator.outputs and operator.outputs[0] >= 0 else ()
    size = math.prod(made)
    match operator.name, shapes:
        case "CONV_2D", [_, (_, height, width, depth), *_]:
            return size * height * width * depth
        case "DEPTHWISE_CONV_2D", [_, (_, height, width, _), *_]:
            return size * height * width
        case "FULLY_CONNECTED", [_, (_, depth), *_]:
            return size * depth
        case "TRANSPOSE_CONV", [_, (units, height, width, _), taken, *_]:
            return math.prod(taken) * units * height * width
        case "BATCH_MATMUL", [taken, _] if made:
            return math.prod(taken) * made[-1]
        case "SVDF", [(batch, depth), (filters, _), (_, memory), *_]:
            return batch * filters * (depth + memory)
    return None


def _constants_bytes(graphs: Sequence[Graph]) -> int:
    """Each buffer once, however many tensors share it."""
    sizes = {tensor.buffer: tensor.size_bytes for graph in graphs for tensor in graph.tensors if tensor.constant}
    return sum(sizes.values())


def _plan_bytes(graphs: Sequence[Graph]) -> int:
    """Only the first graph: what the others hold is what variables begin with, a byte each in a plan."""
    main, total = graphs[0], PLAN_HEADER_BYTES + _constants_bytes(graphs[:1])
    for operator in main.operators:
        total += PLAN_OPERATOR_BYTES * (operator.name not in _RESOLVED) + PLAN_TABLE_BYTES.get(operator.name, 0)
        if operator.name in _CHANNELLED and operator.outputs and operator.outputs[0] >= 0:
            channels = (main.tensors[operator.outputs[0]].shape or (1,))[-1]
            absent = -channels % PLAN_GROUP
            weights = main.tensors[operator.inputs[1]].size_bytes if len(operator.inputs) > 1 else 0
            total += PLAN_CHANNEL_BYTES * (channels + absent) + weights * absent // max(1, channels)
    return total
