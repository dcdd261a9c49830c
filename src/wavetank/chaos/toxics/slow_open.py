"""Slow open: a new connection takes its time to reach the target.

It refuses to know what is said later.
"""

from wavetank.chaos.toxic import Item, Timed
from wavetank.chaos.toxics.noop import Noop

__all__ = ["SlowOpen"]


class SlowOpen(Noop):
    """Delays the first item, and so all that wait behind it.

    Upstream of a new link that is the opening of the connection to the target;
    downstream it is the first that the target says.

    Args:
        delay: Milliseconds.
    """

    def __init__(self, *, delay: float) -> None:
        super().__init__()
        self._delay = delay / 1000
        self._is_open = False

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Delay the first one; the chain keeps the others behind it."""
        delay = 0.0 if self._is_open else self._delay
        self._is_open = True
        return [(now + delay, item)]

    def take_over(self, old: "SlowOpen") -> None:
        """What is open stays open."""
        self._is_open = old._is_open
