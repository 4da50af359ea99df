"""What a model needs on an emulated Cortex-M4, and whether that is what the project promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from icount_board import TICK_INSTRUCTIONS, Counted, count
from icount_peers import PEERS

from edged.compiler.compiled import compile_model, read_source
from edged.compiler.records import macs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from icount_peers import Peer

FRAMES_A_SECOND: Final = 100
FRAME_SAMPLES: Final = 160
FRAMES: Final = 103
FRAMES_A_RUN: Final = {"micro_speech_quantized": 2}
"""10 ms frames from one inference to the next, of models that come without a section FRNT: as TFLM's own example."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a model needs."""

    model: str
    first: int
    """Instructions of the first inference."""
    mean: int
    """Instructions of an inference, the mean of 40."""
    cycles: int
    """Modelled, of an inference, on average."""
    ticks: int
    """Instructions of the first inference by SysTick, a second counter: equal but for its granularity."""
    macs: int
    arena: int
    stack: int
    flash: int
    plan: int
    frames: int | None
    """10 ms frames of sound for an inference; None where it is no model of speech that our front end feeds."""
    golden: bool
    """Whether the golden windows of the plan came out on the board."""

    @property
    def peer(self) -> Peer | None:
        """TensorFlow Lite Micro on the same model."""
        return PEERS.get(self.model)

    def missed(self) -> list[str]:
        """Which of the promises it does not keep."""
        if (peer := self.peer) is None:
            return []
        kept = {
            "half of the reference's instructions": 2 * self.mean <= peer.reference,
            "arena": self.arena < peer.arena,
            "flash": self.flash < peer.flash,
        }
        return [promise for promise, is_kept in kept.items() if not is_kept]

    def load(self, front_end: Counted) -> tuple[float, float] | None:
        """Instructions and modelled cycles for a second of sound, the front end included."""
        if self.frames is None:
            return None
        runs = FRAMES_A_SECOND / self.frames
        instructions = FRAMES_A_SECOND * front_end.mean + runs * self.mean
        return instructions, FRAMES_A_SECOND * front_end.mean_cycles + runs * self.cycles


def count_model(path: Path, options: Sequence[str]) -> tuple[Row, Counted]:
    """Compile, build, run.

    Raises:
        UserError: The compiler refuses the model.
        BenchError: The image cannot be built, or fails.
    """
    compiled = compile_model(read_source(path))
    counted = count(path.stem, bench="bench_nn.c", parts=["nn"], given=compiled.data, options=options)
    front_end = compiled.plan.front_end
    row = Row(
        model=path.stem,
        first=counted.first,
        mean=counted.mean,
        cycles=counted.mean_cycles,
        ticks=counted.ticks[0] * TICK_INSTRUCTIONS,
        macs=sum(macs(each.record) for each in compiled.program.run),
        arena=counted.said["arena"],
        stack=counted.said["stack"],
        flash=counted.flash,
        plan=len(compiled.data),
        frames=front_end.every * front_end.hop_frames if front_end else FRAMES_A_RUN.get(path.stem),
        golden=counted.said["golden"] == 0,
    )
    return row, counted


def count_front_end(options: Sequence[str]) -> Counted:
    """A second of noise, from quiet to loud.

    Raises:
        BenchError: The image cannot be built, or fails.
    """
    swell = np.geomspace(3, 10_000, FRAMES * FRAME_SAMPLES)
    noise = np.random.default_rng(1).standard_normal(len(swell)) * swell
    samples = np.clip(np.rint(noise), -32768, 32767).astype("<i2").tobytes()
    return count("frontend", bench="bench_frontend.c", parts=["frontend"], given=samples, options=options)
