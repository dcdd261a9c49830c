"""The feed."""

from decimal import Decimal

from wavetank.demo.feed import Feed
from wavetank.demo.market import Quote
from wavetank.demo.messages import Price, Status


def test_quotes_become_numbered_prices() -> None:
    """One of now has the time of now, one of the past keeps its own."""
    feed = Feed("r")
    made = [
        feed.price(Quote(Decimal(5), Decimal(1)), 10.0),
        feed.price(Quote(Decimal(6), Decimal(2), 3.0), 11.0),
    ]
    assert [(m.number, m.timestamp) for m in made] == [(1, 10_000.0), (2, 3000.0)]
    assert isinstance(made[1], Price)
    assert (made[1].price, made[1].volume) == (6, 2)
    assert feed.ticks == 2


def test_the_last_status_says_how_many_there_were() -> None:
    """Who misses one can tell."""
    feed = Feed("r")
    feed.price(Quote(Decimal(5), Decimal(1)), 10.0)
    end = feed.status("finished", 11.0)
    assert isinstance(end, Status)
    assert (end.role, end.state, end.ticks) == ("feed", "finished", 1)
    assert end.totals == feed.totals == {"market.btc-usd": 1, "market.status": 1}
