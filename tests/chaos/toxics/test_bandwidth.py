"""Bandwidth: when each piece has gone by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.toxic import NEVER, Bytes, End, Frame, Item, Open, data_of
from wavetank.chaos.toxics.bandwidth import Bandwidth


def run(toxic: Bandwidth, until: float = 1e9) -> list[tuple[float, Item]]:
    """Wake a toxic whenever it wants to be; return what left, and when."""
    left: list[tuple[float, Item]] = []
    while toxic.wakes_at <= until:
        left += toxic.wake(toxic.wakes_at)
    return left


def test_bandwidth_takes_the_time_that_the_bytes_need() -> None:
    """One KB is 1000 bytes: 50 of them at 1 KB/s take 50 ms."""
    toxic = Bandwidth(rate=1)
    assert toxic.receive(Frame(b"\x81\x30" + b"x" * 48, 2), 1.0) == []
    assert toxic.kept == 50
    assert run(toxic) == [(1.05, Frame(b"\x81\x30" + b"x" * 48, 2))]
    assert (toxic.kept, toxic.wakes_at) == (0, NEVER)


def test_bandwidth_cuts_what_takes_longer_than_a_tenth_of_a_second() -> None:
    """Pieces leave while the rest is still on its way."""
    toxic = Bandwidth(rate=1)
    toxic.receive(Bytes(b"x" * 250), 0.0)
    left = run(toxic)
    assert [len(data_of(item)) for _, item in left] == [100, 100, 50]
    assert [at for at, _ in left] == pytest.approx([0.1, 0.2, 0.25])


def test_bandwidth_lets_the_next_one_wait_for_the_line() -> None:
    """Two at once leave one after the other; the end takes no time of its own."""
    toxic = Bandwidth(rate=1)
    assert toxic.receive(Open(), 0.0) == [(0.0, Open())]
    for item in (Bytes(b"x" * 50), Bytes(b"y" * 50), End()):
        toxic.receive(item, 0.0)
    assert [at for at, _ in run(toxic)] == pytest.approx([0.05, 0.1, 0.1])


def test_bandwidth_gives_no_credit_for_a_line_that_was_idle() -> None:
    """Time without bytes is gone."""
    toxic = Bandwidth(rate=1)
    toxic.receive(Bytes(b"x" * 50), 0.0)
    run(toxic)
    toxic.receive(Bytes(b"x" * 50), 9.0)
    assert [at for at, _ in run(toxic)] == pytest.approx([9.05])


def test_bandwidth_of_zero_lets_nothing_by_until_it_is_taken_out() -> None:
    """Whoever cuts a line with rate 0, as with Toxiproxy, gets everything back."""
    toxic = Bandwidth(rate=0)
    assert toxic.receive(Bytes(b"abc"), 0.0) == []
    assert (toxic.wakes_at, toxic.kept) == (NEVER, 3)
    assert toxic.heal(5.0) == [(5.0, Bytes(b"abc"))]


def test_bandwidth_goes_on_at_the_new_rate_when_it_is_changed() -> None:
    """What waits is handed over, uncut and in order."""
    older, newer = Bandwidth(rate=1), Bandwidth(rate=10)
    older.receive(Bytes(b"x" * 500), 0.0)
    older.wake(0.1)
    newer.take_over(older)
    assert run(newer) == [(pytest.approx(0.14), Bytes(b"x" * 400))]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(1, 9))
def test_bandwidth_is_as_fast_as_it_was_told_and_loses_nothing(
    sizes: list[int], rate: int
) -> None:
    """All bytes of a burst have gone by when the line could have carried them."""
    toxic = Bandwidth(rate=rate)
    for place, size in enumerate(sizes):
        toxic.receive(Bytes(bytes([place]) * size), 0.0)
    left = run(toxic)
    joined = b"".join(data_of(item) for _, item in left)
    assert joined == b"".join(bytes([place]) * size for place, size in enumerate(sizes))
    assert left[-1][0] == pytest.approx(sum(sizes) / (rate * 1000))
