"""Slow open: the first item is late."""

from wavetank.chaos.toxic import Bytes, Open
from wavetank.chaos.toxics.slow_open import SlowOpen


def test_slow_open_delays_the_opening_alone() -> None:
    """What is said later is not late by itself; the chain keeps it behind."""
    toxic = SlowOpen(delay=1500)
    assert toxic.receive(Open(), 1.0) == [(2.5, Open())]
    assert toxic.receive(Bytes(b"x"), 1.5) == [(1.5, Bytes(b"x"))]


def test_slow_open_delays_the_first_bytes_of_a_stream_without_opening() -> None:
    """Downstream the target's first word is late."""
    assert SlowOpen(delay=10).receive(Bytes(b"x"), 1.0) == [(1.01, Bytes(b"x"))]


def test_slow_open_does_not_open_again_when_it_is_changed() -> None:
    """A stream is opened once."""
    older, newer = SlowOpen(delay=10), SlowOpen(delay=20)
    older.receive(Open(), 0.0)
    newer.take_over(older)
    assert newer.receive(Bytes(b"x"), 1.0) == [(1.0, Bytes(b"x"))]
