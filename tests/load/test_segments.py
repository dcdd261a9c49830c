"""Segments: exact shares of whole things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.exchange import Share
from wavetank.load.segments import dealt, members, shares


@given(total=st.integers(0, 5000), count=st.integers(1, 64))
def test_shares_are_disjoint_complete_and_even(total: int, count: int) -> None:
    """Everybody is in one share, and sizes differ by one at most."""
    parts = [members(total, share) for share in shares(count)]
    assert sorted(number for part in parts for number in part) == list(range(total))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@given(
    total=st.integers(0, 500),
    more=st.integers(0, 500),
    index=st.integers(0, 7),
)
def test_shares_keep_their_members_when_a_population_grows(
    total: int, more: int, index: int
) -> None:
    """Whoever comes takes nobody away from another worker."""
    share = Share(index=index, count=8)
    grown = members(total + more, share)
    assert list(members(total, share)) == list(grown[: len(members(total, share))])


@given(total=st.integers(0, 40), count=st.integers(1, 40))
def test_shares_without_a_member_get_no_arrivals(total: int, count: int) -> None:
    """The others are the whole among themselves."""
    parts = [dealt(share, among=total) for share in shares(count)]
    kept = [part for part in parts if part.index < part.count]
    assert kept == shares(max(min(total, count), 1))
    assert not total or all(members(total, share) for share in kept)


@pytest.mark.parametrize(("index", "works"), [(0, True), (1, False)])
def test_one_publisher_belongs_to_the_first_worker(index: int, *, works: bool) -> None:
    """Half of its arrivals went to a worker without any publisher, once."""
    part = dealt(Share(index=index, count=2), among=1)
    assert (part.index < part.count) is works
