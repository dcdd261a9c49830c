"""The books: orders, fills and positions, held against what has to be true of them.

They refuse to know how messages came: each comes once, those of a topic in order.
"""

from collections import Counter, deque
from decimal import Decimal
from typing import Any

import msgspec

from wavetank.demo.messages import Decision, Fill, Message, Order, Position, Price

__all__ = ["Books"]

_MOST_PROBLEMS = 100
_MOST_WAITING = 100_000
"""Messages of one kind that wait for those of other topics; the oldest is let go."""


class _Life(msgspec.Struct):
    """What is known of one order.

    Attributes:
        is_decided: Whether a decision named it.
        placed: Its first step.
        ended: Its last step.
        filled: Sum of its fills.
    """

    is_decided: bool = False
    placed: Order | None = None
    ended: Order | None = None
    filled: Decimal = Decimal(0)


class _Sums(msgspec.Struct, frozen=True):
    """What so many fills come to."""

    quantity: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)


class Books:
    """Checks the identities of a trading cycle, in bounded memory.

    - cash + quantity x price = equity, and equity - capital = profit
    - the price of a position is the market's at that tick
    - the sum of the fills is the position, in quantity and in cash
    - each order was decided, and ends filled or cancelled, with the fills it says

    Messages of different topics may come in any order.

    Attributes:
        problems: What does not hold, the first ones of it.
        broken: How often something did not hold.
        checked: How often something held or did not, by identity.
        unchecked: How often something could not be checked, by identity: what it
            takes is missing.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.broken = 0
        self.checked: Counter[str] = Counter()
        self.unchecked: Counter[str] = Counter()
        self._orders: dict[str, _Life] = {}
        self._prices: dict[int, Decimal] = {}
        self._tick = 0
        self._sums = {0: _Sums()}
        self._fills = 0
        self._capital: Decimal | None = None
        self._waiting: deque[Position] = deque()

    def receive(self, message: Message) -> None:
        """Take a message."""
        match message:
            case Price():
                self._take_price(message)
            case Decision(order=str(name)):
                self._life(name).is_decided = True
                self._close(name)
            case Order():
                self._take_order(message)
            case Fill():
                self._take_fill(message)
            case Position():
                self._take_position(message)

    def finish(self, *, is_whole: bool) -> None:
        """Judge what still waits.

        Args:
            is_whole: Whether no message is missing; else what waits for one cannot
                be judged.
        """
        for position in self._waiting:
            if is_whole:
                self._hold("fills", self._excess(position))
            else:
                self._judge(position)
        self._waiting.clear()
        for name, life in self._orders.items():
            if is_whole:
                self._hold("orders", _ending(name, life))
            else:
                self.unchecked["orders"] += 1
        self._orders.clear()

    def _excess(self, position: Position) -> str:
        return (
            f"position {position.number}: it counts {position.fills} fills at tick "
            f"{position.tick}, and there are {self._fills} and {self._tick}"
        )

    # What comes.

    def _take_price(self, price: Price) -> None:
        self._prices[price.number] = price.price
        self._tick = price.number
        if len(self._prices) > _MOST_WAITING:
            del self._prices[next(iter(self._prices))]
        self._settle()

    def _take_order(self, order: Order) -> None:
        life = self._life(order.order)
        if order.state == "placed":
            life.placed = order
        else:
            life.ended = order
        self._close(order.order)

    def _take_fill(self, fill: Fill) -> None:
        life = self._life(fill.order)
        life.filled += fill.quantity
        self._close(fill.order)
        before = self._sums.get(fill.number - 1)
        self._fills = fill.number
        if before is not None:
            sign = 1 if fill.side == "buy" else -1
            self._sums[fill.number] = _Sums(
                before.quantity + sign * fill.quantity,
                before.cash - sign * fill.quantity * fill.price - fill.fee,
            )
            if len(self._sums) > _MOST_WAITING:
                del self._sums[next(iter(self._sums))]
        self._settle()

    def _take_position(self, position: Position) -> None:
        name = f"position {position.number}"
        worth = position.cash + position.quantity * position.price
        words = f"{name}: cash and holdings are {worth}, and equity {position.equity}"
        self._hold("equity", "" if worth == position.equity else words)
        if position.number == 1:
            self._capital = position.equity - position.profit
        self._waiting.append(position)
        if len(self._waiting) > _MOST_WAITING:
            self._judge(self._waiting.popleft())
        self._settle()

    # What can be judged.

    def _settle(self) -> None:
        """Judge the positions whose prices and fills are there."""
        waiting = self._waiting
        while (
            waiting
            and waiting[0].tick <= self._tick
            and waiting[0].fills <= self._fills
        ):
            position = waiting.popleft()
            self._judge(position)
            self._prune(position)

    def _prune(self, position: Position) -> None:
        """Forget what later positions cannot need."""
        _drop_below(position.tick, self._prices)
        if position.fills in self._sums:
            _drop_below(position.fills, self._sums)

    def _judge(self, position: Position) -> None:
        name = f"position {position.number}"
        price = self._prices.get(position.tick)
        if price is None:
            self.unchecked["prices"] += 1
        else:
            words = (
                f"{name}: its price is {position.price}, and the market's at tick "
                f"{position.tick} was {price}"
            )
            self._hold("prices", "" if price == position.price else words)
        capital, sums = self._capital, self._sums.get(position.fills)
        if capital is None or sums is None:
            self.unchecked["fills"] += 1
            return
        cash = capital + sums.cash
        words = (
            f"{name}: {position.fills} fills come to {sums.quantity} and {cash} in "
            f"cash, and it says {position.quantity} and {position.cash}"
        )
        is_right = (position.quantity, position.cash) == (sums.quantity, cash)
        self._hold("fills", "" if is_right else words)
        profit = position.equity - capital
        words = f"{name}: the profit is {profit}, and it says {position.profit}"
        self._hold("profit", "" if profit == position.profit else words)

    def _close(self, name: str) -> None:
        """Judge and forget an order of which everything has come."""
        life = self._orders[name]
        ended = life.ended
        if ended is None or life.placed is None or not life.is_decided:
            return
        if life.filled >= ended.filled:
            self._hold("orders", _ending(name, life))
            del self._orders[name]

    def _life(self, name: str) -> _Life:
        life = self._orders.get(name)
        if life is None:
            life = self._orders[name] = _Life()
            if len(self._orders) > _MOST_WAITING:
                del self._orders[next(iter(self._orders))]
                self.unchecked["orders"] += 1
        return life

    def _hold(self, identity: str, problem: str) -> None:
        self.checked[identity] += 1
        if problem:
            self.broken += 1
            if len(self.problems) < _MOST_PROBLEMS:
                self.problems.append(problem)

    def __repr__(self) -> str:
        """Show what was checked."""
        return f"<Books checked {self.checked.total()} broken {self.broken}>"


def _drop_below(bound: int, held: dict[int, Any]) -> None:
    """Drop the entries before a number; they are held in their order."""
    while held and (first := next(iter(held))) < bound:
        del held[first]


def _ending(name: str, life: _Life) -> str:
    """Say what is wrong with an order; "" where all is right."""
    placed, ended = life.placed, life.ended
    what = ""
    if placed is None:
        what = "it was never placed"
    elif not life.is_decided:
        what = "nobody decided on it"
    elif ended is None:
        what = "it was neither filled nor cancelled"
    elif (placed.side, placed.quantity) != (ended.side, ended.quantity):
        what = "it was placed as another one than it ended"
    elif life.filled != ended.filled:
        what = f"its fills are {life.filled}, and it says {ended.filled}"
    elif (ended.filled == ended.quantity) != (ended.state == "filled"):
        what = f"{ended.filled} of {ended.quantity} is not {ended.state}"
    return f"order {name}: {what}" if what else ""
