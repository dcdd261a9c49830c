"""Sequences say who got which number, and stay small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence.sequences import Arrival, Gap, Sequence

NUMBERS = st.lists(st.integers(0, 40))


def sequence(*numbers: int, first: int | None = None, limit: int = 100) -> Sequence:
    """Return a sequence that took these numbers in."""
    taken = Sequence(first=first, limit=limit)
    for number in numbers:
        taken.add(number)
    return taken


@given(NUMBERS, st.none() | st.integers(0, 20))
def test_sequence_counts_as_a_slow_and_obvious_reader_does(
    numbers: list[int], first: int | None
) -> None:
    """Sets and a loop give the same counts and the same gaps."""
    seen: set[int] = set()
    repeated = reordered = early = 0
    for number in numbers:
        if first is not None and number < first:
            early += 1
        elif number in seen:
            repeated += 1
        else:
            reordered += bool(seen) and number < max(seen)
            seen.add(number)
    start = first if first is not None else min(seen, default=0)
    top = max(seen, default=start - 1)
    missing = [number for number in range(start, top + 1) if number not in seen]

    taken = sequence(*numbers, first=first)
    assert taken.received == len(seen)
    assert taken.lost == len(missing)
    assert taken.highest == max(seen, default=None)
    assert (taken.repeated, taken.early) == (repeated, early)
    # A number below an agreed start that nothing followed yet is not behind
    # anything: only what came after a higher one is reordered.
    assert taken.reordered == reordered
    listed = [n for gap in taken.missing() for n in range(gap.first, gap.last + 1)]
    assert listed == missing
    assert not taken.saturated


@given(NUMBERS.filter(bool), st.integers(0, 60))
def test_missing_up_to_a_number_names_all_that_did_not_come(
    numbers: list[int], upto: int
) -> None:
    """The end of a stream counts too, when it is known."""
    taken = sequence(*numbers, first=0)
    listed = [n for gap in taken.missing(upto) for n in range(gap.first, gap.last + 1)]
    assert listed == [n for n in range(upto + 1) if n not in set(numbers)]


@given(NUMBERS, st.none() | st.integers(0, 20), st.integers(0, 60))
def test_count_missing_counts_what_missing_names(
    numbers: list[int], first: int | None, upto: int
) -> None:
    """The count is that of the gaps, without naming them."""
    taken = sequence(*numbers, first=first)
    assert taken.count_missing(upto) == sum(gap.size for gap in taken.missing(upto))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 10))),
    st.none() | st.integers(0, 20),
    st.integers(2, 6),
)
def test_add_range_counts_as_adding_each_number_does(
    ranges: list[tuple[int, int]], first: int | None, limit: int
) -> None:
    """A stretch of numbers is nothing but its numbers, wherever it falls."""
    at_once = Sequence(first=first, limit=limit)
    for start, length in ranges:
        at_once.add_range(start, start + length)
    numbers = [start + more for start, length in ranges for more in range(length + 1)]
    each = sequence(*numbers, first=first, limit=limit)
    assert repr(at_once) == repr(each)
    assert at_once.missing() == each.missing()


def test_add_range_behind_a_gap_takes_one_step() -> None:
    """A stretch of any length is one interval, not a loop over its numbers."""
    taken = sequence(1, first=1)
    taken.add_range(3, 10**15)
    assert (taken.lost, taken.received) == (1, 10**15 - 1)


def test_sequence_says_what_each_number_meant() -> None:
    """Next, ahead, late, repeated, early: one word for each arrival."""
    taken = Sequence(first=5)
    assert [taken.add(number) for number in (5, 6, 9, 7, 9, 4, 10)] == [
        Arrival.NEXT,
        Arrival.NEXT,
        Arrival.AHEAD,
        Arrival.LATE,
        Arrival.REPEATED,
        Arrival.EARLY,
        Arrival.NEXT,
    ]
    assert taken.missing() == [Gap(8, 8)]
    assert taken.missing()[0].size == 1


def test_sequence_without_a_start_begins_with_what_comes() -> None:
    """A subscriber that joined in the middle lost nothing before."""
    taken = sequence(57, 58, 60)
    assert taken.lost == 1
    assert taken.add(55) is Arrival.LATE
    assert taken.missing() == [Gap(56, 56), Gap(59, 59)]


def test_sequence_with_a_start_misses_the_first_numbers_too() -> None:
    """The agreed first number is missing when the second comes first."""
    assert sequence(3, first=1).missing() == [Gap(1, 2)]


def test_sequence_of_nothing_lost_nothing_and_misses_everything() -> None:
    """Without a number there is no highest; what was due is still missing."""
    assert Sequence().missing(9) == []
    assert Sequence().count_missing(9) == 0
    due = Sequence(first=1)
    assert (due.highest, due.lost, due.missing()) == (None, 0, [])
    assert due.missing(9) == [Gap(1, 9)]
    assert due.missing(0) == []


def test_sequence_in_order_costs_one_interval() -> None:
    """However long a sound stream is, its memory stays the same."""
    assert sequence(*range(10_000)).statistics()["intervals"] == 1


@pytest.mark.parametrize("step", [2, -2])
def test_sequence_stays_bounded_and_says_so_under_hostile_scatter(step: int) -> None:
    """Every second number, up or down: few intervals, and still the true loss."""
    numbers = list(range(0, step * 1000, step))
    taken = sequence(*numbers, limit=10)
    assert taken.saturated
    assert taken.statistics()["intervals"] == 10
    assert (taken.received, taken.lost) == (1000, 999)


def test_saturated_sequence_counts_what_comes_into_a_settled_gap_as_repeated() -> None:
    """The counts are bounds then, which is what saturated says."""
    taken = sequence(1, 3, 5, limit=2)
    assert taken.saturated
    assert taken.missing() == [Gap(4, 4)]
    assert taken.add(2) is Arrival.REPEATED
    assert taken.lost == 2
    assert [taken.count_missing(upto) for upto in (3, 4, 5, 9)] == [1, 2, 2, 6]


def test_sequence_takes_numbers_of_any_size() -> None:
    """A target may send numbers that no machine word holds."""
    huge = 10**30
    assert sequence(1, huge).lost == huge - 2


def test_sequence_refuses_a_limit_that_holds_no_gap() -> None:
    """One interval cannot have a gap."""
    with pytest.raises(ValueError, match="2 intervals"):
        Sequence(limit=1)


def test_sequence_prints_its_counts() -> None:
    """Tests and bug reports read the same line."""
    assert repr(sequence(1, 3, 3)) == (
        "<Sequence received=2 lost=1 repeated=1 reordered=0 early=0 intervals=2 "
        "saturated=False>"
    )
