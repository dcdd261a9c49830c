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
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.delivery_report import DeliveryReport
from wavetank.lab.checkers.history import Event, Fate, Fates
from wavetank.lab.checkers.ids import digest_of, find_id, write_id
from wavetank.lab.checkers.journal_events import events_of
from wavetank.lab.checkers.latency import judge_latency
from wavetank.lab.checkers.numbers import judge_numbers, judge_topics
from wavetank.lab.checkers.promises import (
    AT_LEAST_ONCE,
    BEST_EFFORT,
    EXACTLY_ONCE,
    WITNESSED,
    Anomaly,
    Promise,
)
from wavetank.lab.checkers.schemas import judge_schemas
from wavetank.lab.checkers.witnesses import witnessed

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
    # delivery, delivery_report
    "Checker",
    "DeliveryReport",
    # history
    "Event",
    "Fate",
    "Fates",
    # ids
    "digest_of",
    "find_id",
    "write_id",
    # journal_events
    "events_of",
    # latency
    "judge_latency",
    # numbers
    "judge_numbers",
    "judge_topics",
    # schemas
    "judge_schemas",
    # promises
    "AT_LEAST_ONCE",
    "BEST_EFFORT",
    "EXACTLY_ONCE",
    "WITNESSED",
    "Anomaly",
    "Promise",
    # witnesses
    "witnessed",
]
