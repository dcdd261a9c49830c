"""The feed: quotes become numbered price messages, and a status that counts them.

It refuses to know when and how they are published.
"""

from wavetank.demo.market import Quote
from wavetank.demo.messages import SYMBOL, Message, Price, State, Status
from wavetank.demo.numbering import Numbering

__all__ = ["Feed"]

_PRICES = "market.btc-usd"
_TOPICS = (_PRICES, "market.status")


class Feed:
    """Makes the messages of a price feed.

    Args:
        run: Which run of the demo they belong to.
    """

    def __init__(self, run: str) -> None:
        self._numbering = Numbering(run, _TOPICS)

    @property
    def totals(self) -> dict[str, int]:
        """How many messages were made so far, by topic."""
        return self._numbering.totals

    @property
    def ticks(self) -> int:
        """How many prices there were."""
        return self.totals[_PRICES]

    def price(self, quote: Quote, at: float) -> Message:
        """Return the next price.

        Args:
            quote: The price.
            at: Now, in seconds since 1970; a quote of the past keeps its own time.
        """
        return self._numbering.make(
            Price,
            at if quote.at is None else quote.at,
            symbol=SYMBOL,
            price=quote.price,
            volume=quote.volume,
        )

    def status(self, state: State, at: float) -> Message:
        """Return how it is doing.

        Args:
            state: What it does.
            at: Now, in seconds since 1970.
        """
        return self._numbering.make(
            Status, at, role="feed", state=state, ticks=self.ticks, missed=0, totals={}
        )
