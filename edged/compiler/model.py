"""A `.tflite` as plain records: tensors with their scales and constants, operators with their options.

The file is read by the package `tflite`, which is what FlatBuffers makes of TensorFlow's schema. It trusts what it
reads, so every file goes through `edged.classify.flatbuffer` first, which follows each offset and refuses what is
damaged.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from edged.classify.flatbuffer import Damaged, read_tables
from edged.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

Option: TypeAlias = int | float | bool | str

_CONV: Final = {
    "padding": "Padding",
    "stride_h": "StrideH",
    "stride_w": "StrideW",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
    "activation": "FusedActivationFunction",
}
_ACTIVATION: Final = {"activation": "FusedActivationFunction"}
_OPTIONS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "ADD": ("AddOptions", _ACTIVATION),
    "AVERAGE_POOL_2D": (
        "Pool2DOptions",
        {
            **_ACTIVATION,
            "padding": "Padding",
            "stride_h": "StrideH",
            "stride_w": "StrideW",
            "k_h": "FilterHeight",
            "k_w": "FilterWidth",
        },
    ),
    "CALL_ONCE": ("CallOnceOptions", {"graph": "InitSubgraphIndex"}),
    "CONCATENATION": ("ConcatenationOptions", {**_ACTIVATION, "axis": "Axis"}),
    "CONV_2D": ("Conv2DOptions", _CONV),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _CONV),
    "FULLY_CONNECTED": ("FullyConnectedOptions", {**_ACTIVATION, "weights_format": "WeightsFormat"}),
    "MUL": ("MulOptions", _ACTIVATION),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
            "offset": "Offset",
        },
    ),
    "VAR_HANDLE": ("VarHandleOptions", {"container": "Container", "name": "SharedName"}),
}
"""By operator: the table of its options, and which of its fields matter here."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    """The schema's name in small letters: ``int8``, ``resource``."""
    scales: tuple[float, ...]
    """Float32 values; one, or one for each slice along `axis`; none where it is not quantised."""
    zeros: tuple[int, ...]
    axis: int
    data: bytes | None
    """Little-endian; None of what is worked out."""

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """Of a tensor that is quantised as a whole; 0 where it is not quantised."""
        return self.scales[0] if self.scales else 0.0

    @property
    def zero(self) -> int:
        """Of a tensor that is quantised as a whole."""
        return self.zeros[0] if self.zeros else 0


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a graph."""

    at: int
    """Its place among those of its graph."""
    name: str
    """The schema's: ``CONV_2D``, or ``operator 250`` where the schema has none."""
    inputs: tuple[int, ...]
    """-1 for one that is left out."""
    outputs: tuple[int, ...]
    options: Mapping[str, Option]

    def __str__(self) -> str:
        """Render as messages have it: ``operator 3 (CONV_2D)``."""
        return f"operator {self.at} ({self.name})"

    def number(self, option: str) -> int:
        """An option that is a whole number."""
        return int(self.options[option])

    def refused(self, what: str, *, way_out: str = "Convert the model anew, to int8 throughout") -> ModelError:
        """The error that says what about it cannot be compiled; whoever knows the file adds it."""
        return ModelError(what, key=str(self), way_out=way_out)


@dataclass(frozen=True, slots=True)
class Graph:
    """Operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


def read_model(data: bytes) -> tuple[Graph, ...]:
    """Every graph of a `.tflite`; the first is the one that is invoked.

    Raises:
        ModelError: It is damaged; the caller knows the file, and adds it.
    """
    from tflite.Model import Model  # noqa: PLC0415 - only a compilation needs it

    try:
        read_tables(data)
        model = Model.GetRootAs(data)
        names = [_operator_name(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
        graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
        return tuple(_graph(model, graph, names) for graph in graphs)
    except (Damaged, struct.error) as why:
        raise ModelError(str(why), way_out="Fetch or convert it anew") from None


def _graph(model: Any, graph: Any, names: list[str]) -> Graph:
    return Graph(
        tensors=tuple(_tensor(model, graph.Tensors(i), i) for i in range(graph.TensorsLength())),
        inputs=tuple(graph.Inputs(i) for i in range(graph.InputsLength())),
        outputs=tuple(graph.Outputs(i) for i in range(graph.OutputsLength())),
        operators=tuple(_operator(graph.Operators(i), i, names) for i in range(graph.OperatorsLength())),
    )


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    scaling = tensor.Quantization()
    buffer = model.Buffers(tensor.Buffer())
    return Tensor(
        index=index,
        shape=tuple(abs(tensor.Shape(i)) for i in range(tensor.ShapeLength())),
        dtype=_type_name(tensor.Type()),
        scales=() if scaling is None else tuple(scaling.Scale(i) for i in range(scaling.ScaleLength())),
        zeros=() if scaling is None else tuple(scaling.ZeroPoint(i) for i in range(scaling.ZeroPointLength())),
        axis=0 if scaling is None else scaling.QuantizedDimension(),
        data=buffer.DataAsNumpy().tobytes() if buffer.DataLength() else None,
    )


def _operator(operator: Any, at: int, names: list[str]) -> Operator:
    name = names[operator.OpcodeIndex()]
    return Operator(
        at=at,
        name=name,
        inputs=tuple(operator.Inputs(i) for i in range(operator.InputsLength())),
        outputs=tuple(operator.Outputs(i) for i in range(operator.OutputsLength())),
        options=_options(operator, name, at),
    )


def _options(operator: Any, name: str, at: int) -> dict[str, Option]:
    import tflite  # noqa: PLC0415 - as above

    if name not in _OPTIONS:
        return {}
    kind, fields = _OPTIONS[name]
    table = operator.BuiltinOptions()
    if table is None or operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, kind):
        what = "damaged: its options are missing, or another operator's"
        raise ModelError(what, key=f"operator {at} ({name})", way_out="Fetch or convert it anew")
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    found = {ours: getattr(options, theirs)() for ours, theirs in fields.items()}
    return {ours: value.decode() if isinstance(value, bytes) else value for ours, value in found.items()}


def _operator_name(code: Any) -> str:
    import tflite  # noqa: PLC0415 - as above

    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM {(code.CustomCode() or b'').decode()}".rstrip()
    return str(tflite.BUILTIN_OPCODE2NAME.get(number, f"operator {number}"))


def _type_name(number: int) -> str:
    import tflite  # noqa: PLC0415 - as above

    names = {value: name for name, value in vars(tflite.TensorType).items() if not name.startswith("_")}
    return str(names.get(number, f"type {number}")).lower()
