"""Thresholds: what has to hold at the end of a load, such as ``p99 < 100ms``.

They refuse to know where their figures come from.

The whole grammar::

    [scenario[.operation]:] [response.|service.] figure sign value

    p99 < 100ms      service.max <= 2s      chat.deliver:p99.9 < 1s
    lost == 0        dropped <= 1%          rate >= 5000/s
    cpu < 80%        rss_slope < 1MiB/min   connections >= 100
"""

import enum
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from wavetank.errors import nearest
from wavetank.evidence import Finding, Verdict
from wavetank.load.units import Unit

__all__ = [
    "FIGURES",
    "OPERATIONS",
    "Figure",
    "Measured",
    "Measures",
    "Source",
    "Threshold",
    "figure_named",
    "judge_threshold",
    "parse_threshold",
    "percentile_of",
]


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """One expression, read.

    Attributes:
        text: As it was typed.
        figure: Name of the figure: ``p99``, ``lost``, ``rate``, ``rss_slope`` ...
        sign: One of ``< <= == >= > !=``.
        value: In base units: seconds, bytes, messages/s, bytes/s, parts of one.
        scenario: The one scenario that it is about; "" for all together.
        operation: The one operation that it is about; "" for the main one.
        service: Whether a time is meant from the moment of sending, and not from
            the intended one.
        share: Whether a count is meant as a part of what was attempted.
    """

    text: str
    figure: str
    sign: str
    value: float
    scenario: str = ""
    operation: str = ""
    service: bool = False
    share: bool = False


class Source(enum.Enum):
    """Where a figure comes from."""

    TIMES = "histograms of the main operation"
    DELIVERY = "counts of all operations, certain only after a whole drain"
    COUNTS = "counts of all operations"
    DRIVEN = "counts/s of the operation that has a schedule"
    HEARD = "counts/s of the main operation"
    CONNECTIONS = "connections of all workers"
    TARGET = "the target's process tree"
    SLOPES = "the target's process tree, over time"


class Figure(msgspec.Struct, frozen=True):
    """A kind of figure: its unit, its source, and the field that it is read from."""

    unit: Unit
    source: Source
    field: str = ""


FIGURES = {
    "min": Figure(Unit.SECONDS, Source.TIMES),
    "mean": Figure(Unit.SECONDS, Source.TIMES),
    "max": Figure(Unit.SECONDS, Source.TIMES),
    "lost": Figure(Unit.COUNT, Source.DELIVERY, "lost"),
    "duplicated": Figure(Unit.COUNT, Source.DELIVERY, "duplicated"),
    "reordered": Figure(Unit.COUNT, Source.DELIVERY, "reordered"),
    "corrupted": Figure(Unit.COUNT, Source.DELIVERY, "corrupted"),
    "failed": Figure(Unit.COUNT, Source.COUNTS, "failed"),
    "dropped": Figure(Unit.COUNT, Source.COUNTS, "dropped"),
    "late": Figure(Unit.COUNT, Source.COUNTS, "late"),
    "intended": Figure(Unit.COUNT, Source.COUNTS, "intended"),
    "sent": Figure(Unit.COUNT, Source.COUNTS, "sent"),
    "received": Figure(Unit.COUNT, Source.COUNTS, "received"),
    "foreign": Figure(Unit.COUNT, Source.COUNTS, "foreign"),
    "rate": Figure(Unit.RATE, Source.HEARD, "received"),
    "sent_rate": Figure(Unit.RATE, Source.DRIVEN, "sent"),
    "intended_rate": Figure(Unit.RATE, Source.DRIVEN, "intended"),
    "bandwidth_received": Figure(Unit.BYTE_RATE, Source.HEARD, "bytes_received"),
    "bandwidth_sent": Figure(Unit.BYTE_RATE, Source.DRIVEN, "bytes_sent"),
    "connections": Figure(Unit.COUNT, Source.CONNECTIONS, "most_open"),
    "unopened": Figure(Unit.COUNT, Source.CONNECTIONS, "failed"),
    "lost_connections": Figure(Unit.COUNT, Source.CONNECTIONS, "lost_connections"),
    "cpu": Figure(Unit.SHARE, Source.TARGET, "cpu"),
    "rss": Figure(Unit.BYTES, Source.TARGET, "rss"),
    "descriptors": Figure(Unit.COUNT, Source.TARGET, "descriptors"),
    "threads": Figure(Unit.COUNT, Source.TARGET, "threads"),
    "rss_slope": Figure(Unit.GROWTH, Source.SLOPES, "rss"),
    "descriptors_slope": Figure(Unit.COUNT_GROWTH, Source.SLOPES, "descriptors"),
    "threads_slope": Figure(Unit.COUNT_GROWTH, Source.SLOPES, "threads"),
}
"""Every figure by its name, but for the percentiles: those are ``p`` and a number."""

_PERCENTILE = Figure(Unit.SECONDS, Source.TIMES)

OPERATIONS = ("request", "publish", "deliver", "listen", "connect", "ping")
"""The names of `exchange.Operation`, which stands above this file."""

