"""A `.tflite` drawn operator by operator, by the schema that LiteRT brings: for compiler and interpreters alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]

TYPES: Final = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "resource": schema.TensorType.RESOURCE,
}


class Sketch:
    """A model in the making; its first graph is the one that is invoked."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.operatorCodes = []
        self._model.subgraphs = []
        self._model.buffers = [
            schema.BufferT()
        ]  # the first is empty, by custom: it is that of every tensor without data
        self.graph()

    def graph(self) -> int:
        """Begin another graph: what follows is drawn there. Its number."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
        self._model.subgraphs.append(graph)
        self._graph = graph
        return len(self._model.subgraphs) - 1

    def tensor(  # its shape, and what may be said of it
        self,
        shape: Sequence[int],
        *,
        dtype: str = "int8",
        scale: float | Sequence[float] | None = None,
        zero: int = 0,
        axis: int = 0,
        data: Array | None = None,
    ) -> int:
        """Draw a tensor; give its number. Several scales are those of the slices along `axis`."""
        tensor = schema.TensorT()
        tensor.name = f"tensor{len(self._graph.tensors)}".encode()
        tensor.shape, tensor.type = list(shape), TYPES[dtype]
        if scale is not None:
            scales = [scale] if isinstance(scale, float) else list(scale)
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = [zero] * len(scales)
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def numbers(self, *values: int) -> int:
        """Draw a constant vector of int32: axes, shapes, sizes."""
        return self.tensor((len(values),), dtype="int32", data=np.array(values, np.int32))

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: str = "", **fields: object
    ) -> None:
        """Draw an operator; `options` is the schema's table without its last word, its fields follow."""
        code = getattr(schema.BuiltinOperator, name)
        codes = [each.builtinCode for each in self._model.operatorCodes]
        if code not in codes:
            told = schema.OperatorCodeT()
            told.builtinCode, told.deprecatedBuiltinCode, told.version = code, min(code, 127), 1
            self._model.operatorCodes.append(told)
            codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = codes.index(code), list(inputs), list(outputs)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
            operator.builtinOptions = getattr(schema, f"{options}OptionsT")()
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self._graph.operators.append(operator)

    def model(self, *, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file; `inputs` and `outputs` are of its first graph."""
        first = self._model.subgraphs[0]
        first.inputs, first.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
