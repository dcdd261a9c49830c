"""Slopes are found in noise, and a warm-up is no leak."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Verdict
from wavetank.load.slopes import FEWEST, growth_of, is_leak, trend_of

Samples = list[tuple[float, float]]


def line(count: int, slope: float, *, noise: float = 0.0, seed: int = 1) -> Samples:
    """Return as many samples, one a second, around a line."""
    rng = random.Random(seed)
    return [(float(at), slope * at + rng.gauss(0, noise)) for at in range(count)]


def test_trend_is_that_of_a_published_example() -> None:
    """Estimate and interval agree with ci.theil of statpsych for R.

    Its interval is 0.324 to 0.75; ours is rounded outwards, and so a little wider.
    """
    values = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    at = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    pairs = zip(map(float, at), map(float, values), strict=True)
    trend = trend_of(sorted(pairs))
    assert trend is not None
    assert trend.slope == 0.5
    assert 0.2 < trend.low <= 0.325
    assert 0.75 <= trend.high < 0.85


@given(st.integers(FEWEST, 450), st.floats(-1e6, 1e6))
def test_trend_of_a_line_is_its_slope(count: int, slope: float) -> None:
    """Without noise there is no doubt, however many samples there are."""
    trend = trend_of(line(count, slope))
    assert trend is not None
    for value in (trend.slope, trend.low, trend.high):
        assert value == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_trend_needs_enough_samples(count: int) -> None:
    """Below that, nothing is said."""
    assert trend_of(line(count, 1.0)) is None


def test_trend_needs_time_to_pass() -> None:
    """Samples of one moment have no slope."""
    assert trend_of([(1.0, float(value)) for value in range(20)]) is None


def test_trend_of_what_never_changes_is_nothing_for_certain() -> None:
    """A flat line is flat, ties and all."""
    trend = trend_of([(float(at), 7.0) for at in range(40)])
    assert trend is not None
    assert (trend.low, trend.slope, trend.high) == (0.0, 0.0, 0.0)


def test_trend_hardly_moves_for_a_few_wild_samples() -> None:
    """A collection of garbage now and then does not hide the slope."""
    samples = line(60, 1.0, noise=0.5)
    for wild in (10, 30, 59):
        samples[wild] = (samples[wild][0], -1000.0)
    trend = trend_of(samples)
    assert trend is not None
    assert trend.slope == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.9])
def test_trend_has_the_true_slope_in_its_interval_also_when_neighbours_are_alike(
    likeness: float,
) -> None:
    """In about 95 of a hundred noises, also of those that go on for long."""
    rng, hits = random.Random(7), 0
    for _ in range(100):
        rest, samples = 0.0, []
        for at in range(80):
            rest = likeness * rest + rng.gauss(0, 1)
            samples.append((float(at), 0.1 * at + rest))
        trend = trend_of(samples)
        assert trend is not None
        hits += trend.low <= 0.1 <= trend.high
    assert hits >= 88


def test_trend_of_one_long_wave_is_as_uncertain_as_it_looks() -> None:
    """Where neighbours are all alike, the slope may be any that was seen."""
    samples = [(float(at), math.sin(at / 3)) for at in range(FEWEST * 2)]
    trend = trend_of(samples)
    assert trend is not None
    assert trend.low < -0.25
    assert trend.high > 0.25


def test_leak_in_steps_is_found() -> None:
    """Memory comes in large pieces; between them nothing seems to grow."""
    samples = [(float(at), float(at // 5 * 5)) for at in range(120)]
    assert is_leak(samples, bound=0.5) is Verdict.FAIL


def test_leak_is_found() -> None:
    """What grows to the end by more than the bound is a leak."""
    assert is_leak(line(40, 2.0, noise=3.0), bound=1.0) is Verdict.FAIL


def test_growth_below_the_bound_is_no_leak() -> None:
    """A slope that one can live with passes."""
    assert is_leak(line(40, 0.5, noise=3.0), bound=1.0) is Verdict.PASS


def test_warm_up_that_levels_off_is_no_leak() -> None:
    """A slope that ends is none, though all of it together has one."""
    samples = [(float(at), 100 * (1 - math.exp(-at / 9))) for at in range(90)]
    growth = growth_of(samples)
    assert growth is not None
    assert growth.whole.slope > 0.1
    assert growth.exceeds(0.1) is Verdict.PASS


def test_leak_that_begins_late_is_not_passed() -> None:
    """What starts to grow in the later half may be the beginning of a leak."""
    samples = [(float(at), float(max(0, at - 30))) for at in range(60)]
    assert is_leak(samples, bound=0.5) is not Verdict.PASS


@pytest.mark.parametrize("count", [0, FEWEST, 2 * FEWEST - 2])
def test_leak_is_unknown_when_samples_are_few(count: int) -> None:
    """Each half has to bear it out."""
    assert is_leak(line(count, 5.0), bound=1.0) is Verdict.UNKNOWN


def test_leak_is_unknown_when_samples_scatter_too_much() -> None:
    """A slope that may be on either side of the bound is on neither."""
    assert is_leak(line(24, 1.0, noise=30.0), bound=1.0) is Verdict.UNKNOWN
