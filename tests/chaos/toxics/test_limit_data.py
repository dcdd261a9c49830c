"""Limits: where a stream ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.toxic import (
    AT_ONCE,
    NEVER,
    Bytes,
    End,
    Frame,
    How,
    Item,
    Open,
    data_of,
)
from wavetank.chaos.toxics.limit_data import Limit, LimitData


@pytest.mark.parametrize("item", [Open(), End(How.RST)])
def test_limit_lets_the_opening_and_the_end_by(item: Item) -> None:
    """Neither has bytes."""
    assert LimitData(bytes=0).receive(item, 1.0) == [(1.0, item)]


def test_limit_data_closes_right_behind_the_last_byte() -> None:
    """The connection ends both ways as soon as the limit is reached, not later."""
    toxic = LimitData(bytes=5)
    assert toxic.receive(Bytes(b"abc"), 0.0) == [(0.0, Bytes(b"abc"))]
    assert toxic.receive(Bytes(b"defg"), 1.0) == [
        (1.0, Bytes(b"de")),
        (1.0, End(How.CLOSE)),
    ]


def test_limit_data_lets_a_frame_stay_whole_where_it_ends_with_it() -> None:
    """What is not cut stays what it is."""
    frame = Frame(b"\x89\x00", 2)
    assert LimitData(bytes=2).receive(frame, 0.0) == [
        (0.0, frame),
        (0.0, End(How.CLOSE)),
    ]


def test_limit_data_of_zero_closes_when_the_first_bytes_come() -> None:
    """As in Toxiproxy, nothing happens to a stream on which nothing is said."""
    toxic = LimitData(bytes=0)
    toxic.wake(0.0)
    assert toxic.wakes_at == NEVER
    assert toxic.receive(Bytes(b"x"), 1.0) == [(1.0, End(How.CLOSE))]


def test_limit_data_counts_on_when_it_is_changed() -> None:
    """What has gone by counts for the newer one too, and may be too much for it."""
    older, higher, lower = LimitData(bytes=5), LimitData(bytes=6), LimitData(bytes=1)
    older.receive(Bytes(b"abc"), 0.0)
    higher.take_over(older)
    lower.take_over(older)
    assert higher.receive(Bytes(b"defg"), 1.0)[0] == (1.0, Bytes(b"def"))
    assert lower.receive(Bytes(b"d"), 1.0) == [(1.0, End(How.CLOSE))]


def test_limit_in_time_counts_from_when_it_was_added() -> None:
    """It is woken when it is added; bytes go by until the time is over."""
    toxic = Limit(How.FIN, size=None, timeout=500)
    assert toxic.wakes_at == AT_ONCE
    assert toxic.wake(2.0) == []
    assert toxic.wakes_at == 2.5
    assert toxic.receive(Bytes(b"x"), 2.4) == [(2.4, Bytes(b"x"))]
    assert toxic.wake(2.5) == [(2.5, End(How.FIN))]
    assert toxic.wakes_at == NEVER


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=20), st.integers(0, 60))
def test_limit_data_lets_by_as_many_bytes_as_it_was_told(
    parts: list[bytes], size: int
) -> None:
    """However TCP cuts: the first bytes, and all of these."""
    toxic, seen = LimitData(bytes=size), b""
    for part in parts:
        for _, item in toxic.receive(Bytes(part), 0.0):
            seen += data_of(item)
    assert seen == b"".join(parts)[:size]
