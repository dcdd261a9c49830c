"""The portfolio."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo.exchange import FEE, WORST_SLIP, Trade
from wavetank.demo.portfolio import Portfolio


def test_a_purchase_turns_cash_into_what_is_held_and_a_sale_back() -> None:
    """The fee is gone either way."""
    portfolio = Portfolio(Decimal(1000))
    portfolio.take("buy", Trade(Decimal(2), Decimal(100), Decimal(1)))
    assert (portfolio.quantity, portfolio.cash) == (2, 799)
    assert portfolio.equity(Decimal(110)) == 1019
    portfolio.take("sell", Trade(Decimal(2), Decimal(110), Decimal(1)))
    assert (portfolio.quantity, portfolio.cash, portfolio.fills) == (0, 1018, 2)


@given(st.decimals("0.01", "1000000", places=2), st.decimals("1", "1e7", places=2))
def test_what_is_affordable_is_paid_for_in_the_worst_case(
    price: Decimal, capital: Decimal
) -> None:
    """The cash is never below nought, slip and fee included."""
    portfolio = Portfolio(capital)
    quantity = portfolio.affordable(price)
    dearest = price * (1 + WORST_SLIP)
    assert quantity >= 0
    assert quantity * dearest * (1 + FEE) <= capital
