"""A trained network in 8 bits: weights, activations and, for a streaming model, the state it keeps.

TensorFlow's converter does it, told by examples how far each activation goes. It runs in a process of its own
(`python -m edged.workshop.quantise`): TensorFlow and tflite-runtime in one process share symbols, and the second one
then fails to read a model; and its memory goes when it ends.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edged.errors import ModelError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.records import Frames

Precision = Literal["int8", "float32"]


def quantise(saved_model: Path, representative: Frames) -> bytes:
    """An int8 `.tflite`: int8 in, uint8 out.

    Args:
        saved_model: A TensorFlow SavedModel of one input [1, window_frames, width] and one output of posteriors.
        representative: float32, shape (n, window_frames, width): what it will hear, in order where it keeps state.

    Raises:
        UserError: TensorFlow is not installed.
        ModelError: The converter refuses the model.
    """
    return convert(saved_model, precision="int8", representative=representative)


def convert(saved_model: Path, *, precision: Precision, representative: Frames | None = None) -> bytes:
    """A `.tflite` in the precision asked for; int8 wants `representative`. Raises as `quantise`."""
    require_tensorflow()
    with tempfile.TemporaryDirectory(prefix="edged-convert-") as folder:
        examples, made = Path(folder, "examples.npy"), Path(folder, "made.tflite")
        if representative is not None:
            np.save(examples, representative)
        command = [sys.executable, "-m", __name__, precision, str(saved_model), str(examples), str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not made.exists():
            why = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise ModelError(f"TensorFlow's converter refuses it: {why}", file=saved_model, way_out="Train it anew")
        return made.read_bytes()


def require_tensorflow() -> None:
    """See that TensorFlow is there, without the seconds that loading it takes.

    Raises:
        UserError: It is not.
    """
    if find_spec("tensorflow") is None:
        raise UserError("this needs TensorFlow", way_out="Type make setup-train, or pip install 'edged[train]'")


def _main(arguments: Sequence[str]) -> None:
    precision, saved_model, examples, made = arguments
    Path(made).write_bytes(_converted(saved_model, precision, examples))


def _converted(saved_model: str, precision: str, examples: str) -> bytes:
    import tensorflow as tf  # noqa: PLC0415 - half a gigabyte, and only here

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
    converter.experimental_enable_resource_variables = True
    if precision == "int8":
        frames = np.load(examples)

        def shown() -> Iterator[list[Any]]:
            for window in frames:
                yield [window[None]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = shown
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type, converter.inference_output_type = tf.int8, tf.uint8
        # A streaming model's state is as wide as the activations it keeps: without this it would stay float.
        converter._experimental_variable_quantization = True  # noqa: SLF001 - there is no public name for it
    return _slim(bytes(converter.convert()))


def _slim(model: bytes) -> bytes:
    """The same model without what nothing reads: a fifth of a small one is names, ranges and signatures.

    The scales of a bias are those of what it is added to, input times weight; runtimes take them from there.
    """
    from tensorflow.lite.python import schema_py_generated as schema  # noqa: PLC0415 - as above
    from tensorflow.lite.tools import flatbuffer_utils  # noqa: PLC0415 - as above

    told = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    told.signatureDefs, told.metadata, told.description = [], [], None
    for graph in told.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
            if tensor.type == schema.TensorType.INT32 and len(tensor.shape) == 1:
                tensor.quantization = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(told))


if __name__ == "__main__":
    _main(sys.argv[1:])
