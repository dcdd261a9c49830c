"""The figures of a load by their names, each as far as it is known for certain.

They refuse to know which of them has to be how large: thresholds say that.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from wavetank.evidence import Histogram, Sampled
from wavetank.load.doubts import Affects, Bias, find_doubts, is_own
from wavetank.load.exchange import Operation, Tally
from wavetank.load.plan import ScenarioKind
from wavetank.load.result import LoadResult
from wavetank.load.slopes import growth_of
from wavetank.load.thresholds import (
    Figure,
    Measured,
    Source,
    Threshold,
    figure_named,
    percentile_of,
)
from wavetank.load.totals import Times, merge_generators
from wavetank.load.units import Unit

__all__ = ["Figures", "driven_operation", "main_operation"]

_MAIN = {
    ScenarioKind.REQUEST: Operation.REQUEST,
    ScenarioKind.PUBLISH: Operation.DELIVER,
    ScenarioKind.LISTEN: Operation.LISTEN,
    ScenarioKind.CHURN: Operation.CONNECT,
    ScenarioKind.SLOW: Operation.LISTEN,
    ScenarioKind.STORM: Operation.CONNECT,
    ScenarioKind.PING: Operation.PING,
}

_OF_MESSAGES = {"intended", "sent", "received", "late", "foreign"}
"""Counts that leave connections out, unless a scenario is about those."""

_MISSING_FOR_A_MEAN = 0.01
"""Part of the arrivals without a time from which on a mean says nothing."""

_NO_PROCESS = (
    "the target's process was not watched; start it with --serve to have it measured"
)


def main_operation(kind: ScenarioKind) -> Operation:
    """Return the operation whose times and rates a scenario is about."""
    return _MAIN[kind]


def driven_operation(kind: ScenarioKind) -> Operation:
    """Return the operation that has a schedule, or would have one."""
    return Operation.PUBLISH if kind is ScenarioKind.PUBLISH else _MAIN[kind]


class Figures:
    """Everything that one can ask of a load that is over.

    Args:
        result: What it came to.
        samples: The target's resources while it went on, oldest first; those of
            others are left out.
    """

    def __init__(self, result: LoadResult, samples: Iterable[Sampled] = ()) -> None:
        self._result = result
        self._samples = [each for each in samples if each.who == "target"]
        self._kinds = {each.name: each.kind for each in result.plan.scenarios}
        self._lateness = Times(
            merge_generators(result.generators.values()).lateness
        ).histogram
        self.doubts = find_doubts(result)

    def measure(self, threshold: Threshold) -> Measured:
        """Return the figure that a threshold is about, and what it can really be.

        Raises:
            ValueError: If there is no such figure.
        """
        figure = figure_named(threshold.figure)
        return _WAYS[figure.source](self, threshold, figure)

    # Times

    def _time(self, threshold: Threshold, figure: Figure) -> Measured:
        tallies = self._chosen(self._result.tallies, threshold, main_operation)
        histogram = _times(tallies, service=threshold.service)
        if histogram is None or not histogram.count:
            return Measured(why="no times were measured")
        name = threshold.figure
        measured = _read(name, histogram, figure.unit)
        if threshold.service and measured.shown:
            shown = f"service.{measured.shown}"
            measured = msgspec.structs.replace(measured, shown=shown)
        missing = self._missing(threshold, tallies)
        if (worst := _worst(name, histogram, missing)) > _known(measured.high):
            why = f"{missing:.3%} of the messages have no time, for they never came"
            measured = _widened(measured, high=worst, why=why)
        if _known(measured.high) >= histogram.highest:
            why = f"times end at {figure.unit.say(histogram.highest)}"
            measured = _widened(measured, high=math.inf, why=why)
        is_one_way = any(one.operation is Operation.DELIVER for one in tallies)
        if is_one_way and (error := self._result.clock_error):
            low, high = max(_known(measured.low) - error, 0.0), _known(measured.high)
            why = f"the machines' clocks are known within {figure.unit.say(error)}"
            measured = _widened(measured, low=low, high=high + error, why=why)
        percentile = percentile_of(name)
        if own := self._own_delay(percentile, measured.low):
            why = f"the generator itself was late by {figure.unit.say(own)}"
            measured = _widened(measured, low=0.0, why=why)
        return self._doubted(measured, Affects.LATENCY, percentile or 0.0)

    def _missing(self, threshold: Threshold, tallies: Sequence[Tally]) -> float:
        """Return which part of the messages has no time, for they never came."""
        driven = self._chosen(self._result.tallies, threshold, driven_operation)
        dropped = sum(each.dropped for each in driven)
        intended = sum(each.intended for each in driven)
        came = sum(each.received for each in tallies)
        gone = sum(each.failed + each.lost for each in tallies)
        unsent = dropped / intended if intended else 0.0
        return 1 - (1 - unsent) * (came / (came + gone) if came else 1.0)

    def _own_delay(self, percentile: float | None, value: float | None) -> float:
        """Return the generator's delay where it explains too much of a time, or 0."""
        own = 0.0
        if self._lateness is not None:
            own = _at(self._lateness, percentile) or 0.0
        if percentile == 100:
            lags = [each.lag for each in self._result.generators.values()]
            own = max([own, *lags])
        return own if is_own(own, value) else 0.0

    # Counts and rates

    def _count(self, threshold: Threshold, figure: Figure) -> Measured:
        tallies = self._chosen(self._result.tallies, threshold)
        if figure.field in _OF_MESSAGES and not threshold.operation:
            tallies = [each for each in tallies if self._is_of_messages(each)]
        if not sum(map(_attempts, tallies)):
            return Measured(why="nothing was sent or received")
        certain = self._certain(tallies, threshold, figure)
        seen = [getattr(each, figure.field) for each in tallies]
        if threshold.share:
            # Of each operation apart: thousands of connections that open hide no ten
            # messages that were lost.
            wholes = [max(_attempts(each), 1) for each in tallies]
            low, high = _highest_share(certain, wholes), _highest_share(seen, wholes)
            measured = Measured(low=low, high=high, shown=Unit.SHARE.say(high))
        else:
            measured = Measured(
                low=sum(certain), high=sum(seen), shown=Unit.COUNT.say(sum(seen))
            )
        if figure.source is Source.DELIVERY or self._result.lost_workers:
            return self._doubted(measured, Affects.DELIVERY)
        return measured

    def _is_of_messages(self, tally: Tally) -> bool:
        """Tell whether a tally counts messages: connections are means to an end."""
        kind = self._kinds.get(tally.scenario)
        is_meant = kind is not None and main_operation(kind) is Operation.CONNECT
        return tally.operation is not Operation.CONNECT or is_meant

    def _certain(
        self, tallies: Sequence[Tally], threshold: Threshold, figure: Figure
    ) -> list[int]:
        """Return what of each count is certain: not all that is lost need be so."""
        counts = {_key(each): getattr(each, figure.field) for each in tallies}
        if figure.field == "lost":
            for each in self._chosen(self._result.uncertain, threshold):
                if _key(each) in counts:
                    counts[_key(each)] -= each.lost
        return [counts[_key(each)] for each in tallies]

    def _rate(self, threshold: Threshold, figure: Figure) -> Measured:
        operation_of = (
            main_operation if figure.source is Source.HEARD else driven_operation
        )
        tallies = self._chosen(self._result.measured, threshold, operation_of)
        if not tallies or not self._result.window:
            return Measured(why="no second behind the warm-up was measured")
        seen = sum(getattr(each, figure.field) for each in tallies)
        rate = seen / self._result.window
        measured = Measured(low=rate, high=rate, shown=figure.unit.say(rate))
        return self._doubted(measured, Affects.RATE)

    def _connections(self, threshold: Threshold, figure: Figure) -> Measured:
        seen = float(getattr(self._result, figure.field))
        measured = Measured(low=seen, high=seen, shown=figure.unit.say(seen))
        if self._result.lost_workers:
            why = "a worker was lost, and its count with it"
            return _widened(measured, high=math.inf, why=why)
        return measured

    # The target's resources

    def _resource(self, threshold: Threshold, figure: Figure) -> Measured:
        if threshold.figure == "cpu":
            used = _cpu(self._samples)
        else:
            values = [float(getattr(each, figure.field)) for each in self._samples]
            used = max(values, default=None)
        if used is None:
            return Measured(why=_NO_PROCESS)
        return Measured(low=used, high=used, shown=figure.unit.say(used))

    def _slope(self, _threshold: Threshold, figure: Figure) -> Measured:
        if not self._samples:
            return Measured(why=_NO_PROCESS)
        growth = growth_of(
            [(each.at, float(getattr(each, figure.field))) for each in self._samples]
        )
        if growth is None:
            return Measured(why="too few samples; let the load take longer")
        low, high = figure.unit.say(growth.low), figure.unit.say(growth.high)
        return Measured(
            low=growth.low,
            high=growth.high,
            shown=f"{figure.unit.say(growth.later.slope)} in the later half",
            why=f"95 % certain is only {low} to {high}" if low != high else "",
        )

    # Choosing and doubting

    def _chosen(
        self,
        tallies: Sequence[Tally],
        threshold: Threshold,
        operation_of: Callable[[ScenarioKind], Operation] | None = None,
    ) -> list[Tally]:
        """Return the tallies that a threshold is about.

        Args:
            tallies: To choose from.
            threshold: Names a scenario, or none for all, and maybe an operation.
            operation_of: Which operation where none is named; None for all.
        """
        return [
            each
            for each in tallies
            if threshold.scenario in {"", each.scenario}
            and self._is_meant(each, threshold.operation, operation_of)
        ]

    def _is_meant(
        self,
        tally: Tally,
        operation: str,
        operation_of: Callable[[ScenarioKind], Operation] | None,
    ) -> bool:
        if operation or operation_of is None:
            return operation in {"", tally.operation}
        kind = self._kinds.get(tally.scenario)
        return kind is not None and tally.operation is operation_of(kind)

    def _doubted(
        self, measured: Measured, affects: Affects, percentile: float = 0.0
    ) -> Measured:
        """Widen what a figure can be by what is doubted of it."""
        for doubt in self.doubts:
            if affects in doubt.affects and percentile >= doubt.percentile:
                is_lower, is_higher = _sides(affects, doubt.bias)
                measured = _widened(
                    measured,
                    low=0.0 if is_lower else None,
                    high=math.inf if is_higher else None,
                    why=doubt.what.rstrip("."),
                )
        return measured


