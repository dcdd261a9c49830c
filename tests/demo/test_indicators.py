"""Indicators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo.indicators import Exponential, Macd, Simple, Strength

PRICES = st.lists(st.floats(1, 1e6), min_size=1, max_size=80)


def test_a_simple_average_is_that_of_the_last_values() -> None:
    """It is there once there are enough of them."""
    average = Simple(3)
    assert [average.add(value) for value in (3, 6, 9, 12)] == [None, None, 6, 9]


def test_an_exponential_average_weighs_the_newest_most() -> None:
    """It begins with a simple one, and moves by 2 / (length + 1) of the distance."""
    average = Exponential(3)
    values = [average.add(value) for value in (3, 6, 9, 12, 12)]
    assert values == [None, None, 6, 9, 10.5]


def test_the_strength_of_wilders_own_example_is_his() -> None:
    """The prices of New Concepts in Technical Trading Systems give 70.53 and 66.32."""
    prices = (
        *(44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245),
        *(45.8433, 46.0826, 45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028),
    )
    strength = Strength(14)
    values = [strength.add(price) for price in prices]
    assert values[:14] == [None] * 14
    assert values[14:] == [
        pytest.approx(70.53, abs=0.01),
        pytest.approx(66.32, abs=0.01),
    ]


def test_the_strength_without_a_move_is_in_the_middle() -> None:
    """Nobody is stronger where nothing moves."""
    strength = Strength(2)
    assert [strength.add(5.0) for _ in range(4)] == [None, None, 50.0, 50.0]


@given(PRICES)
def test_the_strength_stays_between_nought_and_a_hundred(prices: list[float]) -> None:
    """Whatever the prices are."""
    strength = Strength()
    for price in prices:
        value = strength.add(price)
        assert value is None or 0.0 <= value <= 100.0


def test_the_divergence_is_the_difference_of_its_averages() -> None:
    """Its signal comes when there are enough differences."""
    macd = Macd(2, 3, 2)
    seen = [(macd.add(value), macd.signal) for value in (1.0, 2.0, 4.0, 8.0)]
    fast, slow = Exponential(2), Exponential(3)
    pairs = [(fast.add(value), slow.add(value)) for value in (1.0, 2.0, 4.0, 8.0)]
    differences = [f - s for f, s in pairs if f is not None and s is not None]
    assert [value for value, _ in seen] == [None, None, *differences]
    assert [signal for _, signal in seen] == [None, None, None, sum(differences) / 2]


@given(PRICES)
def test_averages_stay_between_the_least_and_the_most(prices: list[float]) -> None:
    """No average leaves the range of its values."""
    simple, exponential = Simple(5), Exponential(5)
    for price in prices:
        for value in (simple.add(price), exponential.add(price)):
            slack = 1e-9 * max(prices)
            assert value is None or min(prices) - slack <= value <= max(prices) + slack
