"""Counts the instructions of an inference, and of the front end, on an emulated Cortex-M4: `tools/icount.py [MODEL…]`.

Each model is compiled by edged, built into an image with the engine, and run in QEMU's mps2-an386 (`-icount shift=0`)
under the plugin icount.c. Beside each stands what TensorFlow Lite Micro needs (icount_peers.py), and whether ours
is what the project promises: at most half of its reference instructions, and less arena and flash than with CMSIS-NN.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from icount_board import BenchError, missing
from icount_model import count_front_end, count_model
from icount_table import as_json, hottest, table

from edged.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
MODELS: Final = ROOT.parent / "shared" / "models"
DEFAULT: Final = (
    *(MODELS / f"{name}.tflite" for name in ("micro_speech_quantized", "mlperf_kws_ref_model")),
    *(MODELS / f"mlperf_{name}.tflite" for name in ("ic_pretrainedResnet_quant", "ad01_int8", "str_ww_ref_model")),
    *(MODELS / f"mww_v2_{name}.json" for name in ("hey_jarvis", "okay_nabu", "vad")),
    ROOT / "models" / "wake-en" / "wake-en.edged",
)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Count the instructions of models on an emulated Cortex-M4.")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="what `edged compile` takes")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    parser.add_argument("--hot", nargs="?", type=int, const=8, metavar="N", help="also the N functions that take most")
    parser.add_argument("--flags", default="", metavar="FLAGS", help="more flags for the compiler, to try something")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print; 0 when every promise is kept, 1 when one is not, 2 when nothing could be counted."""
    told = parse(arguments)
    options = told.flags.split()
    if absent := missing():
        print(f"icount: needs {', '.join(absent)}: apt install gcc-arm-none-eabi qemu-system-arm", file=sys.stderr)
        return 2
    try:
        front_end = count_front_end(options)
        counted = [count_model(path, options) for path in told.models or DEFAULT]
    except (UserError, BenchError) as wrong:
        print(f"icount: {wrong}", file=sys.stderr)
        return 2
    rows = [row for row, _ in counted]
    print(as_json(rows, front_end) if told.json else table(rows, front_end))
    if told.hot:
        hot = [hottest("front end", front_end, functions=told.hot)]
        hot += [hottest(row.model, each, functions=told.hot) for row, each in counted]
        print("\n" + "\n\n".join(hot))
    return 0 if all(row.golden and not row.missed() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
