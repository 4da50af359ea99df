"""Compare the TensorFlow Lite runtimes that are installed: what each costs to load, to keep, and to ask.

    .venv/bin/python packaging/bench_runtime.py MODEL.tflite…

Each number comes from a fresh process: `import` is the time to import the library after NumPy, `+MB` what that adds to
the resident memory; `open MB` what a model then adds; the rest is the median of microseconds for one invoke, over as
many as fit into half a second: of the bare loop (set, invoke, get), of `TfliteModel.scores`, and of the bare loop on
reference kernels.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HALF_SECOND = 0.5


def resident_mb() -> float:
    """This process's memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def median_us(call: Any, *arguments: Any) -> float:
    """What one call takes."""
    call(*arguments)
    times, until = [], time.perf_counter() + HALF_SECOND
    while time.perf_counter() < until:
        began = time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def bare(interpreter: Any) -> float:
    """What one window takes at the very least."""
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    window = np.zeros(takes["shape"], dtype=takes["dtype"])

    def once() -> None:
        interpreter.set_tensor(takes["index"], window)
        interpreter.invoke()
        interpreter.get_tensor(gives["index"])

    return median_us(once)


def measure(library: Any, path: Path) -> dict[str, float]:
    """Runs in a process of its own: one library, one model."""
    before_mb, began = resident_mb(), time.perf_counter()
    from edged.classify import runtime  # noqa: PLC0415 - its import is what is measured

    runtime._import(library)  # noqa: SLF001 - likewise
    import_ms, import_mb = 1000 * (time.perf_counter() - began), resident_mb() - before_mb

    from edged.classify.bundle import Bundle  # noqa: PLC0415 - not to be in the import's numbers
    from edged.classify.fit import outline_of  # noqa: PLC0415 - likewise
    from edged.classify.tflite import TfliteModel  # noqa: PLC0415 - likewise
    from edged.features.spec import RawPcm  # noqa: PLC0415 - likewise

    data = path.read_bytes()
    outline = outline_of(data, file=path)
    size, outputs = int(np.prod(outline.inputs[0].shape)), int(np.prod(outline.outputs[0].shape))
    bundle = Bundle(
        name="bench",
        path=path,
        kind="tflite",
        labels=tuple(map(str, range(outputs))),
        front_end=RawPcm(),
        window_frames=size,
        hop_frames=size,
        policies={},
        sha256="",
        model=data,
    )
    before_mb = resident_mb()
    model = TfliteModel(bundle, library=library, kernels="default")
    plain = runtime.open_interpreter(data, library=library, kernels="reference", file=path)
    return {
        "import_ms": import_ms,
        "import_mb": import_mb,
        "open_mb": resident_mb() - before_mb,
        "bare_us": bare(model._interpreter),  # noqa: SLF001 - the same interpreter, without our part
        "scores_us": median_us(model.scores, np.zeros((size, 1), dtype=np.float32)),
        "reference_us": bare(plain),
    }


def main() -> None:
    """Measure each library with each model, and print a table."""
    if sys.argv[1] == "--one":
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
        return
    from edged.classify.runtime import installed  # noqa: PLC0415 - not before the measuring process has begun its own

    heads = f"{'import':>9} {'+MB':>5} {'open MB':>8} {'bare':>8} {'scores':>8} {'reference':>10}"
    print(f"{'model':32} {'library':15} {heads}")
    for path in sys.argv[1:]:
        for library in installed():
            command = [sys.executable, __file__, "--one", library, path]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            m = json.loads(done.stdout)
            print(
                f"{Path(path).stem[:32]:32} {library:15} "
                f"{m['import_ms']:6.0f} ms {m['import_mb']:5.1f} {m['open_mb']:8.1f} "
                f"{m['bare_us']:5.0f} µs {m['scores_us']:5.0f} µs {m['reference_us']:7.0f} µs"
            )


if __name__ == "__main__":
    main()
