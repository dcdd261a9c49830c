"""The exchange: fills an order bit by bit, at prices that slip, with seeded dice.

It refuses to know who trades, and what they have.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from wavetank.demo.market import CENT
from wavetank.demo.messages import OrderState, Side

if TYPE_CHECKING:
    import random

__all__ = ["FEE", "WORST_SLIP", "Exchange", "Ticket", "Trade"]

SATOSHI = Decimal("0.00000001")
FEE = Decimal("0.001")
"""Share of a trade's value that the exchange takes."""
WORST_SLIP = Decimal("0.0005")
"""Most that a price slips against the trader, as a share of it."""

_PATIENCE = 4
"""Prices that an order lives; what is not filled by then is cancelled."""
_MISSES = 0.2
"""Chance that nothing is filled at a price."""
_WHOLE = 0.5
"""Chance that all the rest is filled at once."""


class Ticket(NamedTuple):
    """An order as the exchange has it."""

    order: str
    side: Side
    quantity: Decimal
    filled: Decimal
    state: OrderState


class Trade(NamedTuple):
    """One fill."""

    quantity: Decimal
    price: Decimal
    fee: Decimal


class Exchange:
    """Takes one order at a time.

    Args:
        rng: The dice.
    """

    def __init__(self, rng: "random.Random") -> None:
        self._rng = rng
        self._age = 0
        self.open: Ticket | None = None

    def place(self, order: str, side: Side, quantity: Decimal) -> Ticket:
        """Take an order; it is filled from the next price on."""
        self._age = 0
        self.open = Ticket(order, side, quantity, Decimal(0), "placed")
        return self.open

    def trade(self, price: Decimal) -> Trade | None:
        """Fill something of the open order, or nothing, at the market's price."""
        ticket, rng = self.open, self._rng
        if ticket is None:
            return None
        self._age += 1
        if rng.random() < _MISSES:
            return None
        rest = ticket.quantity - ticket.filled
        if rng.random() >= _WHOLE:
            share = Decimal(f"{rng.uniform(0.2, 0.9):.4f}")
            rest = max(SATOSHI, (rest * share).quantize(SATOSHI))
        slip = WORST_SLIP * Decimal(f"{rng.random():.4f}")
        worse = 1 + slip if ticket.side == "buy" else 1 - slip
        step = CENT if price >= 1 else SATOSHI
        at = max(step, (price * worse).quantize(step))
        self.open = ticket._replace(filled=ticket.filled + rest)
        return Trade(rest, at, (rest * at * FEE).quantize(CENT))

    def settle(self) -> Ticket | None:
        """Return the open order if it has ended by now, filled or cancelled."""
        ticket = self.open
        if ticket is None:
            return None
        if ticket.filled == ticket.quantity:
            return self._end(ticket, "filled")
        return self._end(ticket, "cancelled") if self._age >= _PATIENCE else None

    def cancel(self) -> Ticket | None:
        """Cancel the open order; return it, None where there is none."""
        return None if self.open is None else self._end(self.open, "cancelled")

    def _end(self, ticket: Ticket, state: OrderState) -> Ticket:
        self.open = None
        return ticket._replace(state=state)
