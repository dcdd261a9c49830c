"""The portfolio: cash and what is held, changed by trades.

It refuses to know why something is traded.
"""

from decimal import Decimal

from wavetank.demo.exchange import FEE, WORST_SLIP, Trade
from wavetank.demo.messages import Side

__all__ = ["Portfolio"]

_STAKE = Decimal("0.2")
"""Share of the cash that one purchase may take."""
_LOT = Decimal("0.0001")


class Portfolio:
    """What a trader has.

    Args:
        capital: The cash that it begins with.

    Attributes:
        capital: The same.
        cash: What is there now.
        quantity: What is held.
        fills: How many trades there were.
    """

    def __init__(self, capital: Decimal) -> None:
        self.capital = capital
        self.cash = capital
        self.quantity = Decimal(0)
        self.fills = 0

    def take(self, side: Side, trade: Trade) -> None:
        """Take in a trade."""
        sign = 1 if side == "buy" else -1
        self.quantity += sign * trade.quantity
        self.cash -= sign * trade.quantity * trade.price + trade.fee
        self.fills += 1

    def affordable(self, price: Decimal) -> Decimal:
        """Return how much may be bought at once; it is paid for in the worst case."""
        dearest = price * (1 + WORST_SLIP) * (1 + FEE)
        lots = (self.cash * _STAKE / dearest) // _LOT
        return max(Decimal(0), lots * _LOT)

    def equity(self, price: Decimal) -> Decimal:
        """Return what all of it is worth at a price."""
        return self.cash + self.quantity * price
