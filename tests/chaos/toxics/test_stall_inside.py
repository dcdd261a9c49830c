"""Stall inside lets a stream stand still in the middle of a frame."""

import pytest

from wavetank.chaos.toxic import NEVER
from wavetank.chaos.toxics.stall_inside import StallInside

from .streams import Stream, text

FRAME = text("hello")


@pytest.mark.parametrize(("size", "first"), [(1, 1), (4, 4), (8, 8), (99, 10)])
def test_first_bytes_come_at_once_and_the_rest_later(size: int, first: int) -> None:
    """At least one byte is late, wherever the cut was asked for."""
    stream = Stream(StallInside(bytes=size, delay=300))
    assert stream.send(FRAME, now=1.0) == FRAME
    (at, piece), (later, rest) = stream.sent
    assert (at, later) == (1.0, 1.3)
    assert (piece.data, rest.data) == (FRAME[:first], FRAME[first:])


def test_rest_stays_until_the_toxic_is_taken_out() -> None:
    """Without a delay it is never due; the chain keeps it, and what follows."""
    stream = Stream(StallInside(bytes=1, delay=0))
    assert stream.send(FRAME, now=1.0) == FRAME
    assert stream.times == [1.0, NEVER]
    assert stream.heal() == b""


def test_what_stands_still_is_not_let_go_by_a_change() -> None:
    """A changed toxic goes on where the older one is: the chain keeps the rest."""
    old, new = StallInside(bytes=1, delay=0), StallInside(bytes=5, delay=0)
    new.take_over(old)
    assert new.wakes_at == NEVER


def test_unchosen_frames_go_by() -> None:
    """Only what was chosen is cut."""
    stream = Stream(StallInside(bytes=1, delay=300))
    assert stream.let_by(FRAME, now=1.0) == FRAME
    assert stream.times == [1.0]
