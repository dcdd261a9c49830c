"""The strategy: buy when the fast average crosses the slow one upwards, and back.

It refuses to know money: how much is bought is not its question.
"""

from typing import NamedTuple

from wavetank.demo.indicators import Exponential, Macd, Simple, Strength
from wavetank.demo.messages import Side

__all__ = ["Choice", "Crossing", "Readings"]

_FAST = 5
_SLOW = 15
_OVERBOUGHT = 80.0
_OVERSOLD = 20.0


class Readings(NamedTuple):
    """All indicators after a price; see ``messages.Indicators``."""

    fast: float | None
    slow: float | None
    average: float | None
    rsi: float | None
    macd: float | None
    signal: float | None


class Choice(NamedTuple):
    """What to do, and why."""

    action: Side
    reason: str


class Crossing:
    """Follows the prices, and says when to buy and when to sell."""

    def __init__(self) -> None:
        self._fast = Exponential(_FAST)
        self._slow = Exponential(_SLOW)
        self._average = Simple(_SLOW)
        self._strength = Strength()
        self._macd = Macd()
        self._was_above: bool | None = None

    def add(self, price: float) -> Readings:
        """Take the next price; return what the indicators say."""
        return Readings(
            self._fast.add(price),
            self._slow.add(price),
            self._average.add(price),
            self._strength.add(price),
            self._macd.add(price),
            self._macd.signal,
        )

    def choose(self, readings: Readings) -> Choice | None:
        """Return what to do after a price; None where nothing has changed.

        It is asked once after each price.
        """
        fast, slow, rsi = readings.fast, readings.slow, readings.rsi
        if fast is None or slow is None or rsi is None:
            return None
        is_above, was_above = fast > slow, self._was_above
        self._was_above = is_above
        if was_above is None or is_above == was_above:
            return None
        if is_above:
            words = f"the fast average crossed upwards, RSI {rsi:.0f}"
            return Choice("buy", words) if rsi < _OVERBOUGHT else None
        words = f"the fast average crossed downwards, RSI {rsi:.0f}"
        return Choice("sell", words) if rsi > _OVERSOLD else None
