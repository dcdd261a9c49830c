"""The interval of a ratio is as wide as the seconds of both loads differ."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.evidence import Histogram
from wavetank.report.resampling import MOST_COUNTED, Stretch, intervals


def stretch(
    *durations: float, count: int = 10, took: float = 1.0, digits: int = 3
) -> Stretch:
    """Return a second in which each duration was seen so often."""
    times = Histogram(digits=digits)
    for duration in durations:
        times.record(duration, count)
    return Stretch(times=times, received=count * len(durations), took=took)


def noisy(rng: random.Random, seconds: int, *, factor: float = 1.0) -> list[Stretch]:
    """Return seconds whose latencies go up and down together."""
    made = []
    for _ in range(seconds):
        level = factor * math.exp(rng.gauss(-6, 0.1))
        made.append(stretch(*(level * (1 + n / 20) for n in range(20))))
    return made


def of(
    first: Sequence[Stretch], second: Sequence[Stretch], *, seed: int = 1
) -> list[tuple[float, float]]:
    """Return the intervals of p50, p99 and rate."""
    percentiles, rate = intervals(
        first, second, percentiles=(50, 99), rng=random.Random(seed), resamples=300
    )
    return [*percentiles, rate]


def test_loads_that_are_alike_have_no_width() -> None:
    """The same seconds, drawn together, are the same."""
    seconds = [stretch(0.001, 0.005) for _ in range(30)]
    assert of(seconds, seconds) == [(1.0, 1.0)] * 3


def test_same_seed_gives_the_same_interval() -> None:
    """A verdict does not depend on when one asks."""
    rng = random.Random(3)
    first, second = noisy(rng, 30), noisy(rng, 30)
    assert of(first, second) == of(first, second)
    assert of(first, second) != of(first, second, seed=2)


def test_a_schedule_that_changes_is_no_noise() -> None:
    """The same blocks are drawn of both: a ramp in both is no difference."""
    first = [stretch(0.001 * n, count=n) for n in range(1, 41)]
    second = [stretch(0.0013 * n, count=n) for n in range(1, 41)]
    for low, high in of(first, second)[:2]:
        assert 1.29 < low <= high < 1.31
    assert of(first, second)[2] == (1.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_difference_is_seen_through_the_noise(seed: int) -> None:
    """Twice as slow is far from no difference, where seconds differ by a tenth."""
    rng = random.Random(seed)
    first, second = noisy(rng, 60), noisy(rng, 60, factor=2.0)
    for low, high in of(first, second)[:2]:
        assert 1.6 < low < high < 2.6


def test_interval_holds_what_it_promises() -> None:
    """Of 60 pairs without a difference, nearly all intervals hold 1."""
    rng = random.Random(11)
    held = 0
    for _ in range(60):
        low, high = of(noisy(rng, 25), noisy(rng, 25))[0]
        held += low <= 1 <= high
    assert held >= 54


def test_more_seconds_make_the_interval_narrower() -> None:
    """So running longer is a true advice."""
    rng = random.Random(5)
    widths = []
    for seconds in (20, 320):
        low, high = of(noisy(rng, seconds), noisy(rng, seconds))[0]
        widths.append(high / low)
    assert widths[1] < widths[0]


def test_rate_is_of_the_seconds() -> None:
    """Half as many answers in the same time are half the rate."""
    first = [stretch(0.001, count=10) for _ in range(25)]
    second = [stretch(0.001, count=5) for _ in range(25)]
    assert of(first, second)[2] == (0.5, 0.5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([stretch(0.001)], [stretch(0.001)]),
        ([stretch(0.001)] * 20, [stretch(0.001)] * 21),
        ([stretch(0.001)] * 20, [stretch(0.001, digits=2)] * 20),
        ([stretch()] * 20, [stretch()] * 20),
        ([stretch(0.001)] * 20, [stretch()] * 20),
        ([stretch(0.001, count=MOST_COUNTED)] * 20, [stretch(0.001)] * 20),
        ([stretch(0.001, took=0.0)] * 20, [stretch(0.001)] * 20),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(
    first: list[Stretch], second: list[Stretch]
) -> None:
    """Too few, not alike, nothing there, more than can be counted."""
    with pytest.raises(ValueError, match=r"too few|ranges|too little"):
        of(first, second)


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 1000), min_size=20, max_size=40),
    st.lists(st.floats(1e-6, 50), min_size=1, max_size=20),
)
def test_any_load_can_be_compared_with_itself(
    counts: list[int], durations: list[float]
) -> None:
    """Whatever the latencies and the counts are: no difference at all."""
    seconds = [stretch(*durations, count=count) for count in counts]
    assert of(seconds, seconds) == [(1.0, 1.0)] * 3
