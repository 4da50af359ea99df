"""In which order a model's operators run, and which of its tensors lie in the same place.

A tensor is its own *root*, or a view into another's: reshaping moves nothing, a slice in one piece is read where it
lies, and what is to be concatenated is made where it will stand. A variable of a streaming model is a root too, and
its bytes outlive the run. Reading it is a view. Where a model reads its past, puts the new behind it, and keeps the
end of that as its past (every stream of microWakeWord does), past and new share one place for good, and keeping is
one move at the end:

    | past            | new |        after the run: everything moves to the left by as much as is new

That a view may stand for a variable depends on when it is overwritten. So a variable is assigned as late as its last
view is read; one for which that cannot be is copied when it is read, as TensorFlow Lite does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from edged.compiler.moves import Piece, pieces, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edged.compiler.model import Graph, Operator
    from edged.compiler.variables import Variables

MOVES: Final = frozenset({"RESHAPE", "CONCATENATION", "SPLIT_V", "STRIDED_SLICE"})
SILENT: Final = frozenset({"CALL_ONCE", "VAR_HANDLE"})
VIEW_ALIGNMENT: Final = 4
"""Tensors lie at multiples of it, views too: a kernel may read words."""

Root: TypeAlias = int | str
"""A tensor, by its index, or a variable, by its name."""


@dataclass(frozen=True, slots=True)
class View:
    """So many bytes behind the beginning of a root."""

    root: Root
    at: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """An operator that computes."""

    operator: Operator


@dataclass(frozen=True, slots=True)
class Move:
    """Bytes that have to be moved, for an operator; `piece` counts from where its two ends are."""

    operator: Operator
    piece: Piece
    src: View
    out: View


Step: TypeAlias = Work | Move


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole of it."""

    graph: Graph
    steps: tuple[Step, ...]
    views: Mapping[int, View]
    """Of every tensor that is no constant's."""
    state: Mapping[str, int]
    """Variables, and the bytes of the place that each has for good."""


@dataclass(slots=True)
class _Aliases:
    """Who is a view of whom, while that is being found out."""

    graph: Graph
    direct: dict[int, View] = field(default_factory=dict)

    def view(self, index: int) -> View:
        at = 0
        while index in self.direct:
            step = self.direct[index]
            at += step.at
            if isinstance(step.root, str):
                return View(step.root, at)
            index = step.root
        return View(index, at)

    def is_root(self, index: int) -> bool:
        return index not in self.direct


def flow(graph: Graph, variables: Variables, *, in_place: bool, rings: bool) -> Flow:
    """Order a graph's work.

    Args:
        graph: The one that is invoked.
        variables: What its handles stand for.
        in_place: Make what is concatenated where it will stand.
        rings: Keep past and new of a stream in one place.

    Raises:
        ModelError: An operator moves bytes in a way that is not known; the caller knows the file, and adds it.
    """
    moved = {op.at: pieces(op, graph) for op in graph.operators if op.name in MOVES}
    shared = {name for name in variables.sizes if variables.is_read_before_it_is_assigned_once(name)}
    while True:
        found = _Attempt(graph, variables, moved, shared)
        found.alias(in_place=in_place, rings=rings)
        if not (unsafe := found.unsafe()):
            return found.flow()
        shared -= unsafe