_EXPRESSION = re.compile(
    r"\s*(?:(?P<scope>[^<>=!]*):)?\s*(?P<times>response\.|service\.)?"
    r"(?P<figure>[^\s<>=!:]+)\s*(?P<sign><=|>=|==|!=|<|>)\s*(?P<value>[^<>=!]+)"
)
_PERCENTILE_NAME = re.compile(r"p(?!0\.0*$)(?:[1-9][0-9]?|[1-9]?[0-9]\.[0-9]{1,4})")
_RUN_TOGETHER = re.compile(r"p99([0-9]{1,4})")
"""How many write p99.9."""

_LONGEST_TEXT = 200


def parse_threshold(text: str) -> Threshold:
    """Read one expression.

    Raises:
        ValueError: With one sentence that says what is wrong with it.
    """
    shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."
    match = _EXPRESSION.fullmatch(text) if shown == text else None
    if not match:
        raise ValueError(f"{shown!r} is not a threshold such as p99 < 100ms")
    try:
        return _threshold(text.strip(), match)
    except ValueError as error:
        raise ValueError(f"{shown!r}: {error}") from None


def _threshold(text: str, match: re.Match[str]) -> Threshold:
    name = match["figure"]
    figure = figure_named(name)
    if match["times"] and figure.source is not Source.TIMES:
        raise ValueError(f"{name} is no time, so leave out {match['times']}")
    scenario, operation = _scope(match["scope"] or "", figure)
    typed = match["value"].strip()
    is_share = typed.endswith("%") and figure.source in _SHARED
    return Threshold(
        text=text,
        figure=name,
        sign=match["sign"],
        value=(Unit.SHARE if is_share else figure.unit).read(typed),
        scenario=scenario,
        operation=operation,
        service=match["times"] == "service.",
        share=is_share,
    )


_SHARED = {Source.DELIVERY, Source.COUNTS}
_UNSCOPED = {Source.CONNECTIONS, Source.TARGET, Source.SLOPES}


def _scope(scope: str, figure: Figure) -> tuple[str, str]:
    """Return scenario and operation; both may be left out."""
    scope = scope.strip()
    if scope and figure.source in _UNSCOPED:
        raise ValueError(f"it is about the whole load, so leave out {scope}:")
    scenario, dot, operation = scope.rpartition(".")
    return (scenario, operation) if dot and operation in OPERATIONS else (scope, "")


def figure_named(name: str) -> Figure:
    """Return what a figure is.

    Raises:
        ValueError: If there is none of this name, with the nearest one.
    """
    if name in FIGURES:
        return FIGURES[name]
    if _PERCENTILE_NAME.fullmatch(name):
        return _PERCENTILE
    if together := _RUN_TOGETHER.fullmatch(name):
        raise ValueError(f"there is no figure {name}; did you mean p99.{together[1]}?")
    hint = nearest(name, [*FIGURES, "p50", "p90", "p99", "p99.9"])
    raise ValueError(f"there is no figure {name}{hint}")


def percentile_of(name: str) -> float | None:
    """Return the number of a percentile (100 for ``max``), None for other figures."""
    if name == "max":
        return 100.0
    return float(name[1:]) if _PERCENTILE_NAME.fullmatch(name) else None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A figure as far as it is known: the truth lies between two values.

    Attributes:
        low: The least that it can be; None where nothing is known.
        high: The most that it can be.
        shown: What was measured, in words; "" for nothing.
        why: Why no more is known, where the two differ.
    """

    low: float | None = None
    high: float | None = None
    shown: str = ""
    why: str = ""


class Measures(Protocol):
    """Whoever knows the figures of a load."""

    def measure(self, threshold: Threshold) -> Measured:
        """Return the figure that a threshold is about."""
        ...


def judge_threshold(threshold: Threshold, figures: Measures) -> Finding:
    """Hold a threshold against a load.

    Returns:
        PASS if every value that the figure can have is as it should be, FAIL if
        none is, and otherwise, without data above all, UNKNOWN.
    """
    measured = figures.measure(threshold)
    return Finding(
        verdict=_verdict(threshold, measured),
        title=f"The load keeps to {threshold.text}.",
        expected=threshold.text,
        seen=": ".join(filter(None, (measured.shown, measured.why))),
    )


def _verdict(threshold: Threshold, measured: Measured) -> Verdict:
    if measured.low is None or measured.high is None:
        return Verdict.UNKNOWN
    may_hold, may_break = _CAN[threshold.sign](
        measured.low, measured.high, threshold.value
    )
    if may_hold and may_break:
        return Verdict.UNKNOWN
    return Verdict.PASS if may_hold else Verdict.FAIL


def _below(low: float, high: float, value: float) -> tuple[bool, bool]:
    return low < value, high >= value


def _at_most(low: float, high: float, value: float) -> tuple[bool, bool]:
    return low <= value, high > value


def _equal(low: float, high: float, value: float) -> tuple[bool, bool]:
    return low <= value <= high, not low == high == value


def _above(low: float, high: float, value: float) -> tuple[bool, bool]:
    return high > value, low <= value


def _at_least(low: float, high: float, value: float) -> tuple[bool, bool]:
    return high >= value, low < value


def _unequal(low: float, high: float, value: float) -> tuple[bool, bool]:
    return not low == high == value, low <= value <= high


_CAN: Mapping[str, Callable[[float, float, float], tuple[bool, bool]]] = {
    "<": _below,
    "<=": _at_most,
    "==": _equal,
    ">": _above,
    ">=": _at_least,
    "!=": _unequal,
}
"""Sign -> from all that a figure can be: may it hold, may it break?"""
