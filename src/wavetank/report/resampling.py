"""How far a ratio of two loads may be chance: a bootstrap over their seconds.

It refuses to know which load is which, and how much slower is too slow.

Seconds of a load are alike with those next to them, so blocks of neighbours are
drawn, around the end too (Politis and Romano 1992), each as long as the square root
of the whole, as for means of batches (Flegal and Jones 2010). The same blocks are
drawn of both loads: they had the same schedule, so a ramp is no noise. The interval
is that of the percentiles, expanded for how few blocks there are (Hesterberg 2015,
"What Teachers Should Know About the Bootstrap"). Of simulated loads without any
difference, whose seconds' latencies correlate with 0.5, it held 1 in 91 to 95 % of
20 seconds and in 95 % of 60; with blocks of the cube root in 85 and 82 % only.

A maximum has no such interval: no resample has a value beyond the largest that was
seen (Bickel and Freedman 1981). Nor does one run tell how the next will differ.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import TYPE_CHECKING

from wavetank.evidence import Histogram

if TYPE_CHECKING:
    import random

__all__ = ["RESAMPLES", "Interval", "Stretch", "intervals"]

RESAMPLES = 2000
"""Enough for the outermost hundredth of the widened interval."""

MOST_COUNTED = 2**62
"""Latencies that can be counted in one place of 64 bits, all sums included."""

_NORMAL = NormalDist()

Interval = tuple[float, float]
"""Lowest and highest ratio that the seconds allow, 95 % of the time."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A second of a load, or some together.

    Attributes:
        times: Its latencies.
        received: Answers that came.
        took: Its length in seconds.
    """

    times: Histogram
    received: int
    took: float


def intervals(
    first: Sequence[Stretch],
    second: Sequence[Stretch],
    *,
    percentiles: Sequence[float],
    rng: "random.Random",
    resamples: int = RESAMPLES,
) -> tuple[list[Interval], Interval]:
    """Return intervals of ``second / first``: of each percentile, and of the rate.

    Args:
        first: The stretches of one load, in the order of time.
        second: As many of the other one, at the same times.
        percentiles: 0 to 100.
        rng: The dice.
        resamples: How often blocks are drawn.

    Raises:
        ValueError: If the histograms have different ranges, there are fewer than
            two blocks, or too little was received to draw from.
    """
    length = max(1, round(math.sqrt(len(first))))
    blocks = math.ceil(len(first) / length)
    if blocks < 2 or len(first) != len(second):
        raise ValueError("too few seconds, or not the same seconds")
    values = _values([*first, *second])
    sums = [_Sums(side, values, length) for side in (first, second)]
    ratios: list[list[float]] = [[] for _ in range(len(percentiles) + 1)]
    for _ in range(resamples):
        starts = rng.choices(range(len(first)), k=blocks)
        drawn = [side.figures(starts, percentiles) for side in sums]
        for kept, before, after in zip(ratios, *drawn, strict=True):
            if before and after:
                kept.append(after / before)
    if any(len(kept) < resamples / 2 for kept in ratios):
        raise ValueError("too little was received")
    *of_percentiles, of_rate = (_interval(kept, blocks) for kept in ratios)
    return of_percentiles, of_rate


def _values(stretches: Sequence[Stretch]) -> dict[float, float]:
    """Return bottom -> top of every bucket in use, in order."""
    total = 0
    one = stretches[0].times
    places: set[float] = set()
    for stretch in stretches:
        times = stretch.times
        if (times.lowest, times.highest, times.digits) != (
            *(one.lowest, one.highest),
            one.digits,
        ):
            raise ValueError("the histograms have different ranges")
        total += times.count
        places.update(times.counts)
    if not 0 < total < MOST_COUNTED:
        raise ValueError("too little was received, or more than can be counted")
    return {place: _top(place, one) for place in sorted(places)}


def _top(place: float, like: Histogram) -> float:
    alone = Histogram(lowest=like.lowest, highest=like.highest, digits=like.digits)
    alone.record(place)
    return alone.max or 0.0


class _Sums:
    """Sums over any block of a load's stretches, each in one subtraction.

    The counts of a stretch stand side by side in one large integer, 64 bits each:
    so Python adds thousands of buckets in one step. None of them can overflow
    into the next (`MOST_COUNTED`).
    """

    def __init__(
        self, stretches: Sequence[Stretch], values: dict[float, float], length: int
    ) -> None:
        self.tops = list(values.values())
        self.length = length
        self.shape = struct.Struct(f"<{len(values)}Q")
        numbers = {place: number for number, place in enumerate(values)}
        around = [*stretches, *stretches[:length]]
        packed = (self._packed(stretch.times, numbers) for stretch in around)
        self.counts = [0, *accumulate(packed)]
        self.received = [0, *accumulate(stretch.received for stretch in around)]
        self.took = [0.0, *accumulate(stretch.took for stretch in around)]

    def _packed(self, times: Histogram, numbers: dict[float, int]) -> int:
        row = [0] * len(numbers)
        for place, count in times.counts.items():
            row[numbers[place]] = count
        return int.from_bytes(self.shape.pack(*row), "little")

    def figures(
        self, starts: Sequence[int], percentiles: Sequence[float]
    ) -> Iterator[float]:
        """Yield the percentiles and the rate of some blocks; 0 is none."""
        ends = [start + self.length for start in starts]
        pairs = list(zip(starts, ends, strict=True))
        packed = sum(self.counts[end] - self.counts[start] for start, end in pairs)
        row = self.shape.unpack(packed.to_bytes(self.shape.size, "little"))
        ranks = list(accumulate(row))
        for percentile in percentiles:
            if ranks[-1]:
                rank = math.ceil(round(percentile * ranks[-1] / 100, 6))
                yield self.tops[bisect_left(ranks, max(rank, 1))]
            else:
                yield 0.0
        took = sum(self.took[end] - self.took[start] for start, end in pairs)
        received = sum(
            self.received[end] - self.received[start] for start, end in pairs
        )
        yield received / took if took > 0 else 0.0


def _interval(ratios: list[float], blocks: int) -> Interval:
    """Return the interval of 95 %, widened for the number of blocks."""
    ordered = sorted(ratios)
    widened = _student(blocks - 1) * math.sqrt(blocks / (blocks - 1))
    outside = _NORMAL.cdf(-widened)
    last = len(ordered) - 1
    return (
        ordered[math.floor(outside * last)],
        ordered[math.ceil((1 - outside) * last)],
    )


def _student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t (Abramowitz and Stegun 26.7.5).

    Within 2 % for three degrees of freedom and more; below, it is too wide a
    question for any formula of a few blocks, and the nearest is taken.
    """
    z = _NORMAL.inv_cdf(0.975)
    v = max(freedom, 3)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
