"""Intervals are a set of numbers in bounded memory."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.checkers.intervals import Intervals

STRETCHES = st.tuples(st.integers(0, 40), st.integers(-2, 10)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
STEPS = st.lists(st.tuples(st.booleans(), STRETCHES), max_size=20)


def numbers(stretch: tuple[int, int]) -> set[int]:
    """Return the numbers of a stretch."""
    return set(range(stretch[0], stretch[1] + 1))


@given(STEPS)
def test_intervals_hold_what_a_set_holds(
    steps: list[tuple[bool, tuple[int, int]]],
) -> None:
    """Added and taken out in any order, they hold the same numbers as a set."""
    intervals, plain = Intervals(), set[int]()
    for adds, stretch in steps:
        if adds:
            intervals.add(*stretch)
            plain |= numbers(stretch)
        else:
            intervals.discard(*stretch)
            plain -= numbers(stretch)
    assert {n for n in range(-5, 60) if n in intervals} == plain
    assert intervals.size == len(plain)
    ends = list(intervals)
    assert all(end + 1 < begin for (_, end), (begin, _) in pairwise(ends))


@given(st.lists(STRETCHES, max_size=8), st.lists(STRETCHES, max_size=8))
def test_intervals_without_others_are_a_difference(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    """The sets that it was made of stay as they are."""
    one, other = Intervals(), Intervals()
    for stretch in some:
        one.add(*stretch)
    for stretch in others:
        other.add(*stretch)
    before = list(one)
    rest = one.without(other)
    assert {n for n in range(60) if n in rest} == {
        n for n in range(60) if n in one and n not in other
    }
    assert list(one) == before


def test_intervals_settle_the_lowest_beyond_their_bound() -> None:
    """Hostile scatter keeps the count, and forgets which numbers they were."""
    intervals = Intervals(limit=3)
    for number in range(0, 20, 2):
        intervals.add(number, number)
    assert (len(intervals), intervals.size, intervals.settled) == (3, 10, 7)
    assert 0 not in intervals
    assert intervals.without(Intervals()).size == 10
    assert repr(intervals) == "<Intervals 10 in 3>"
