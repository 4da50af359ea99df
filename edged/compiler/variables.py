"""The variables of a streaming model: who reads and assigns them, and what they begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edged.compiler.model import Graph, Operator

_FIXED: Final = "Export the model with variables that are initialised by constants, as microWakeWord does"


@dataclass(frozen=True, slots=True)
class Variables:
    """Those of one model, by container and name."""

    handles: Mapping[int, str]
    """By tensor of the first graph."""
    sizes: dict[str, int] = field(default_factory=dict)
    """In bytes."""
    reads: dict[str, list[Operator]] = field(default_factory=dict)
    assigns: dict[str, list[Operator]] = field(default_factory=dict)
    begins: dict[str, bytes] = field(default_factory=dict)

    def of(self, operator: Operator) -> str:
        """The variable that an operator reads or assigns; ModelError where it says none."""
        handle = operator.inputs[0]
        if handle not in self.handles:
            raise operator.refused("names no variable", way_out=_FIXED)
        return self.handles[handle]

    def is_read_before_it_is_assigned_once(self, name: str) -> bool:
        """Within a run; then what is read may stay where it is until the end of it."""
        assigned = [operator.at for operator in self.assigns[name]]
        return len(assigned) <= 1 and all(operator.at < at for at in assigned for operator in self.reads[name])


def variables_of(graphs: Sequence[Graph]) -> Variables:
    """Find all of them.

    Raises:
        ModelError: They are used in a way that no board could follow.
    """
    main = graphs[0]
    found = Variables(_handles(main))
    for operator in main.operators:
        match operator.name:
            case "READ_VARIABLE":
                _note(found, operator, main, operator.outputs[0], found.reads)
            case "ASSIGN_VARIABLE":
                _note(found, operator, main, operator.inputs[1], found.assigns)
            case "CALL_ONCE":
                _begin(found, operator, graphs)
    for name, reads in found.reads.items():
        first = min((operator.at for operator in found.assigns[name]), default=len(main.operators))
        if name not in found.begins and any(operator.at < first for operator in reads):
            raise reads[0].refused(f"variable {name!r} is read before anything was put into it", way_out=_FIXED)
    return found


def _handles(graph: Graph) -> dict[int, str]:
    return {
        operator.outputs[0]: f"{operator.options['container']}/{operator.options['name']}"
        for operator in graph.operators
        if operator.name == "VAR_HANDLE"
    }


def _note(found: Variables, operator: Operator, graph: Graph, index: int, uses: dict[str, list[Operator]]) -> None:
    name, tensor = found.of(operator), graph.tensors[index]
    if tensor.dtype not in ("int8", "uint8"):
        raise operator.refused(f"variable {name!r} is of {tensor.dtype}; int8 and uint8 can be compiled")
    if found.sizes.setdefault(name, tensor.elements) != tensor.elements:
        raise operator.refused(f"variable {name!r} is of {found.sizes[name]} bytes, and of {tensor.elements}")
    found.reads.setdefault(name, [])
    found.assigns.setdefault(name, [])
    uses[name].append(operator)


def _begin(found: Variables, operator: Operator, graphs: Sequence[Graph]) -> None:
    """What the graph that is called once puts into variables."""
    number = operator.number("graph")
    if not 0 < number < len(graphs) or found.sizes:
        raise operator.refused("does not come before everything else", way_out=_FIXED)
    graph = graphs[number]
    handles = _handles(graph)
    for inner in graph.operators:
        match inner.name:
            case "VAR_HANDLE":
                pass
            case "ASSIGN_VARIABLE" if inner.inputs[0] in handles and graph.tensors[inner.inputs[1]].data is not None:
                found.begins[handles[inner.inputs[0]]] = graph.tensors[inner.inputs[1]].data or b""
            case _:
                raise operator.refused(f"{inner} of graph {number} is no constant for a variable", way_out=_FIXED)
