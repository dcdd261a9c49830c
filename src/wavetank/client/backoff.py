"""Backoff: how long to wait before the next attempt.

It refuses to know what is attempted, clocks and its own dice: they are handed in.
"""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import random

__all__ = ["Backoff"]

_MOST_DOUBLINGS = 64
"""More would only make a float overflow; the cap holds long before."""


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Full jitter: anything between zero and a bound that doubles each time.

    Clients that lost the same server at the same moment so come back one by one.

    Attributes:
        base: Longest wait before the first attempt, in seconds.
        cap: Longest wait of all, in seconds.
    """

    base: float = 0.1
    cap: float = 20.0

    def bound(self, attempt: int) -> float:
        """Return the longest wait before an attempt.

        Args:
            attempt: How many were in vain before it.
        """
        return min(self.cap, self.base * 2.0 ** min(attempt, _MOST_DOUBLINGS))

    def delay(self, attempt: int, rng: "random.Random") -> float:
        """Return how long to wait before an attempt, in seconds.

        Args:
            attempt: How many were in vain before it.
            rng: The dice.
        """
        return rng.uniform(0.0, self.bound(attempt))
