"""Stall: everything stands still until the toxic is taken out, then all of it comes.

It refuses to know what stands still.
"""

from wavetank.chaos.toxic import NEVER, Item, Timed
from wavetank.chaos.toxics.noop import Noop

__all__ = ["Stall"]


class Stall(Noop):
    """Holds everything, the opening and the end too.

    That is what a partition does to TCP: nobody is told, senders try again, and
    after the heal everything arrives.
    """

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it wait in the chain, for ever if need be."""
        return [(NEVER, item)]

    def take_over(self, _old: "Stall") -> None:
        """What stands still goes on to."""
