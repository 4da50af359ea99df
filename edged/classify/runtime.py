"""The TensorFlow Lite interpreter, whosever it is: the only module that knows tflite-runtime and LiteRT by name.

Both libraries run the same files through the same class, and one environment may hold both. `choose` takes
tflite-runtime wherever it exists, which is Python 3.11 (Debian 12, Raspberry Pi OS Bookworm, 32 bit included), and
LiteRT everywhere else: its wheels begin where the other's end, but there is none for armv7l. Where both exist they
trade memory for time. Measured by `packaging/bench_runtime.py` on x86-64, Python 3.11, NumPy 1.26.4, in fresh
processes:

                            tflite-runtime 2.14.0     LiteRT 2.1.6
    on disk                       7 MB                  53 MB, with what it needs
    import, beyond NumPy's     6 ms, +3.1 MB          9 ms, +8.8 MB
    a model, opened                +2.4 MB               +3.1 MB
    okay_nabu, one window         16 µs                  3 µs
    micro_speech                 154 µs                 15 µs
    MLPerf keywords              447 µs                 24 µs
    YAMNet                     8,743 µs                266 µs

A wake word is asked 33 times a second: 0.5 ms of CPU against 0.1 ms, and hearing that second costs 10. The 6 MB are
there all day, so memory decides; whoever runs a YAMNet names `litert` in the config, where it exists. ARM is still to
be measured.

The libraries' default kernels differ in the last bits of int8 outputs; `Kernels` "reference" names TensorFlow's plain
ones, which do not.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, assert_never

import numpy as np

from edged.errors import ModelError, UserError

if TYPE_CHECKING:
    from pathlib import Path

Library: TypeAlias = Literal["tflite-runtime", "litert"]
Kernels: TypeAlias = Literal["default", "reference"]

PACKAGES: Final[dict[Library, str]] = {"tflite-runtime": "tflite_runtime", "litert": "ai_edge_litert"}
"""In the order in which they are chosen."""


class Interpreter(Protocol):
    """What both libraries' interpreters are used for here."""

    def allocate_tensors(self) -> None:
        """Make room for every tensor; the shapes are fixed from here on."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each input."""

    def get_output_details(self) -> list[dict[str, Any]]:
        """Index, shape, dtype and quantization of each output."""

    def set_tensor(self, index: int, value: np.ndarray[Any, Any], /) -> None:
        """Copy an array into an input."""

    def invoke(self) -> None:
        """Run the model once."""

    def get_tensor(self, index: int, /) -> np.ndarray[Any, Any]:
        """Copy an output out."""


def installed() -> tuple[Library, ...]:
    """The libraries that are here, the preferred one first; nothing is imported."""
    return tuple(library for library, package in PACKAGES.items() if importlib.util.find_spec(package) is not None)


def choose() -> Library:
    """The library that this machine's models run on.

    Raises:
        UserError: There is none.
    """
    if not (here := installed()):
        way_out = "Install tflite-runtime (Python 3.11) or ai-edge-litert (3.12 and later; not on 32-bit ARM)"
        raise UserError("no TensorFlow Lite runtime is installed", way_out=way_out)
    return here[0]


def version_of(library: Library) -> str:
    """Which version of a library is here.

    Raises:
        UserError: The library is missing.
    """
    _import(library)
    return str(sys.modules[PACKAGES[library]].__version__)


def open_interpreter(model: bytes, *, library: Library, kernels: Kernels, file: Path) -> Interpreter:
    """An interpreter for a model, ready to be invoked, on one thread.

    Args:
        model: The `.tflite`, verified by `edged.classify.flatbuffer`: tflite-runtime crashes on a damaged one.
        library: Whose interpreter.
        kernels: The library's own kernels, or the reference ones: slow, and the same everywhere.
        file: Where the model came from, for the error.

    Raises:
        ModelError: The library refuses the model.
        UserError: The library is missing, or cannot work with the NumPy that is installed.
    """
    module = _import(library)
    resolver = module.OpResolverType.BUILTIN_REF if kernels == "reference" else module.OpResolverType.AUTO
    try:
        # Every byte of state is in the interpreter: two of one model share nothing.
        interpreter: Interpreter = module.Interpreter(
            model_content=model, num_threads=1, experimental_op_resolver_type=resolver
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, MemoryError) as error:
        way_out = "Convert it again for TensorFlow Lite with built-in operators only, or fetch it anew"
        raise ModelError(f"{library} refuses this model: {_one_line(error)}", file=file, way_out=way_out) from error
    except SystemError as error:  # what a binary built for another NumPy ends in
        raise _wrong_numpy(library) from error
    return interpreter


def check_numpy(library: Library, *, version: str = np.__version__) -> None:
    """Refuse a library that was built for another NumPy before it half works: it imports, and dies of the first model.

    Raises:
        UserError: tflite-runtime with NumPy 2 or later.
    """
    if library == "tflite-runtime" and int(version.partition(".")[0]) > 1:
        raise _wrong_numpy(library)


def _import(library: Library) -> Any:
    check_numpy(library)
    try:
        match library:
            case "tflite-runtime":
                from tflite_runtime import interpreter  # noqa: PLC0415 - one of the two, chosen at run time
            case "litert":
                from ai_edge_litert import interpreter  # noqa: PLC0415 - likewise
            case _:
                assert_never(library)
    except ImportError as error:
        here = ", ".join(installed()) or "none"
        raise UserError(
            f"cannot be loaded: {_one_line(error)}",
            key="runtime.library",
            value=library,
            way_out=f"Install it, or leave the choice to edged (installed: {here})",
        ) from error
    return interpreter


def _wrong_numpy(library: Library) -> UserError:
    return UserError(
        f"does not work with NumPy {np.__version__}",
        key="runtime.library",
        value=library,
        way_out="Install numpy<2 beside tflite-runtime, or use ai-edge-litert",
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
