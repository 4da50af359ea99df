"""A flow becomes records: the table of the operators that can be compiled, and the moves between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edged.compiler.flow import MOVES, SILENT, Move, flow
from edged.compiler.layout import lay_out
from edged.compiler.lower_conv import lower_conv, lower_depthwise, lower_fully_connected
from edged.compiler.lower_elementwise import (
    lower_add,
    lower_logistic,
    lower_mul,
    lower_pool,
    lower_quantize,
    lower_softmax,
)
from edged.compiler.pool import Pool
from edged.compiler.records import Copy
from edged.compiler.site import Site, way_out_of
from edged.compiler.variables import variables_of
from edged.compiler.wellformed import check_graph
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from edged.classify.runtime import Library
    from edged.compiler.flow import Flow, Step
    from edged.compiler.layout import Layout
    from edged.compiler.model import Graph, Operator
    from edged.compiler.records import Record
    from edged.compiler.variables import Variables

_WORK: Final[dict[str, Callable[[Operator, Site], Iterator[Record]]]] = {
    "ADD": lower_add,
    "AVERAGE_POOL_2D": lower_pool,
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise,
    "FULLY_CONNECTED": lower_fully_connected,
    "LOGISTIC": lower_logistic,
    "MUL": lower_mul,
    "QUANTIZE": lower_quantize,
    "SOFTMAX": lower_softmax,
}
_VARIABLES: Final = frozenset({"READ_VARIABLE", "ASSIGN_VARIABLE"})
OPERATORS: Final = tuple(sorted(_WORK.keys() | MOVES | SILENT | _VARIABLES))
"""What can be compiled."""
DTYPES: Final = ("int8", "uint8")


@dataclass(frozen=True, slots=True)
class Lowered:
    """A record, and what it came of."""

    record: Record
    operator: Operator
    constants_bytes: int
    """That it alone needs: what an earlier record has too is counted there."""


@dataclass(frozen=True, slots=True)
class Program:
    """A network, ready to be written."""

    flow: Flow
    layout: Layout
    init: tuple[Lowered, ...]
    run: tuple[Lowered, ...]
    constants: bytes

    def address(self, tensor: int) -> int:
        """Where in the arena a tensor lies that is no constant."""
        view = self.flow.views[tensor]
        return self.layout.roots[view.root] + view.at


def lower(graphs: Sequence[Graph], *, library: Library) -> Program:
    """Compile the first graph, and what it calls, to equal a library's reference kernels.

    Raises:
        ModelError: It holds something that boards do not know; the caller knows the file, and adds it.
    """
    main = graphs[0]
    _check_operators(graphs)
    for graph in graphs:
        check_graph(graph)
    _check_tensors(main)
    variables = variables_of(graphs)
    way, layout = _best(main, variables)
    site = Site(main, way.views, layout.roots, Pool(), library)
    init = [each for name in way.state for each in _gathered(_begin(name, variables, site), site)]
    run = [each for step in way.steps for each in _gathered(_records(step, site), site)]
    return Program(way, layout, tuple(init), tuple(run), site.pool.data)


def _check_operators(graphs: Sequence[Graph]) -> None:
    unknown = Counter(op.name for graph in graphs for op in graph.operators if op.name not in OPERATORS)
    if unknown:
        operator = next(op for graph in graphs for op in graph.operators if op.name in unknown)
        what = f"the firmware has no {', '.join(sorted(unknown))}"
        raise operator.refused(what, way_out=f"Use a model of {', '.join(OPERATORS[:-1])} and {OPERATORS[-1]}")


def _check_tensors(main: Graph) -> None:
    for noun, index in (("input", main.inputs[0]), ("output", main.outputs[0])):
        tensor = main.tensors[index]
        if tensor.dtype not in DTYPES:
            what = f"its {noun} is {tensor.dtype} {list(tensor.shape)}; {' and '.join(DTYPES)} can be compiled"
            raise ModelError(what, way_out=way_out_of(tensor.dtype))
        if len(tensor.scales) != 1 or not tensor.elements:
            what = f"its {noun} of {list(tensor.shape)} has {len(tensor.scales)} scales"
            raise ModelError(what, way_out=way_out_of(tensor.dtype))
    for operator in main.operators:
        for index in operator.outputs:
            tensor = main.tensors[index]
            if operator.name not in SILENT and tensor.dtype not in DTYPES:
                what = f"makes {tensor.dtype}; {' and '.join(DTYPES)} can be compiled"
                raise operator.refused(what, way_out=way_out_of(tensor.dtype))


def _best(main: Graph, variables: Variables) -> tuple[Flow, Layout]:
    """The way to share places that needs the smallest arena; of equals, the one with the fewest moves."""
    choices = [(in_place, rings) for in_place in (True, False) for rings in (True, False)]
    ways = [flow(main, variables, in_place=in_place, rings=rings) for in_place, rings in choices]
    if not {*main.outputs} <= ways[0].views.keys():
        raise ModelError("its output is a constant", way_out="Convert the model anew")
    laid = [(way, lay_out(way)) for way in ways]
    return min(laid, key=lambda each: (each[1].arena_bytes, len(each[0].steps)))


def _gathered(records: Iterator[tuple[Operator, Record]], site: Site) -> Iterator[Lowered]:
    before = len(site.pool)
    for operator, record in records:
        yield Lowered(record, operator, len(site.pool) - before)
        before = len(site.pool)


def _records(step: Step, site: Site) -> Iterator[tuple[Operator, Record]]:
    if isinstance(step, Move):
        src, out = site.address(step.src), site.address(step.out)
        for src_at, out_at, shape, stride_src, stride_out in step.piece.boxes():
            yield (
                step.operator,
                Copy(src=src + src_at, out=out + out_at, shape=shape, stride_src=stride_src, stride_out=stride_out),
            )
    else:
        for record in _WORK[step.operator.name](step.operator, site):
            yield step.operator, record


def _begin(name: str, variables: Variables, site: Site) -> Iterator[tuple[Operator, Record]]:
    """What a variable begins with; bytes that are all the same are one byte."""
    data: Mapping[str, bytes] = variables.begins
    if name not in data:
        return
    user = (*variables.reads[name], *variables.assigns[name])[0]
    size = variables.sizes[name]
    if len(data[name]) != size:
        raise user.refused(f"variable {name!r} begins with {len(data[name])} bytes of {size}")
    same = len(set(data[name])) == 1
    src = site.pool.add_place(data[name][:1] if same else data[name])
    out, step = site.roots[name], 0 if same else 1
    strides = {"stride_src": (0, 0, 0, step), "stride_out": (0, 0, 0, 1)}
    yield user, Copy(src=src, out=out, shape=(1, 1, 1, size), **strides)
