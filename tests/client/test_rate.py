"""Rate: how many commands may be sent a second."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.rate import Rate


def test_rate_without_a_limit_always_says_yes() -> None:
    """None is unlimited, and so is a zero that nobody could live with."""
    for rate in (Rate(None, 0.0), Rate(0.0, 0.0)):
        assert all(rate.take(0.0) for _ in range(1000))
        assert rate.due_at == 0.0


def test_rate_allows_a_burst_and_then_says_when() -> None:
    """Ten a second: eight at once, then one each tenth of a second."""
    rate = Rate(10.0, 5.0)
    assert [rate.take(5.0) for _ in range(9)] == [True] * 8 + [False]
    assert 5.1 <= rate.due_at <= 5.1001
    assert rate.take(rate.due_at)
    assert not rate.take(5.1001)
    assert repr(rate).startswith("<Rate 10.0 a second")


@given(
    st.floats(0.1, 40.0),
    st.lists(st.floats(0.0, 2.0), min_size=1, max_size=50),
)
def test_rate_is_never_above_what_the_hub_takes(
    rate: float, waits: list[float]
) -> None:
    """Over any time from the start: no more than burst and rate allow."""
    bucket, now, taken = Rate(rate, 0.0), 0.0, 0
    for wait in waits:
        now += wait
        while bucket.take(now):
            taken += 1
        assert taken <= max(1.0, rate) + rate * now + 1e-6
        assert bucket.due_at > now - 1e-9
