"""Latency: rounds of measurements, held against a bound.

It refuses to know what was measured.
"""

import statistics
from collections.abc import Sequence

from wavetank.evidence import Finding, Histogram, Verdict

__all__ = ["judge_latency"]


def judge_latency(
    title: str, rounds: Sequence[Histogram], *, bound: float, percent: float = 99.0
) -> Finding:
    """Judge a percentile by the median of several rounds.

    One round can meet a moment in which the machine was busy elsewhere; a target
    that is slow is slow in most of them.

    Args:
        title: What was measured, as one sentence.
        rounds: One histogram a round, in seconds.
        bound: Seconds that the percentile has to stay below.
        percent: Which percentile, 0 to 100.

    Returns:
        PASS or FAIL; UNKNOWN where a round has nothing in it.
    """
    expected = f"p{percent:g} below {bound * 1000:g} ms"
    values = [one.percentile(percent) for one in rounds]
    if not values or any(value is None for value in values):
        return Finding(
            verdict=Verdict.UNKNOWN, title=title, expected=expected, seen="no data"
        )
    known = [value for value in values if value is not None]
    median = statistics.median(known)
    each = ", ".join(f"{value * 1000:.2f}" for value in known)
    return Finding(
        verdict=Verdict.PASS if median < bound else Verdict.FAIL,
        title=title,
        expected=expected,
        seen=f"p{percent:g} {median * 1000:.2f} ms (rounds: {each})",
    )
