"""A room listened to through the running daemon, for as long as it takes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.errors import Unavailable
from edged.workshop.live import tapped
from edged.workshop.scoring import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edged.classify.bundle import Bundle
    from edged.records import Pcm
    from edged.workshop.scoring import Scored


def listened(
    bundle: Bundle, *, socket: Path, source: str, seconds: float, advanced: Callable[[float], None]
) -> list[Scored]:
    """Score what a source of the running daemon hears; where its audio breaks off, a new stretch begins.

    Where it does not come back, what was heard until then is given.

    Args:
        bundle: The model.
        socket: The daemon's.
        source: Its name in the daemon's config.
        seconds: How much is to be heard.
        advanced: Told the seconds heard so far.

    Raises:
        UserError: The daemon has no such source, or does not let us listen.
        DaemonAway: There is no daemon.
        Unavailable: The source delivers nothing.
    """
    stretches: list[Scored] = []
    heard = 0.0
    with Scorer(bundle) as scorer:
        while heard < seconds:
            try:
                scored = scorer.score(
                    Stretch(socket, source, seconds - heard),
                    advanced=lambda now, before=heard: advanced(before + now),  # type: ignore[misc]
                )
            except Unavailable:
                if not stretches:
                    raise
                return stretches  # it does not come back: what was heard until then is not thrown away
            stretches.append(scored)
            heard += scored.seconds
    return stretches


@dataclass(slots=True)
class Stretch:
    """What a source delivers without a break, up to a length: the sound of one stretch."""

    socket: Path
    source: str
    seconds: float
    heard: int = field(default=0)
    """Samples so far."""

    def blocks(self, rate_hz: int) -> Iterator[Pcm]:
        """Its samples in order, mono, at this rate; it ends early where the audio breaks off.

        Raises:
            Unavailable: There is not one sample.
        """
        wanted = round(self.seconds * rate_hz)
        with closing(tapped(self.socket, self.source, rate_hz=rate_hz)) as audio:
            try:
                for samples in audio:
                    piece = samples[: wanted - self.heard]
                    self.heard += len(piece)
                    yield piece
                    if self.heard >= wanted:
                        return
            except Unavailable:
                if not self.heard:
                    raise
