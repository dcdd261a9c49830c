"""Timeout: a black hole that closes, or does not."""

import pytest

from wavetank.chaos.toxic import (
    AT_ONCE,
    NEVER,
    Bytes,
    End,
    Frame,
    Head,
    How,
    Item,
    Open,
)
from wavetank.chaos.toxics.timeout import Timeout


@pytest.mark.parametrize("item", [Bytes(b"x"), Head(b"GET"), Frame(b"\x81\x00", 2)])
def test_timeout_swallows_bytes(item: Item) -> None:
    """Whatever has bytes is gone."""
    assert Timeout(timeout=0).receive(item, 1.0) == []


@pytest.mark.parametrize("item", [Open(), End(), End(How.RST)])
def test_timeout_lets_the_opening_and_the_end_by(item: Item) -> None:
    """As in Toxiproxy, the target is connected to, and an end is told."""
    assert Timeout(timeout=0).receive(item, 1.0) == [(1.0, item)]


def test_timeout_closes_a_time_after_it_was_added() -> None:
    """It is woken when it is added, and counts from then, whether bytes come or not."""
    toxic = Timeout(timeout=500)
    assert toxic.wakes_at == AT_ONCE
    assert toxic.wake(2.0) == []
    assert toxic.wakes_at == 2.5
    assert toxic.wake(2.5) == [(2.5, End(How.CLOSE))]
    assert toxic.wakes_at == NEVER


def test_timeout_of_zero_never_closes() -> None:
    """A black hole for ever."""
    toxic = Timeout(timeout=0)
    assert toxic.wake(2.0) == []
    assert toxic.wakes_at == NEVER


def test_timeout_closes_when_it_is_taken_out() -> None:
    """Bytes are missing, so the stream cannot go on; Toxiproxy closes too."""
    assert Timeout(timeout=0).heal(3.0) == [(3.0, End(How.CLOSE))]


def test_timeout_counts_on_when_it_is_changed() -> None:
    """The time runs from when the first one was added."""
    older, newer = Timeout(timeout=500), Timeout(timeout=2000)
    older.wake(1.0)
    newer.take_over(older)
    assert newer.wakes_at == 3.0
