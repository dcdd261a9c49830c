"""Limit in time: the connection is closed after a while, though bytes flow.

It refuses to know what goes by.
"""

from wavetank.chaos.toxic import How
from wavetank.chaos.toxics.limit_data import Limit

__all__ = ["LimitTime"]


class LimitTime(Limit):
    """Lets everything by for a time, then closes the connection.

    Args:
        time: Milliseconds since it was added, or since the link began.
    """

    def __init__(self, *, time: float) -> None:
        super().__init__(How.CLOSE, size=None, timeout=time)
