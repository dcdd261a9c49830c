"""Slow close: the end of a stream is told later.

It refuses to know what went by before.
"""

from wavetank.chaos.toxic import End, Item, Timed
from wavetank.chaos.toxics.noop import Noop

__all__ = ["SlowClose"]


class SlowClose(Noop):
    """Delays the end.

    Args:
        delay: Milliseconds.
    """

    def __init__(self, *, delay: float) -> None:
        super().__init__()
        self._delay = delay / 1000

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let everything by, and the end later."""
        return [(now + self._delay if isinstance(item, End) else now, item)]

    def take_over(self, _old: "SlowClose") -> None:
        """An end that is on its way is told when it was to be told."""
