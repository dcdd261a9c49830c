"""Timeout: a black hole, and the end of the connection after a time.

It refuses to know what falls into it.
"""

from wavetank.chaos.toxic import AT_ONCE, NEVER, End, How, Item, Open, Timed
from wavetank.chaos.toxics.noop import Noop

__all__ = ["Timeout"]


class Timeout(Noop):
    """Swallows all bytes; closes the connection after a time, or when it is healed.

    Closing at the heal is Toxiproxy's way and the honest one: the stream lacks what
    was swallowed. `Stall` is the toxic that gives back.

    Args:
        timeout: Milliseconds since it was added; 0 for never.
    """

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout / 1000
        self._since = NEVER
        self.wakes_at = AT_ONCE

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Swallow bytes; the opening and the end go by."""
        return [(now, item)] if isinstance(item, Open | End) else []

    def wake(self, now: float) -> list[Timed]:
        """Begin to count, or close."""
        if self._since == NEVER:
            self._count_from(now)
            return []
        self.wakes_at = NEVER
        return [(now, End(How.CLOSE))]

    def heal(self, now: float) -> list[Timed]:
        """Close, since bytes are missing."""
        return [(now, End(How.CLOSE))]

    def take_over(self, old: "Timeout") -> None:
        """Count on from when the older one was added."""
        self._count_from(old._since)

    def _count_from(self, moment: float) -> None:
        self._since = moment
        self.wakes_at = moment + self._timeout if self._timeout else NEVER
