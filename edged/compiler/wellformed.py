"""Whether a graph is one that can be followed: what a file says that is whole, and still makes no sense.

`edged.classify.flatbuffer` has seen to it that every offset and index leads somewhere. Here each operator has as many
inputs and outputs as it must have, and what it reads was there before. Whoever lowers it need not ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edged.errors import ModelError

if TYPE_CHECKING:
    from edged.compiler.model import Graph, Operator, Tensor

_MANY: Final = 1 << 15
_ANEW: Final = "Convert the model anew"
_ARITY: Final = {
    "ADD": (2, 2, 1),
    "ASSIGN_VARIABLE": (2, 2, 0),
    "AVERAGE_POOL_2D": (1, 1, 1),
    "CALL_ONCE": (0, 0, 0),
    "CONCATENATION": (1, _MANY, 1),
    "CONV_2D": (2, 3, 1),
    "DEPTHWISE_CONV_2D": (2, 3, 1),
    "FULLY_CONNECTED": (2, 3, 1),
    "LOGISTIC": (1, 1, 1),
    "MUL": (2, 2, 1),
    "QUANTIZE": (1, 1, 1),
    "READ_VARIABLE": (1, 1, 1),
    "RESHAPE": (1, 2, 1),
    "SOFTMAX": (1, 1, 1),
    "SPLIT_V": (3, 3, _MANY),
    "STRIDED_SLICE": (4, 4, 1),
    "VAR_HANDLE": (0, 0, 1),
}
"""By operator: the fewest inputs, the most, and the most outputs; there is always one where there may be any."""
_BIASED: Final = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
_OPTIONAL: Final = 2
"""The number of their bias, which may be left out."""
_RANKS: Final = {
    "AVERAGE_POOL_2D": (4, 4),
    "CONV_2D": (4, 4),
    "DEPTHWISE_CONV_2D": (4, 4),
    "FULLY_CONNECTED": (1, _MANY),
    "CONCATENATION": (1, _MANY),
    "SOFTMAX": (1, _MANY),
    "SPLIT_V": (1, _MANY),
}
"""By operator: dimensions of the first input and of the outputs, the fewest and the most."""


def check_graph(graph: Graph) -> None:
    """Refuse what cannot be followed.

    Raises:
        ModelError: It says which operator; the caller knows the file, and adds it.
    """
    there = {tensor.index for tensor in graph.tensors if tensor.data is not None}
    for index in graph.inputs:
        if index in there:
            raise ModelError("its input is a constant", way_out=_ANEW)
        there.add(index)
    for operator in graph.operators:
        _check_arity(operator)
        for index in operator.inputs:
            if index not in there and index >= 0:
                raise operator.refused(f"reads tensor {index} before it is there", way_out=_ANEW)
        for index in operator.outputs:
            if index in there:
                raise operator.refused(f"makes tensor {index}, which is there already", way_out=_ANEW)
            there.add(index)
            _check_made(operator, graph.tensors[index])
        _check_ranks(operator, graph)
    if missing := set(graph.outputs) - there:
        raise ModelError(f"nothing makes its output {min(missing)}", way_out=_ANEW)


def _check_arity(operator: Operator) -> None:
    fewest, most, made = _ARITY[operator.name]
    count, outputs = len(operator.inputs), len(operator.outputs)
    if not fewest <= count <= most or not min(made, 1) <= outputs <= made:
        raise operator.refused(f"has {count} inputs and {outputs} outputs", way_out=_ANEW)
    given = [index for at, index in enumerate(operator.inputs) if at != _OPTIONAL or operator.name not in _BIASED]
    if min((*given, *operator.outputs), default=0) < 0:
        raise operator.refused("leaves out what it needs", way_out=_ANEW)


def _check_made(operator: Operator, tensor: Tensor) -> None:
    if operator.name != "VAR_HANDLE" and not tensor.elements:
        raise operator.refused(f"makes {list(tensor.shape)}, which is nothing", way_out=_ANEW)


def _check_ranks(operator: Operator, graph: Graph) -> None:
    fewest, most = _RANKS.get(operator.name, (0, _MANY))
    for index in (*operator.inputs[:1], *operator.outputs):
        rank = len(graph.tensors[index].shape)
        if not fewest <= rank <= most:
            raise operator.refused(f"works on {list(graph.tensors[index].shape)}", way_out=_ANEW)
