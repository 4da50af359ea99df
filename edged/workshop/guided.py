"""Recording takes with somebody who is told what to say, what was wrong with the last one, and how many are left.

Each take that is kept is on the disk before the next one is asked for: whatever ends the session, Ctrl-C, a microphone
that is unplugged or a full disk, loses at most the take that was being said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from edged.errors import SourceLost
from edged.workshop.dataset import RATE_HZ, read_audio
from edged.workshop.gather import Gathered, Refusal
from edged.workshop.take import clipped_at, fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.records import Pcm
    from edged.workshop.dataset import Clip
    from edged.workshop.take import Known
    from edged.workshop.taker import Take, Taking
    from edged.workshop.writer import Writer

PATIENCE_S: Final = 60.0
"""Without a take for so long, nobody is there."""
MUTED_S: Final = 5.0
"""So long nothing but zeros, and the speaker is told."""


class Screen(Protocol):
    """Where the speaker looks."""

    def ask(self, number: int, count: int) -> None:
        """Ask for a take: which, of how many."""

    def level(self, dbfs: float, *, clipped: bool) -> None:
        """Show how loud it is now."""

    def kept(self, clip: Clip, *, length_s: float, left: int) -> None:
        """Say that the take is kept."""

    def refused(self, why: str) -> None:
        """Say why it is not, and that it is asked for again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is recorded."""

    label: str
    source: str
    group: str
    licence: str
    count: int
    """Takes that are to be kept."""

    @property
    def may_be_quiet(self) -> bool:
        """Whether it is background, which may be next to nothing."""
        return self.label.startswith("_")


def record(
    heard: Iterator[Pcm], *, asked: Asked, taking: Taking, writer: Writer, known: Known, screen: Screen
) -> Gathered:
    """Record takes until so many are kept.

    Args:
        heard: What the microphone hears, pieces of shape (n,), 16 kHz, without end.
        asked: What is recorded.
        taking: Cuts it.
        writer: Where to.
        known: The takes there are; those that are kept come to it.
        screen: Where the speaker looks.

    Raises:
        SourceLost: The microphone is gone, or nothing was said for a minute; what was kept is in the dataset.
        DatasetError: The dataset cannot be written.
    """
    made = Gathered()
    silent_s = heard_s = muted_s = 0.0
    screen.ask(1, asked.count)
    for samples in heard:
        heard_s += len(samples) / RATE_HZ
        silent_s += len(samples) / RATE_HZ
        muted_s = 0.0 if samples.any() else muted_s + len(samples) / RATE_HZ
        if MUTED_S <= muted_s < MUTED_S + len(samples) / RATE_HZ:
            screen.refused("digital silence; is the microphone muted?")
        takes = taking.push(samples)
        screen.level(taking.level_dbfs, clipped=bool(len(clipped_at(samples.reshape(-1, 1)))))
        for take in takes:
            silent_s = 0.0
            why = _add(take, asked=asked, writer=writer, known=known, made=made)
            left = asked.count - len(made.kept)
            if why:
                made.refused.append(Refusal("", round(heard_s, 3), why))
                screen.refused(why)
            else:
                screen.kept(made.kept[-1], length_s=len(take.samples) / RATE_HZ, left=left)
            if not left:
                return made
            screen.ask(len(made.kept) + 1, asked.count)
        if silent_s > PATIENCE_S:
            kept = f"{len(made.kept)} of {asked.count} takes are kept"
            raise SourceLost(f"nothing louder than the room was heard for {PATIENCE_S:.0f} s; {kept}")
    raise SourceLost(f"the microphone fell silent; {len(made.kept)} of {asked.count} takes are kept")


def _add(take: Take, *, asked: Asked, writer: Writer, known: Known, made: Gathered) -> str:
    """Keep a take; say why not where it is not fit."""
    if not take.whole:
        return (
            f"it went on for longer than {len(take.samples) / RATE_HZ:.1f} s; say it alone, or give a longer --length"
        )
    clipped = len(clipped_at(take.samples.reshape(-1, 1)))
    if why := fault(take.samples, clipped=clipped, may_be_quiet=asked.may_be_quiet):
        return why
    if same := known.same_as(take.samples):
        return f"the same audio as {same}; say it anew"
    clip = writer.add(take.samples, label=asked.label, source=asked.source, group=asked.group, licence=asked.licence)
    writer.commit()
    known.add(str(clip.path), take.samples, read=lambda: read_audio(clip))
    made.kept.append(clip)
    made.seconds += len(take.samples) / RATE_HZ
    return ""
