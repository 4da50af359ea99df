"""CPU of the front ends, in ms for a second of audio: `.venv/bin/python packaging/bench_features.py`.

The audio is noise, pushed in chunks of 20 ms and of 1 s; the median of five runs counts. Beside the micro front end
stands the bare loop over pymicro-features, and with each front end the windower of the model it is known from.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from pymicro_features import MicroFrontend

from edged.features.frontend import open_front_end
from edged.features.spec import FrontEndSpec, Lfbe, LogMel, Mfcc, Micro, RawPcm
from edged.features.window import Windower

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.records import Pcm

SECONDS = 20
RUNS = 5
CHUNKS_MS = (20, 1000)
CASES: dict[str, tuple[FrontEndSpec, int, int]] = {
    "micro, 3 frames every 3": (Micro(), 3, 3),
    "micro every 2, 49 every 5": (Micro(every=2), 49, 5),
    "log-mel (YAMNet), 96 every 48": (LogMel(), 96, 48),
    "mfcc (MLPerf), 49 every 5": (Mfcc(), 49, 5),
    "lfbe (MLPerf), 30 every 1": (Lfbe(), 30, 1),
    "pcm, 16000 every 8000": (RawPcm(), 16_000, 8_000),
}


def road(spec: FrontEndSpec, frames: int, hop: int) -> Callable[[Pcm], object]:
    """A front end and its windower, as a function of a chunk."""
    front_end = open_front_end(spec)
    windower = Windower(front_end, frames=frames, hop=hop)
    return lambda samples: windower.push(front_end.push(samples))


def bare() -> Callable[[Pcm], object]:
    """The shortest loop over pymicro-features that gives what a model needs."""
    frontend = MicroFrontend()

    def hear(samples: Pcm) -> list[object]:
        data = samples.tobytes()
        outs = (frontend.process_samples(data[at : at + 320]).features for at in range(0, len(data), 320))
        return [np.array(features, dtype=np.float32) for features in outs if features]

    return hear


def cost_ms(hear: Callable[[Pcm], object], *, chunk: int) -> float:
    """Process time in ms for a second of audio."""
    audio = (np.random.default_rng(0).standard_normal(SECONDS * 16_000) * 2000).astype(np.int16)
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        for first in range(0, len(audio), chunk):
            hear(audio[first : first + chunk])
        times.append((time.process_time() - began) * 1000 / SECONDS)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    print(f"{'CPU ms per s of audio':32}" + "".join(f"{ms:>8} ms chunks" for ms in CHUNKS_MS))
    rows = {"bare pymicro-features loop": bare()} | {name: road(*case) for name, case in CASES.items()}
    for name, hear in rows.items():
        print(f"{name:32}" + "".join(f"{cost_ms(hear, chunk=16 * ms):>18.2f}" for ms in CHUNKS_MS), flush=True)


if __name__ == "__main__":
    main()
