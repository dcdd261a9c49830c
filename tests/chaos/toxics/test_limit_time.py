"""Limit in time: bytes flow, and then it is over."""

from wavetank.chaos.toxic import Bytes, End, How
from wavetank.chaos.toxics.limit_time import LimitTime


def test_limit_time_closes_while_bytes_flow() -> None:
    """Everything goes by until the time is over, then the connection is closed."""
    toxic = LimitTime(time=1000)
    toxic.wake(0.0)
    assert toxic.receive(Bytes(b"x" * 9999), 0.9) == [(0.9, Bytes(b"x" * 9999))]
    assert toxic.wakes_at == 1.0
    assert toxic.wake(1.0) == [(1.0, End(How.CLOSE))]
