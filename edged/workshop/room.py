"""A room listened to through the running daemon, for as long as it takes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edged.errors import SourceLost
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

    Args:
        bundle: The model.
        socket: The daemon's.
        source: Its name in the daemon's config.
        seconds: How much is to be heard.
        advanced: Told the seconds heard so far.

    Raises:
        UserError: The daemon has no such source, or does not let us listen.
        DaemonAway: There is no daemon.
        SourceLost: The source delivers nothing.
    """
    stretches: list[Scored] = []
    heard = 0.0
    with Scorer(bundle) as scorer:
        while heard < seconds:
            before = heard
            stretch = Stretch(socket, source, seconds - heard)
            scored = scorer.score(stretch, advanced=lambda s, before=before: advanced(before + s))  # type: ignore[misc]
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
            SourceLost: There is not one sample.
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
            except SourceLost:
                if not self.heard:
                    raise
