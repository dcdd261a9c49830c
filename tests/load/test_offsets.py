"""Offsets of clocks: never more wrong than they say, whatever the network does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.offsets import (
    Offset,
    RoundTrip,
    disagreement,
    error_over,
    offset_of,
)

TOLERANCE = 1e-6
"""Seconds that floats of this size may be wrong by."""

moments = st.floats(min_value=0.0, max_value=1e6)
ways = st.floats(min_value=0.0, max_value=10.0)
offsets = st.floats(min_value=-1e6, max_value=1e6)


@given(offsets, st.lists(st.tuples(moments, ways, ways), min_size=1))
def test_an_offset_is_never_more_wrong_than_it_says(
    truth: float, trips: list[tuple[float, float, float]]
) -> None:
    """However long the way there and the way back are, and however unlike."""
    offset = offset_of(
        RoundTrip(asked_at=at, read=at + there + truth, answered_at=at + there + back)
        for at, there, back in trips
    )
    assert abs(offset.seconds - truth) <= offset.error + TOLERANCE


@given(st.lists(st.tuples(moments, ways), min_size=1))
def test_the_shortest_round_trip_wins(trips: list[tuple[float, float]]) -> None:
    """It leaves least room for the moment at which the clock was read."""
    offset = offset_of(
        RoundTrip(asked_at=at, read=0.0, answered_at=at + way) for at, way in trips
    )
    assert offset.error == pytest.approx(min(way for _, way in trips) / 2, abs=1e-9)


def test_an_offset_is_half_way_between_question_and_answer() -> None:
    """Equal ways are the best guess."""
    trip = RoundTrip(asked_at=10.0, read=110.0, answered_at=10.5)
    assert offset_of([trip]) == Offset(seconds=99.75, error=0.25)


def test_a_clock_that_was_never_read_has_no_offset() -> None:
    """A guess would be a number that nobody measured."""
    with pytest.raises(ValueError, match="never read"):
        offset_of([])


def test_an_answer_before_the_question_is_refused() -> None:
    """That is no clock to measure with."""
    with pytest.raises(ValueError, match="gone back"):
        offset_of([RoundTrip(asked_at=2.0, read=0.0, answered_at=1.0)])


@given(offsets, ways, ways, st.floats(min_value=-5.0, max_value=5.0))
def test_an_error_covers_the_drift_until_the_end(
    truth: float, first: float, last: float, drift: float
) -> None:
    """The clock was somewhere else in the end, and the measurement there has errors."""
    begin = Offset(seconds=truth + first, error=first)
    end = Offset(seconds=truth + drift - last, error=last)
    error = error_over(begin, end)
    assert abs(begin.seconds - truth) <= error + TOLERANCE
    assert abs(begin.seconds - (truth + drift)) <= error + TOLERANCE


@pytest.mark.parametrize(
    ("errors", "whole"),
    [
        ([], 0.0),  # all workers here
        ([0.5], 0.0),  # all on one clock
        ([0.5, 0.25, 0.125], 0.75),  # the two worst, one to the other
    ],
)
def test_two_clocks_disagree_by_both_their_errors(
    errors: list[float], whole: float
) -> None:
    """A message from one to the other is timed by both."""
    assert disagreement(errors) == whole
