"""Slow close: the end is late."""

from wavetank.chaos.toxic import Bytes, End, How
from wavetank.chaos.toxics.slow_close import SlowClose


def test_slow_close_delays_the_end_alone() -> None:
    """Bytes go by at once, the end some milliseconds later, as it was."""
    toxic = SlowClose(delay=2000)
    assert toxic.receive(Bytes(b"x"), 1.0) == [(1.0, Bytes(b"x"))]
    assert toxic.receive(End(How.RST), 1.0) == [(3.0, End(How.RST))]


def test_slow_close_has_nothing_to_hand_over() -> None:
    """An end on its way is in the chain."""
    newer = SlowClose(delay=1)
    newer.take_over(SlowClose(delay=2))
    assert newer.receive(End(), 0.0) == [(0.001, End())]
