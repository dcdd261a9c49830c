"""The market."""

import random
from decimal import Decimal
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo.market import CENT, simulate


def test_the_same_dice_give_the_same_prices() -> None:
    """A run can be repeated from its seed."""
    first, again, other = (
        list(islice(simulate(random.Random(seed)), 500)) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


@given(st.integers(0, 2**32), st.floats(0.01, 1e9))
def test_prices_stay_prices_wherever_they_begin(seed: int, start: float) -> None:
    """They are above zero and bounded, with whole cents, and volumes too."""
    for quote in islice(simulate(random.Random(seed), start), 50):
        assert Decimal(1) <= quote.price <= Decimal(10_000_000)
        assert quote.price == quote.price.quantize(CENT)
        assert quote.volume >= 0
        assert quote.at is None


def test_prices_move_little_and_jump_now_and_then() -> None:
    """Most steps are small, and some are larger than such steps ever are."""
    prices = [float(q.price) for q in islice(simulate(random.Random(3)), 5000)]
    steps = [abs(after / before - 1) for before, after in pairwise(prices)]
    small = sum(step < 0.004 for step in steps)
    assert 0.97 < small / len(steps) < 1.0
