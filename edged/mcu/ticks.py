"""A board's milliseconds as the gateway's time, with the error stated.

A board counts milliseconds since its boot and knows no other time. Each heartbeat tells its count at some moment
between our question and its answer, so the difference of the two clocks is known to half the round trip; the shortest
round trip of the last minutes knows it best. From there the clocks drift apart: by `DRIFT_PPM` at most, or by as much
as the heartbeats themselves show, should a board's oscillator be worse than that. So for a moment on the board's clock

    error = half the round trip + drift * time from that heartbeat + 1 ms

where the 1 ms is that of whole milliseconds, and the heartbeat is taken for which the sum is least.

An event that has survived a reset says which boot it is of: `BOOTS` of them are remembered, each with its last
heartbeats. Of a boot that we have never seen, because edged was not running then, nothing is known, and nothing is
made up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edged.mcu.board import Placed

DRIFT_PPM = 100.0
"""Both clocks together: crystals of boards are good for 20 to 50 ppm (nRF52840: 40 over its temperatures), the
gateway's as much."""
KEPT_NS = 180 * 10**9
"""Heartbeats older than this, before the newest, are forgotten."""
KEPT = 64
"""Of each boot, so many at most."""
BOOTS = 8
_MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    board_ns: int
    offset_ns: int
    """Our clock less the board's, in the middle of the round trip."""
    half_ns: int
    """Of the round trip."""


class Ticks:
    """What is known of one board's clock, boot by boot."""

    def __init__(self) -> None:
        self._boots: dict[int, deque[_Heartbeat]] = {}

    def note(self, boot: int, up_ms: int, asked_ns: int, answered_ns: int) -> None:
        """Take note of an answer that told the board's count, and when it was asked for and had come."""
        beats = self._boots.pop(boot, None)
        self._boots[boot] = beats = deque(maxlen=KEPT) if beats is None else beats  # the latest boot comes last
        while len(self._boots) > BOOTS:
            del self._boots[next(iter(self._boots))]
        board_ns, middle_ns = up_ms * _MS_NS, (asked_ns + answered_ns) // 2
        if beats and board_ns < beats[-1].board_ns:  # it counts anew, and does not count its boots: nothing holds
            beats.clear()
        beats.append(_Heartbeat(board_ns, middle_ns - board_ns, (answered_ns - asked_ns + 1) // 2))
        while beats[0].board_ns < board_ns - KEPT_NS:
            beats.popleft()

    def forget(self) -> None:
        """Forget everything: it is another board's clock from now on."""
        self._boots.clear()

    def place(self, boot: int, ms: int) -> Placed | None:
        """Place a moment of a boot, in ms since it; None where that boot was never heard of."""
        beats = self._boots.get(boot)
        if not beats:
            return None
        at_ns, drift = ms * _MS_NS, _drift(beats)

        def error_ns(beat: _Heartbeat) -> float:
            return beat.half_ns + abs(at_ns - beat.board_ns) * drift + _MS_NS

        best = min(beats, key=error_ns)
        return Placed(at_ns + best.offset_ns, round(error_ns(best) / _MS_NS, 3))


def _drift(beats: deque[_Heartbeat]) -> float:
    """Give how fast the clocks part, as a share: what crystals may do, or what these heartbeats prove if it is more."""
    first, last = beats[0], beats[-1]
    apart_ns = last.board_ns - first.board_ns
    surely_ns = abs(last.offset_ns - first.offset_ns) - first.half_ns - last.half_ns - _MS_NS
    return max(DRIFT_PPM / 1e6, surely_ns / apart_ns if apart_ns > 0 else 0.0)
