"""Compares the board's engine with LiteRT's reference kernels, model by model: `tools/bit_exactness.py [--json]`.

Each model is compiled as `edged compile` does it, once for each library that is installed, and run by mcu-firmware/nn
on this machine. Inputs are random bytes and real features: recordings through edged's own lanes, quantised as it
quantises them. Models that keep state hear their windows one after the other, and begin anew where the lane does.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from engine import Engine  # noqa: E402 - found by the line above
from planned import compiled  # noqa: E402 - likewise
from reference import Reference, windows  # noqa: E402 - likewise

from edged.audio.sources import FileSource  # noqa: E402 - likewise
from edged.classify.bundle import open_bundle  # noqa: E402 - likewise
from edged.classify.runtime import installed, version_of  # noqa: E402 - likewise
from edged.classify.tflite import TfliteModel  # noqa: E402 - likewise
from edged.features.spec import Lfbe, Mfcc, Micro  # noqa: E402 - likewise
from edged.lane import Lane  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from edged.classify.bundle import Bundle
    from edged.classify.runtime import Library
    from edged.features.spec import FrontEndSpec
    from edged.records import Frames

SHARED: Final = ROOT.parent / "shared"
OURS: Final = (ROOT / "models/wake-en/wake-en.edged", ROOT / "models/sounds/sounds.edged")
BARE: Final[dict[str, tuple[int, FrontEndSpec | None]]] = {
    "micro_speech_quantized": (4, Micro(every=2)),
    "mlperf_kws_ref_model": (12, Mfcc()),
    "mlperf_str_ww_ref_model": (3, Lfbe()),
    "mlperf_ic_pretrainedResnet_quant": (10, None),
    "mlperf_ad01_int8": (640, None),
}
"""Models of ../shared that say nothing of themselves: how many outputs, and the front end, where edged has it."""
NAMED: Final = ("mww_v2_hey_jarvis", "mww_v2_okay_nabu", "mww_v2_vad")
WORDS: Final = ("yes_1000ms", "no_1000ms", "silence_1000ms")
EVERY: Final = 101
"""Of the recordings in the shared data's manifest, one in so many is heard."""
NOTE: Final = """\
Each plan is made for the library that it is compared with (`edged compile` takes the one that the gateway runs). They
differ in FULLY_CONNECTED, whose sums ai-edge-litert 2.1.6 rounds once and tflite-runtime 2.14.0 twice. It shows in
mlperf_ad01_int8, where more than a quarter of the outputs differ by one. So do TensorFlow Lite Micro's from LiteRT's:
of these two LiteRT is followed."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind of inputs of one model, under one library."""

    model: str
    library: str
    inputs_are: str
    """"features" or "random"."""
    inputs: int
    outputs: int
    """Bytes compared."""
    differing: int


class Listened(TfliteModel):
    """The gateway's own model, which writes down what it was given and what it said; None where it began anew."""

    def __init__(self, bundle: Bundle, library: Library) -> None:
        self.log: list[tuple[bytes, bytes] | None] = []
        super().__init__(bundle, library=library, kernels="reference")

    def scores(self, frames: Frames) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Posteriors, as ever."""
        posteriors = super().scores(frames)
        assert self._interpreter is not None  # noqa: S101 - it has just answered
        self.log.append((self._takes.tobytes(), self._interpreter.get_tensor(self._output).tobytes()))
        return posteriors

    def _open(self) -> None:
        super()._open()
        self.log.append(None)


def recordings() -> list[Path]:
    """The words that come with micro_speech, and a sample of everything that was recorded."""
    data = SHARED / "data"
    listed = [line.split(",", 1)[0] for line in (data / "manifest.csv").read_text().splitlines()[1:]]
    return [*(SHARED / "models" / "wav" / f"{word}.wav" for word in WORDS), *(data / path for path in listed[::EVERY])]


def models() -> Iterator[tuple[str, bytes, Bundle | None]]:
    """Name, `.tflite`, and how it hears, if it does and edged knows."""
    for path in (*OURS, *(SHARED / "models" / f"{name}.json" for name in NAMED)):
        bundle = open_bundle(path)
        yield path.stem, bundle.model, bundle
    for name, (outputs, front_end) in BARE.items():
        path = SHARED / "models" / f"{name}.tflite"
        labels = [f"label{number}" for number in range(outputs)]
        yield name, path.read_bytes(), open_bundle(path, labels=labels, front_end=front_end) if front_end else None


def on_features(name: str, bundle: Bundle, library: Library) -> Compared:
    """Compare over recordings."""
    engine, model = Engine(compiled(bundle.model, library)), Listened(bundle, library)
    lane = Lane(bundle, model)
    for file in recordings():
        for chunk in FileSource(file).chunks():
            lane.hear(chunk)
        lane.finish()
    heard, outputs, differing = 0, 0, 0
    for entry in model.log:
        if entry is None:
            engine.reset()
            continue
        said = engine.run(entry[0])
        heard, outputs, differing = heard + 1, outputs + len(said), differing + unequal(said, entry[1])
    return Compared(name, library, "features", heard, outputs, differing)


def on_random(name: str, model: bytes, library: Library, count: int) -> Compared:
    """Compare over random inputs."""
    engine, reference = Engine(compiled(model, library)), Reference(model, library)
    given = windows(engine.input_bytes, count=count, seed=1)
    said, expected = b"".join(engine.run_all(given)), b"".join(reference.run_all(given))
    return Compared(name, library, "random", len(given), len(said), unequal(said, expected))


def unequal(one: bytes, other: bytes) -> int:
    """How many bytes differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def table(rows: Sequence[Compared]) -> str:
    """For people: a line for a model and a library."""
    lines = [f"{'model':34}{'library':16}{'inputs are':12}{'inputs':>8}{'outputs':>10}{'differing':>11}"]
    for row in rows:
        counts = f"{row.inputs:8,}{row.outputs:10,}{row.differing:11,}"
        lines.append(f"{row.model:34}{row.library:16}{row.inputs_are:12}{counts}")
    versions = ", ".join(f"{library} {version_of(library)}" for library in installed())
    return "\n".join([*lines, "", f"Libraries: {versions}, their reference kernels.", NOTE])


def main() -> int:
    """Compare and print; 0 when nothing differs, 1 when something does, 2 when there is nothing to compare with."""
    parser = argparse.ArgumentParser(description="Compare the firmware's engine with LiteRT's reference kernels.")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    parser.add_argument(
        "--random", type=int, default=300, metavar="N", help="random inputs of each model (default 300)"
    )
    told = parser.parse_args()
    if not SHARED.is_dir():
        print(f"bit_exactness: needs the project's shared models and recordings at {SHARED}", file=sys.stderr)
        return 2
    rows = []
    for name, model, bundle in models():
        for library in installed():
            if bundle is not None:
                rows.append(on_features(name, bundle, library))
            rows.append(on_random(name, model, library, told.random))
    print(json.dumps([asdict(row) for row in rows], indent=2) if told.json else table(rows))
    return int(any(row.differing for row in rows))


if __name__ == "__main__":
    sys.exit(main())