def _sides(affects: Affects, bias: Bias) -> tuple[bool, bool]:
    """Tell whether the truth may be lower, and higher, than what was measured."""
    if affects is Affects.LATENCY:
        return bias is not Bias.WORSE, bias is not Bias.BETTER
    # What was counted was there; what was not counted may have been.
    return False, True


_WAYS: Mapping[Source, Callable[[Figures, Threshold, Figure], Measured]] = {
    Source.TIMES: Figures._time,
    Source.DELIVERY: Figures._count,
    Source.COUNTS: Figures._count,
    Source.DRIVEN: Figures._rate,
    Source.HEARD: Figures._rate,
    Source.CONNECTIONS: Figures._connections,
    Source.TARGET: Figures._resource,
    Source.SLOPES: Figures._slope,
}


def _widened(
    measured: Measured,
    *,
    why: str,
    low: float | None = None,
    high: float | None = None,
) -> Measured:
    """Return a figure that may be lower, or higher, than was thought so far."""
    return msgspec.structs.replace(
        measured,
        low=measured.low if low is None else low,
        high=measured.high if high is None else high,
        why="; ".join(filter(None, (measured.why, why))),
    )


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _times(tallies: Sequence[Tally], *, service: bool) -> Histogram | None:
    times = Times()
    for tally in tallies:
        times.add(tally.service if service else tally.response)
    return times.histogram


