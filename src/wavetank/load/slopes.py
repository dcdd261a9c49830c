"""Slopes of what was sampled over time, with the confidence that they deserve.

They refuse to know what was sampled, and in which unit.

The slope is Theil's and Sen's: the median of the slopes between all pairs of points.
Memory grows in steps and falls in one garbage collection; such points move a least
squares line as they please, and a median hardly. Its interval is the one that Sen
made from Kendall's tau (J. Am. Stat. Assoc. 63, 1968, pp. 1379-1389), which assumes no
distribution, with two corrections. Ties count less. And neighbours that resemble each
other count less: by the effective sample size of a first-order process (Yue and Wang,
Water Resources Management 18, 2004, pp. 201-218), its coefficient freed of the bias
that short series with a trend have (Shaman and Stine, J. Am. Stat. Assoc. 83, 1988).

A trend alone is no leak: tests for one find it in every warm-up (Machida and others,
"On the Effectiveness of Mann-Kendall Test for Detection of Software Aging", ISSREW
2013). A leak is a slope that does not end: too steep as a whole, and still too steep in
the later half.
"""

import bisect
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from wavetank.evidence import Verdict

__all__ = ["FEWEST", "Growth", "Trend", "growth_of", "is_leak", "trend_of"]

Sample = tuple[float, float]
"""Seconds and value."""

FEWEST = 10
"""Points from which on Kendall's statistic is as good as normal (Kendall, 1975)."""

_MOST = 200
"""Points that are compared pair by pair; more are first thinned."""

_MOST_LIKENESS = 0.95
"""Beyond, a series is a walk at random, and no correction is enough."""


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """A slope each second, and the interval that has it with 95 % confidence."""

    slope: float
    low: float
    high: float


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The trend of all samples, and of their later half."""

    whole: Trend
    later: Trend

    @property
    def low(self) -> float:
        """The least that it goes on with: both trends have to bear it out."""
        return min(self.whole.low, self.later.low)

    @property
    def high(self) -> float:
        """The most that it goes on with; what came before is over."""
        return self.later.high

    def exceeds(self, bound: float) -> Verdict:
        """Tell whether it leaks more than a bound: FAIL is a leak, PASS is none."""
        if self.low > bound:
            return Verdict.FAIL
        return Verdict.PASS if self.high <= bound else Verdict.UNKNOWN


def is_leak(samples: Sequence[Sample], *, bound: float) -> Verdict:
    """Tell whether values grow by more than a bound each second, without an end.

    Args:
        samples: Seconds and value, in the order of time.
        bound: Growth each second that is no leak yet.

    Returns:
        FAIL for a leak, PASS for none, UNKNOWN where the samples are too few or
        scatter too much to tell.
    """
    growth = growth_of(samples)
    return Verdict.UNKNOWN if growth is None else growth.exceeds(bound)


def growth_of(samples: Sequence[Sample]) -> Growth | None:
    """Return the trends of all samples and of their later half, None for too few."""
    whole = trend_of(samples)
    if whole is None:
        return None
    middle = (samples[0][0] + samples[-1][0]) / 2
    later = trend_of([sample for sample in samples if sample[0] >= middle])
    return None if later is None else Growth(whole=whole, later=later)


def trend_of(samples: Sequence[Sample]) -> Trend | None:
    """Return the slope of samples, None for too few.

    Args:
        samples: Seconds and value, in the order of time.
    """
    points = _thinned(samples)
    slopes = sorted(
        (late[1] - early[1]) / (late[0] - early[0])
        for early, late in itertools.combinations(points, 2)
        if late[0] > early[0]
    )
    if len(points) < FEWEST or not slopes:
        return None
    slope = statistics.median(slopes)
    spread = 1.96 * math.sqrt(_variance(points) * _repetition(points, slope))
    # Sen's M1 and M2, rounded outwards; at worst it is some slope that was seen.
    first = max(math.floor((len(slopes) - spread) / 2) - 1, 0)
    last = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return Trend(slope=slope, low=slopes[first], high=slopes[last])


def _thinned(samples: Sequence[Sample]) -> list[Sample]:
    """Return at most `_MOST` points, each the middle of as many neighbours."""
    size = -(-len(samples) // _MOST)
    if size <= 1:
        return list(samples)
    groups = (samples[at : at + size] for at in range(0, len(samples), size))
    return [
        (
            statistics.median(seconds for seconds, _ in group),
            statistics.median(value for _, value in group),
        )
        for group in groups
    ]


def _variance(points: Sequence[Sample]) -> float:
    """Return the variance of Kendall's S where there is no trend, ties counted."""
    ties = Counter(value for _, value in points).values()
    return (_pairs(len(points)) - sum(map(_pairs, ties))) / 18


def _pairs(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)


def _repetition(points: Sequence[Sample], slope: float) -> float:
    """Return how many neighbours say no more than one independent point does."""
    rest = [value - slope * seconds for seconds, value in points]
    order = sorted(rest)
    ranks = [
        (bisect.bisect_left(order, value) + bisect.bisect_right(order, value)) / 2
        for value in rest
    ]
    count, mean = len(ranks), statistics.fmean(ranks)
    away = [rank - mean for rank in ranks]
    power = sum(each * each for each in away)
    if not power:
        return 1.0
    likeness = sum(map(float.__mul__, away, away[1:])) / power
    # Seen in a few points beside a line fitted to them, it is too small on average.
    likeness = (likeness + 2 / count) / (1 - 4 / count)
    likeness = min(max(likeness, 0.0), _MOST_LIKENESS)
    return (1 + likeness) / (1 - likeness)
