"""What a live source has heard and what it has missed, so that silence can be told from deafness."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Ledger:
    """Counters since the source began to listen; they only grow."""

    heard_s: float = 0.0
    """Audio handed on."""
    missed_s: float = 0.0
    """Time for which there is no audio: outages, losses found by the clock, and chunks dropped here."""
    dropped_chunks: int = 0
    """Chunks that came while the consumer was too far behind; the oldest go first."""
    replaced: int = 0
    """Processes that had to be replaced: hung, killed, or gone by themselves."""