def _at(histogram: Histogram, percentile: float | None) -> float | None:
    """Return a time at a percentile, or the mean for none."""
    return histogram.mean if percentile is None else histogram.percentile(percentile)


def _value(name: str, histogram: Histogram) -> float:
    value = histogram.min if name == "min" else _at(histogram, percentile_of(name))
    return _known(value)


def _read(name: str, histogram: Histogram, unit: Unit) -> Measured:
    """Return a time as it was measured.

    One in a hundred has to lie beyond a p99. Where so many were not measured, it is
    only known to be no less than the highest percentile that has one beyond it.
    """
    percentile = percentile_of(name)
    count = histogram.count
    if percentile is None or percentile == 100:
        value = _value(name, histogram)
        return Measured(low=value, high=value, shown=f"{name} {unit.say(value)}")
    needed = math.ceil(round(100 / (100 - percentile), 6))
    if count >= needed:
        value = _value(name, histogram)
        return Measured(low=value, high=value, shown=f"{name} {unit.say(value)}")
    borne = 100 - 100 / count
    return Measured(
        low=_known(histogram.percentile(borne)) if count > 1 else 0.0,
        high=math.inf,
        why=f"{name} needs at least {needed:,} answers, and there are {count:,}",
    )


def _worst(name: str, histogram: Histogram, missing: float) -> float:
    """Return a time, were those that never came the longest of all."""
    percentile = percentile_of(name)
    if not missing or name == "min":
        return 0.0
    if percentile is None:
        return math.inf if missing > _MISSING_FOR_A_MEAN else 0.0
    worse = percentile / (1 - missing) if missing < 1 else math.inf
    return math.inf if worse > 100 else _known(histogram.percentile(worse))


def _attempts(tally: Tally) -> int:
    """Return of how many messages a tally tells what became of them."""
    return tally.intended or tally.received + tally.failed + tally.lost


def _key(tally: Tally) -> tuple[str, Operation]:
    return tally.scenario, tally.operation


def _highest_share(parts: Sequence[int], wholes: Sequence[int]) -> float:
    pairs = zip(parts, wholes, strict=True)
    return max((part / whole for part, whole in pairs), default=0.0)


def _cpu(samples: Sequence[Sampled]) -> float | None:
    """Return the mean share of a core, None for too few samples."""
    pairs = list(itertools.pairwise(samples))
    seconds = sum(late.at - early.at for early, late in pairs)
    if seconds <= 0:
        return None
    # A target that was started again begins at nothing.
    return sum(max(late.cpu - early.cpu, 0.0) for early, late in pairs) / seconds
