"""Backoff: how long to wait before the next attempt."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.backoff import Backoff


@pytest.mark.parametrize(
    ("attempt", "bound"),
    [(0, 0.1), (1, 0.2), (5, 3.2), (7, 12.8), (8, 20.0), (9, 20.0), (10**9, 20.0)],
)
def test_backoff_doubles_its_bound_up_to_the_cap(attempt: int, bound: float) -> None:
    """0.1 s, 0.2 s, 0.4 s and so on, and never more than 20 s."""
    assert Backoff().bound(attempt) == pytest.approx(bound)


@given(
    attempt=st.integers(0, 10_000),
    base=st.floats(0.0, 10.0),
    cap=st.floats(0.0, 1000.0),
    seed=st.integers(),
)
def test_backoff_stays_within_its_bound(
    attempt: int, base: float, cap: float, seed: int
) -> None:
    """Every delay lies between nothing and the bound of its attempt."""
    backoff = Backoff(base=base, cap=cap)
    delay = backoff.delay(attempt, random.Random(seed))
    assert 0.0 <= delay <= backoff.bound(attempt) <= cap


def test_backoff_spreads_over_the_whole_range() -> None:
    """Full jitter: short waits are as likely as long ones."""
    rng = random.Random(7)
    delays = sorted(Backoff(cap=1.0).delay(9, rng) for _ in range(1000))
    assert delays[0] < 0.01
    assert delays[-1] > 0.99
    assert 0.4 < delays[500] < 0.6
