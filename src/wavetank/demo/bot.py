"""The bot: prices in; indicators, decisions, orders, fills and positions out.

It refuses to know how prices come, and where its messages go.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from wavetank.demo.exchange import Exchange, Ticket
from wavetank.demo.messages import (
    TOPICS,
    Decision,
    Fill,
    Indicators,
    Message,
    Order,
    Position,
    Price,
    State,
    Status,
)
from wavetank.demo.numbering import Numbering
from wavetank.demo.portfolio import Portfolio
from wavetank.demo.strategy import Choice, Crossing

if TYPE_CHECKING:
    import random

__all__ = ["Bot"]

_TOPICS = tuple(topic for topic in TOPICS if topic.startswith("bot."))
_EVERY = 10
"""A position is told after each fill, and each so many prices."""


class Bot:
    """A trading bot with a simulated exchange.

    The same prices and the same dice give the same messages.

    Args:
        run: Which run of the demo it takes part in.
        rng: The dice of the exchange.
        capital: The cash that it begins with.

    Attributes:
        ticks: Prices that it has seen.
        missed: Prices that did not come: their numbers were passed over.
        foreign: Messages of other runs, or ones that came before.
        total: How many prices there are, once the feed has said so.
    """

    def __init__(self, run: str, rng: "random.Random", capital: Decimal) -> None:
        self._run = run
        self._numbering = Numbering(run, _TOPICS)
        self._exchange = Exchange(rng)
        self._portfolio = Portfolio(capital)
        self._strategy = Crossing()
        self._orders = 0
        self._last: Price | None = None
        self.ticks = 0
        self.missed = 0
        self.foreign = 0
        self.total: int | None = None

    @property
    def totals(self) -> dict[str, int]:
        """How many messages were made so far, by topic."""
        return self._numbering.totals

    @property
    def is_done(self) -> bool:
        """Whether the feed has finished and its last price was seen."""
        return self.total is not None and self._tick >= self.total

    @property
    def _tick(self) -> int:
        """Number of the last price."""
        return 0 if self._last is None else self._last.number

    def hear(self, status: Status) -> None:
        """Hear how the feed is doing."""
        if status.run != self._run:
            self.foreign += 1
        elif status.state == "finished":
            self.total = status.ticks

    def receive(self, price: Price, at: float) -> list[Message]:
        """Take the next price; return what comes of it.

        Args:
            price: The price; one of another run, or one that came before, is counted
                and passed over.
            at: Now, in seconds since 1970.
        """
        if price.run != self._run or price.number <= self._tick:
            self.foreign += 1
            return []
        is_first = self._last is None
        self.missed += price.number - self._tick - 1
        self.ticks += 1
        self._last = price
        made = self._trade(price, at)
        has_filled = bool(made) and isinstance(made[0], Fill)
        readings = self._strategy.add(float(price.price))
        made.append(self._make(Indicators, at, **readings._asdict()))
        choice = self._strategy.choose(readings)
        if choice is not None:
            made += self._decide(choice, price, at)
        if has_filled or is_first or self.ticks % _EVERY == 0:
            made.append(self._position(price, at))
        return made

    def status(self, state: State, at: float) -> Message:
        """Return how it is doing.

        Args:
            state: What it does.
            at: Now, in seconds since 1970.
        """
        return self._numbering.make(
            Status,
            at,
            role="bot",
            state=state,
            ticks=self.ticks,
            missed=self.missed,
            totals={},
        )

    def finish(self, at: float) -> list[Message]:
        """Cancel what is open, and return the last messages."""
        made = []
        if self.total is not None:
            self.missed += max(0, self.total - self._tick)
        if self._last is not None:
            cancelled = self._exchange.cancel()
            if cancelled is not None:
                made.append(self._order(cancelled, at))
            made.append(self._position(self._last, at))
        return [*made, self.status("finished", at)]

    def _make(self, kind: type[Message], at: float, **fields: object) -> Message:
        """Make a message that belongs to the last price."""
        return self._numbering.make(kind, at, tick=self._tick, **fields)

    def _trade(self, price: Price, at: float) -> list[Message]:
        """Let the exchange fill the open order, and end it where it is over."""
        made = []
        ticket, trade = self._exchange.open, self._exchange.trade(price.price)
        if ticket is not None and trade is not None:
            self._portfolio.take(ticket.side, trade)
            parts = trade._asdict()
            made.append(
                self._make(Fill, at, order=ticket.order, side=ticket.side, **parts)
            )
        ended = self._exchange.settle()
        return made if ended is None else [*made, self._order(ended, at)]

    def _decide(self, choice: Choice, price: Price, at: float) -> list[Message]:
        """Place an order where that is possible; say what was decided either way."""
        has_any = self._portfolio.quantity > 0
        quantity = self._portfolio.quantity
        obstacle = ""
        if choice.action == "buy":
            quantity = self._portfolio.affordable(price.price)
            obstacle = "it holds some already" if has_any else ""
        if self._exchange.open is not None:
            obstacle = "an order is open"
        elif not obstacle and not quantity:
            is_buying = choice.action == "buy"
            obstacle = "there is too little cash" if is_buying else "it holds nothing"
        words = {"action": choice.action, "reason": choice.reason}
        if obstacle:
            words["reason"] += f"; not done: {obstacle}"
            return [self._make(Decision, at, order=None, **words)]
        self._orders += 1
        name = f"{self._run}-{self._orders}"
        ticket = self._exchange.place(name, choice.action, quantity)
        return [
            self._make(Decision, at, order=name, **words),
            self._order(ticket, at),
        ]

    def _order(self, ticket: Ticket, at: float) -> Message:
        return self._make(Order, at, **ticket._asdict())

    def _position(self, price: Price, at: float) -> Message:
        portfolio = self._portfolio
        equity = portfolio.equity(price.price)
        return self._make(
            Position,
            at,
            fills=portfolio.fills,
            quantity=portfolio.quantity,
            cash=portfolio.cash,
            price=price.price,
            equity=equity,
            profit=equity - portfolio.capital,
        )

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Bot tick {self._tick} of {self.total} missed {self.missed}>"
