"""Loads that were never carried out, for those who judge them."""

from collections.abc import Iterable
from typing import Any

from wavetank.evidence import Histogram
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult


def encoded(*durations: float, times: int = 1) -> str:
    """Return these durations as an encoded histogram, each so many times."""
    histogram = Histogram()
    for seconds in durations:
        histogram.record(seconds, times)
    return histogram.encode()


def ramp(count: int, longest: float) -> str:
    """Return as many durations, evenly up to the longest, as an encoded histogram."""
    return encoded(*(longest * (number + 1) / count for number in range(count)))


def scenario(
    name: str = "echo", kind: ScenarioKind = ScenarioKind.REQUEST, **more: Any
) -> Scenario:
    """Return a scenario of ten seconds and 100 messages/s."""
    stages = (Stage(seconds=10.0, level=100.0),)
    return Scenario(name=name, kind=kind, users=10, stages=stages, **more)


def tally(
    name: str = "echo", operation: Operation = Operation.REQUEST, **counts: Any
) -> Tally:
    """Return a tally."""
    return Tally(scenario=name, operation=operation, **counts)


def load(
    tallies: Iterable[Tally] = (),
    scenarios: Iterable[Scenario] = (),
    **more: Any,
) -> LoadResult:
    """Return a load that went well for ten seconds, but for what is said of it.

    What was counted in it was counted in the measured window.
    """
    tallies = list(tallies)
    facts: dict[str, Any] = {
        "plan": LoadPlan(scenarios=tuple(scenarios) or (scenario(),)),
        "seconds": 10.0,
        "window": 10.0,
        "tallies": tallies,
        "measured": tallies,
        "opened": 10,
        "most_open": 10,
        "generators": {0: Generator(cpu=0.2, open=10)},
        "busy": {0: 0.0},
    }
    return LoadResult(**facts | more)
