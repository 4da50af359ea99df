"""What an operator's lowering needs to know: its tensors, where they lie, and where constants gather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edged.compiler.multiplier import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edged.classify.runtime import Library
    from edged.compiler.flow import Root, View
    from edged.compiler.model import Graph, Operator, Tensor
    from edged.compiler.pool import Pool


@dataclass(frozen=True, slots=True)
class Site:
    """A graph whose tensors have their places."""

    graph: Graph
    views: Mapping[int, View]
    roots: Mapping[Root, int]
    """Offsets in the arena."""
    pool: Pool
    library: Library
    """Whose reference kernels the plan equals."""

    def taken(self, operator: Operator, number: int) -> Tensor:
        """An input, by its number among the operator's."""
        return self.graph.tensors[operator.inputs[number]]

    def made(self, operator: Operator) -> Tensor:
        """The one output."""
        return self.graph.tensors[operator.outputs[0]]

    def place(self, tensor: Tensor) -> int:
        """Where a tensor lies: in the arena, or among the constants."""
        if tensor.index not in self.views:
            return self.pool.add_place(tensor.data or b"")
        return self.address(self.views[tensor.index])

    def address(self, view: View) -> int:
        """Where a view is, in the arena or among the constants."""
        if view.root not in self.roots:
            assert isinstance(view.root, int)  # noqa: S101 - every variable has its place
            return self.pool.add_place(self.graph.tensors[view.root].data or b"") + view.at
        return self.roots[view.root] + view.at


def check_quantised(operator: Operator, *tensors: Tensor, dtypes: tuple[str, ...] = ("int8",)) -> None:
    """Refuse what is not of these types, or has not one scale for all of it."""
    for tensor in tensors:
        if tensor.dtype not in dtypes:
            what = f"tensor {tensor.index} is of {tensor.dtype}; {' and '.join(dtypes)} can be compiled"
            raise operator.refused(what, way_out=way_out_of(tensor.dtype))
        if len(tensor.scales) != 1 or len(tensor.zeros) != 1 or not tensor.scale > 0:
            raise operator.refused(f"tensor {tensor.index} has {len(tensor.scales)} scales, not one")
        low, high = LIMITS[tensor.dtype]
        if not low <= tensor.zero <= high:
            raise operator.refused(f"tensor {tensor.index} has the zero point {tensor.zero}")


def way_out_of(dtype: str) -> str:
    """What to do about a type that cannot be compiled."""
    if dtype.startswith("float"):
        return "Make an int8 model of it: `edged optimise`, or TensorFlow's converter with a representative dataset"
    return "Convert the model anew, to int8 throughout"