class _Attempt:
    """One way to share places: the variables in `shared` are read where they lie."""

    def __init__(
        self, graph: Graph, variables: Variables, moved: Mapping[int, tuple[Piece, ...]], shared: set[str]
    ) -> None:
        self._graph, self._variables, self._moved, self._shared = graph, variables, moved, frozenset(shared)
        self._aliases = _Aliases(graph)
        self._sizes = dict(variables.sizes)
        self._concatenations = [
            op for op in graph.operators if op.name == "CONCATENATION" and all(each.dense for each in moved[op.at])
        ]

    def alias(self, *, in_place: bool, rings: bool) -> None:
        """Find out who is a view of whom."""
        for operator in self._graph.operators:
            if operator.name == "READ_VARIABLE" and self._variables.of(operator) in self._shared:
                self._aliases.direct[operator.outputs[0]] = View(self._variables.of(operator))
            for piece in self._moved.get(operator.at, ()):
                self._see(piece)
        if rings:
            for name in sorted(self._shared):
                self._close_ring(name)
        if in_place:
            for operator in self._concatenations:
                for piece in self._moved[operator.at]:
                    self._make_in_place(piece)

    def unsafe(self) -> set[str]:
        """Variables that cannot be read where they lie after all."""
        found = {str(view.root) for view in map(self._aliases.view, self._graph.outputs)}
        for operator in self._graph.operators:
            if operator.name == "ASSIGN_VARIABLE":
                root = self._aliases.view(operator.inputs[1]).root
                found |= {str(root)} - {self._variables.of(operator)}
        return found & self._shared

    def flow(self) -> Flow:
        """The order that comes of it."""
        views = {
            tensor.index: self._aliases.view(tensor.index)
            for tensor in self._graph.tensors
            if self._root_is_worked_out(tensor.index)
        }
        return Flow(self._graph, tuple(self._steps()), views, self._sizes)

    def _see(self, piece: Piece) -> None:
        """Take what is moved whole for a view of where it comes from."""
        if not piece.dense or self._graph.tensors[piece.out].elements != piece.bytes:
            return
        if (self._aliases.view(piece.src).at + piece.src_at) % VIEW_ALIGNMENT == 0:
            self._aliases.direct[piece.out] = View(piece.src, piece.src_at)

    def _close_ring(self, name: str) -> None:
        """Give a variable the place of the concatenation that begins with it and whose end it becomes."""
        reads, assigns = self._variables.reads[name], self._variables.assigns[name]
        if len(reads) != 1 or len(assigns) != 1:
            return
        kept = self._aliases.view(assigns[0].inputs[1]).root
        for operator in self._concatenations:
            first = self._moved[operator.at][0]
            begins = self._aliases.view(first.src) == View(name) and first.bytes == self._variables.sizes[name]
            if operator.outputs[0] == kept and begins and self._aliases.is_root(kept):
                self._aliases.direct[kept] = View(name)
                self._sizes[name] = self._graph.tensors[kept].elements

    def _make_in_place(self, piece: Piece) -> None:
        root = self._aliases.view(piece.src).root
        there = self._aliases.view(piece.out)
        if (
            isinstance(root, int)
            and root not in (*self._graph.inputs, there.root)
            and self._aliases.view(piece.src).at == 0
            and self._graph.tensors[root].elements == piece.bytes
            and self._root_is_worked_out(root)
            and root not in [self._aliases.view(index).root for index in self._graph.outputs]
            and (there.at + piece.out_at) % VIEW_ALIGNMENT == 0
        ):
            self._aliases.direct[root] = View(piece.out, piece.out_at)

    def _root_is_worked_out(self, index: int) -> bool:
        root = self._aliases.view(index).root
        return isinstance(root, str) or self._graph.tensors[root].data is None

    def _steps(self) -> Iterator[Step]:
        late: dict[int, list[Step]] = {}
        for operator in self._graph.operators:
            if operator.name == "ASSIGN_VARIABLE" and self._variables.of(operator) in self._shared:
                when = max(operator.at, self._last_touched(self._variables.of(operator)))
                late.setdefault(when, []).extend(self._of(operator))
        for operator in self._graph.operators:
            if operator.name != "ASSIGN_VARIABLE" or self._variables.of(operator) not in self._shared:
                yield from self._of(operator)
            yield from late.get(operator.at, [])

    def _last_touched(self, name: str) -> int:
        touched = (
            operator.at
            for operator in self._graph.operators
            for index in (*operator.inputs, *operator.outputs)
            if index >= 0 and self._aliases.view(index).root == name
        )
        return max(touched, default=0)

    def _of(self, operator: Operator) -> Sequence[Step]:
        match operator.name:
            case "READ_VARIABLE":
                out = operator.outputs[0]
                variable = View(self._variables.of(operator))
                return self._moves(operator, self._whole(out), variable, self._aliases.view(out))
            case "ASSIGN_VARIABLE":
                src = operator.inputs[1]
                variable = View(self._variables.of(operator))
                return self._moves(operator, self._whole(src), self._aliases.view(src), variable)
            case name if name in MOVES:
                return [
                    step
                    for piece in self._moved[operator.at]
                    for step in self._moves(
                        operator, piece, self._aliases.view(piece.src), self._aliases.view(piece.out)
                    )
                ]
            case name if name in SILENT:
                return []
        return [Work(operator)]

    def _moves(self, operator: Operator, piece: Piece, src: View, out: View) -> list[Step]:
        """The move, or nothing where the bytes are there already."""
        here, there = View(src.root, src.at + piece.src_at), View(out.root, out.at + piece.out_at)
        return [] if piece.dense and here == there else [Move(operator, piece, src, out)]

    def _whole(self, index: int) -> Piece:
        return whole(index, index, self._graph.tensors[index].elements)
