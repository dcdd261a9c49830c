"""Latency: what goes by arrives later, in the order in which it came.

It refuses to know what goes by.
"""

from typing import TYPE_CHECKING, Final

from wavetank.chaos.toxic import Item, Open, Timed
from wavetank.chaos.toxics.noop import Noop

if TYPE_CHECKING:
    import random

__all__ = ["DISTRIBUTIONS", "Latency"]

DISTRIBUTIONS: Final = ("uniform", "normal", "pareto")
"""How jitter is spread."""

_TAIL: Final = 3.0
"""Shape of the Pareto distribution: a mean of 1.5, a variance that is finite."""


class Latency(Noop):
    """Delays everything but the opening of the connection, as Toxiproxy's does.

    It is a longer way and not a slower one: what follows does not wait for what went
    before, but for its own delay; and it never overtakes.

    Args:
        latency: Milliseconds.
        jitter: Milliseconds. uniform: as much more or less at most; normal: the
            standard deviation; pareto: never less, half as much more on average, and
            now and then a long time more.
        distribution: One of `DISTRIBUTIONS`.
        rng: Its dice.
    """

    def __init__(
        self,
        *,
        latency: float,
        jitter: float,
        distribution: str,
        rng: "random.Random",
    ) -> None:
        super().__init__()
        self._latency = latency
        self._jitter = jitter
        self._distribution = distribution
        self._rng = rng

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it go on later."""
        if isinstance(item, Open):
            return [(now, item)]
        return [(now + max(self._delay(), 0.0) / 1000, item)]

    def take_over(self, _old: "Latency") -> None:
        """What is on its way arrives when it was to arrive."""

    def _delay(self) -> float:
        """Return milliseconds; less than none where jitter is more than latency."""
        if not self._jitter:
            return self._latency
        if self._distribution == "normal":
            return self._rng.gauss(self._latency, self._jitter)
        if self._distribution == "pareto":
            return self._latency + self._jitter * (self._rng.paretovariate(_TAIL) - 1)
        return self._latency + self._jitter * (2 * self._rng.random() - 1)
