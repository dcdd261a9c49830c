"""Latency: the median of rounds, below a bound."""

import pytest

from wavetank.evidence import Histogram, Verdict
from wavetank.lab.checkers import judge_latency


def rounds(*seconds: float) -> list[Histogram]:
    """Return one histogram a round, with one value each."""
    histograms = [Histogram() for _ in seconds]
    for histogram, value in zip(histograms, seconds, strict=True):
        histogram.record(value)
    return histograms


def test_a_percentile_below_its_bound_passes() -> None:
    """The finding shows each round."""
    finding = judge_latency("pings are quick", rounds(0.02, 0.01, 0.03), bound=0.1)
    assert finding.verdict is Verdict.PASS
    assert finding.title == "pings are quick"
    assert finding.expected == "p99 below 100 ms"
    assert finding.seen.startswith("p99 20.")
    assert finding.seen.count(",") == 2


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ((0.01, 5.0, 0.01), Verdict.PASS),  # one round met a busy machine
        ((5.0, 0.01, 5.0), Verdict.FAIL),
        ((0.11,), Verdict.FAIL),
        ((0.08, 0.11), Verdict.PASS),  # the middle of two is their mean
    ],
)
def test_a_slow_target_is_slow_in_most_rounds(
    seconds: tuple[float, ...], verdict: Verdict
) -> None:
    """The median decides."""
    finding = judge_latency("pings", rounds(*seconds), bound=0.1)
    assert finding.verdict is verdict


def test_the_bound_itself_is_too_slow() -> None:
    """A percentile has to stay below it."""
    (histogram,) = rounds(0.1)
    bound = histogram.percentile(50)
    assert bound is not None
    finding = judge_latency("pings", [histogram], bound=bound, percent=50)
    assert finding.verdict is Verdict.FAIL
    assert finding.expected.startswith("p50 below ")


@pytest.mark.parametrize(
    "histograms", [[], [Histogram()], [*rounds(0.01), Histogram()]]
)
def test_a_round_without_data_is_unknown(histograms: list[Histogram]) -> None:
    """No data never passes."""
    finding = judge_latency("pings", histograms, bound=0.1)
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.seen == "no data"
