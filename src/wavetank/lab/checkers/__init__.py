"""Checkers: values that were seen in, findings out.

They refuse to know how it was seen.
"""

from wavetank.lab.checkers.arrivals import judge_arrivals
from wavetank.lab.checkers.latency import judge_latency
from wavetank.lab.checkers.numbers import judge_numbers, judge_topics

__all__ = [
    # arrivals
    "judge_arrivals",
    # latency
    "judge_latency",
    # numbers
    "judge_numbers",
    "judge_topics",
]
