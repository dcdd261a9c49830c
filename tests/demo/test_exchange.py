"""The exchange."""

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo.exchange import FEE, WORST_SLIP, Exchange, Ticket
from wavetank.demo.market import CENT

PRICE = Decimal("67000.00")


def test_without_an_order_there_is_nothing_to_do() -> None:
    """No trade, no end, nothing to cancel."""
    exchange = Exchange(random.Random(1))
    assert exchange.trade(PRICE) is None
    assert exchange.settle() is None
    assert exchange.cancel() is None


def test_an_order_can_be_cancelled_at_once() -> None:
    """It ends with what was filled, which is nothing."""
    exchange = Exchange(random.Random(1))
    placed = exchange.place("o", "buy", Decimal(1))
    assert placed == Ticket("o", "buy", Decimal(1), Decimal(0), "placed")
    assert exchange.cancel() == placed._replace(state="cancelled")
    assert exchange.open is None


@given(
    st.integers(0, 10_000),
    st.sampled_from(("buy", "sell")),
    st.decimals("0.00000001", "1000", places=8),
    st.decimals("0.00000100", "100000", places=8),
)
def test_every_order_ends_with_the_sum_of_its_fills(
    seed: int, side: str, quantity: Decimal, price: Decimal
) -> None:
    """It takes four prices at most; no price slips too far, or the wrong way."""
    exchange = Exchange(random.Random(seed))
    exchange.place("o", side, quantity)  # type: ignore[arg-type] # a sampled literal
    total = Decimal(0)
    ended = None
    prices = 0
    while ended is None:
        prices += 1
        trade = exchange.trade(price)
        if trade is not None:
            total += trade.quantity
            step = CENT if price >= 1 else Decimal("0.00000001")
            slip = (trade.price - price) * (1 if side == "buy" else -1)
            assert -step <= slip <= price * WORST_SLIP + step
            assert trade.price > 0
            value = trade.quantity * trade.price
            assert abs(trade.fee - value * FEE) <= CENT
        ended = exchange.settle()
    assert prices <= 4
    assert ended.filled == total
    assert (ended.state == "filled") == (total == quantity)
    assert exchange.open is None


def test_some_orders_are_filled_in_parts_and_some_not_at_all() -> None:
    """What a trader has to expect is seen within a hundred orders."""
    exchange = Exchange(random.Random(2))
    states, parts = set(), set()
    for number in range(100):
        exchange.place(str(number), "sell", Decimal(1))
        count = 0
        while (ended := exchange.settle()) is None:
            count += exchange.trade(PRICE) is not None
        states.add(ended.state)
        parts.add(count)
    assert states == {"filled", "cancelled"}
    assert {1, 2, 3} <= parts
