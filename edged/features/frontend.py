"""What every front end is, and the way to open one.

A front end turns samples into frames, as they come. How the samples were cut into pushes never shows: the frames are
the same bit for bit, and after `reset` they are those of a fresh one. Frame k rests on the samples from ``k * step``
up to, not including, ``k * step + window``, counted since the start or the last reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, assert_never

from edged.features.mel_front_end import MelFrontEnd
from edged.features.micro import MicroFrontEnd
from edged.features.pcm import PcmFrontEnd
from edged.features.spec import FrontEndSpec, Lfbe, LogMel, Mfcc, Micro, RawPcm
from edged.features.window import Geometry

if TYPE_CHECKING:
    from edged.records import Frames, Pcm


class FrontEnd(Geometry, Protocol):
    """Samples in, frames out."""

    @property
    def rate_hz(self) -> int:
        """The sample rate that it wants."""

    def push(self, samples: Pcm) -> Frames:
        """Take the next samples, shape (n,), int16, mono; give the frames they complete, shape (frames ≥ 0, width)."""

    def reset(self) -> None:
        """Forget everything heard: what follows is as from a new front end."""


def open_front_end(spec: FrontEndSpec) -> FrontEnd:
    """The front end that the record asks for, fresh."""
    match spec:
        case Micro():
            return MicroFrontEnd(every=spec.every)
        case LogMel() | Mfcc() | Lfbe():
            return MelFrontEnd(spec)
        case RawPcm():
            return PcmFrontEnd(rate_hz=spec.rate_hz, scale=spec.scale)
        case _:
            assert_never(spec)
