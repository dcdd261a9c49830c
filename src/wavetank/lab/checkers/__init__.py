"""Checkers: values that were seen in, findings out.

They refuse to know how it was seen.
"""

from wavetank.lab.checkers.accounts import (
    GENERATOR,
    arrived,
    judge_consistent,
    judge_keeping_up,
    judge_load,
    judge_times,
    parts_of,
)
from wavetank.lab.checkers.arrivals import judge_arrivals
from wavetank.lab.checkers.costs import (
    growth,
    judge_cost,
    judge_leak,
    judge_level,
    judge_slowest,
)
from wavetank.lab.checkers.latency import judge_latency
from wavetank.lab.checkers.numbers import judge_numbers, judge_topics
from wavetank.lab.checkers.schemas import judge_schemas

__all__ = [  # noqa: RUF022 - grouped by module
    # accounts
    "GENERATOR",
    "arrived",
    "judge_consistent",
    "judge_keeping_up",
    "judge_load",
    "judge_times",
    "parts_of",
    # arrivals
    "judge_arrivals",
    # costs
    "growth",
    "judge_cost",
    "judge_leak",
    "judge_level",
    "judge_slowest",
    # latency
    "judge_latency",
    # numbers
    "judge_numbers",
    "judge_topics",
    # schemas
    "judge_schemas",
]
