"""What so many hours allow to be said of a rate: exact intervals for counts of a Poisson process. Pure.

False alarms come one by one and at no foreseeable time, so their number in t hours is taken as Poisson's. Nothing is
approximated: each bound is the mean (or the count) at which the exact tail has the probability asked for.

    garwood            two-sided interval of the mean behind a count (Garwood, Biometrika 1936)
    upper              one-sided bound of the mean; for a count of 0 it is -ln(1 - confidence): 3.0 at 95 %
    predicted          how many there will be in other hours, when a threshold was set by what the first hours held
    wilson             the same kind of statement for a share, such as recall (Wilson, JASA 1927)
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HALVINGS: Final = 100
"""More than a float64 can tell apart."""


def cdf(count: int, mean: float) -> float:
    """Probability of at most `count`, when `mean` are expected; `count` may be -1."""
    if mean <= 0:
        return 1.0 if count >= 0 else 0.0
    log = math.log(mean)
    return min(1.0, math.fsum(math.exp(k * log - mean - math.lgamma(k + 1)) for k in range(count + 1)))


def garwood(count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of the mean that a count speaks for; divide by the hours for a rate."""
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _mean(lambda mean: 1 - cdf(count - 1, mean) < tail, count)
    return low, _mean(lambda mean: cdf(count, mean) > tail, count)


def upper(count: int, *, confidence: float = 0.95) -> float:
    """The mean that a count excludes with this confidence to be exceeded; divide by the hours for a rate."""
    return _mean(lambda mean: cdf(count, mean) > 1 - confidence, count)


def exposure_needed(rate: float, *, confidence: float = 0.95) -> float:
    """How long not a single one may come before `rate` can be vouched for, in the unit of ``1 / rate``."""
    return math.inf if rate <= 0 else -math.log(1 - confidence) / rate


def dispersion(counts: Sequence[int], exposures: Sequence[float]) -> float:
    """By how much the counts of groups vary more than Poisson's law has it; 1 where they do not.

    Pearson's chi-squared over its degrees of freedom. Alarms come in bursts, as one speaker or one evening has what
    raises them, and the next has not.
    """
    rate = sum(counts) / sum(exposures)
    if rate == 0 or len(counts) < 2:  # noqa: PLR2004 - one group does not vary
        return 1.0
    squares = ((count - rate * each) ** 2 / (rate * each) for count, each in zip(counts, exposures, strict=True))
    return max(1.0, sum(squares) / (len(counts) - 1))


def predicted(
    count: int, *, heard: float, to_come: float, confidence: float = 0.95, burst: float = 1.0
) -> tuple[int, int]:
    """How many will come in `to_come` hours, over a threshold set so that `count` came in the hours `heard`.

    The threshold is the highest peak that no longer counts, the (count + 1)-th of those heard. Then the number to come
    is negative binomial whatever the scores are: each next peak is over that threshold's rank by the share of the
    hours alone. The interval is equal-tailed and, as counts are whole, holds at least `confidence`. Where alarms come
    in bursts (`dispersion`), it is the bursts that are counted.
    """
    tail, share = (1 - confidence) / 2, to_come / (heard + to_come)
    low, number, total = 0, 0, 0.0
    while True:
        total += _negative_binomial(number, (count + 1) / burst, share)
        if total <= tail:
            low = number + 1
        if total >= 1 - tail or share == 0:
            return math.floor(low * burst), math.ceil(number * burst)
        number += 1


def wilson(hits: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a share, 0 to 1; of nothing tried, all is possible."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = hits / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _negative_binomial(number: int, of: float, share: float) -> float:
    if share == 0:
        return 1.0 if number == 0 else 0.0
    ways = math.lgamma(number + of) - math.lgamma(of) - math.lgamma(number + 1)
    return math.exp(ways + of * math.log1p(-share) + number * math.log(share))


def _mean(too_low: Callable[[float], bool], count: int) -> float:
    """The mean at which `too_low` turns, found by halving."""
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 20
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if too_low(middle) else (low, middle)
    return (low + high) / 2
