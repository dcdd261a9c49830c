"""The market: made-up prices that move as prices do.

It refuses to know when a price is asked for, and throws no dice of its own.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import random

__all__ = ["CENT", "Quote", "simulate"]

CENT = Decimal("0.01")

_LEAST = 1.0
_MOST = 10_000_000.0
"""Prices stay between these, however long it goes on."""

_DEVIATION = 0.001
"""Of the logarithm of the price, from one price to the next."""

_JUMPS = 0.01
"""Chance that a price jumps."""

_JUMP_DEVIATION = 0.005


class Quote(msgspec.Struct, frozen=True):
    """A price before it is published.

    Attributes:
        price: Of one.
        volume: How much was traded at it.
        at: When that was, in seconds since 1970; None is now.
    """

    price: Decimal
    volume: Decimal
    at: float | None = None


def simulate(rng: "random.Random", start: float = 67_000.0) -> Iterator[Quote]:
    """Yield prices without end: geometric Brownian motion with jumps (Merton 1976).

    Args:
        rng: The dice; the same ones give the same prices.
        start: What the first price comes from.
    """
    level = start
    while True:
        step = rng.gauss(-_DEVIATION * _DEVIATION / 2, _DEVIATION)
        if rng.random() < _JUMPS:
            step += rng.gauss(0.0, _JUMP_DEVIATION)
        level = min(_MOST, max(_LEAST, level * math.exp(step)))
        volume = rng.lognormvariate(-2.0, 1.0)
        yield Quote(Decimal(f"{level:.2f}"), Decimal(f"{volume:.8f}"))
