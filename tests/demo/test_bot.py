"""The bot."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from wavetank.demo.bot import Bot
from wavetank.demo.exchange import Ticket
from wavetank.demo.feed import Feed
from wavetank.demo.market import Quote
from wavetank.demo.messages import (
    Decision,
    Fill,
    Indicators,
    Message,
    Order,
    Position,
    Price,
    Status,
)
from wavetank.demo.strategy import Choice

Play = Callable[..., list[Message]]


def price(number: int, value: str = "100", run: str = "r") -> Price:
    """Return a price."""
    return Price(
        run=run,
        number=number,
        timestamp=1.0,
        symbol="BTC-USD",
        price=Decimal(value),
        volume=Decimal(1),
    )


def make_bot(capital: int = 1000) -> Bot:
    """Return a bot of the run r."""
    return Bot("r", random.Random(1), Decimal(capital))


def end(ticks: int, run: str = "r", state: str = "finished") -> Status:
    """Return a status of the feed."""
    return Status(
        run=run,
        number=1,
        timestamp=1.0,
        role="feed",
        state=state,  # type: ignore[arg-type] # a literal as a text
        ticks=ticks,
        missed=0,
        totals={},
    )


def test_the_same_prices_and_dice_give_the_same_messages(play: Play) -> None:
    """A run can be repeated from its seed."""
    assert play(seed=5) == play(seed=5)
    assert play(seed=5) != play(seed=6)


def test_a_run_has_messages_of_every_kind(play: Play) -> None:
    """Two hundred prices are enough for orders and fills."""
    kinds = {type(message) for message in play()}
    assert kinds == {Price, Status, Indicators, Decision, Order, Fill, Position}


def test_a_price_that_came_before_or_is_of_another_run_is_passed_over() -> None:
    """Nothing is traded twice."""
    bot = make_bot()
    assert bot.receive(price(1), 1.0)
    assert bot.receive(price(1), 1.0) == []
    assert bot.receive(price(2, run="x"), 1.0) == []
    bot.hear(end(5, run="x"))
    assert (bot.foreign, bot.ticks, bot.total) == (3, 1, None)


def test_prices_that_did_not_come_are_counted() -> None:
    """A hole in the numbers, and what lacks at the end, are missed prices."""
    bot = make_bot()
    bot.receive(price(2), 1.0)
    bot.receive(price(5), 1.0)
    assert bot.missed == 3
    bot.hear(end(0, state="working"))
    bot.hear(end(7))
    assert not bot.is_done
    last = bot.finish(2.0)[-1]
    assert isinstance(last, Status)
    assert (last.ticks, last.missed, last.state) == (2, 5, "finished")
    assert repr(bot) == "<Bot tick 5 of 7 missed 5>"


def test_a_bot_that_saw_no_price_says_only_that_it_is_done() -> None:
    """There is no position without a price."""
    bot = make_bot()
    made = bot.finish(2.0)
    assert len(made) == 1
    assert bot.totals["bot.status"] == 1
    assert bot.totals["bot.positions"] == 0


def decide(bot: Bot, action: str, monkeypatch: pytest.MonkeyPatch) -> Decision:
    """Let a bot decide at its next price; return the decision."""
    choice = Choice(action, "because")  # type: ignore[arg-type] # a literal as a text
    monkeypatch.setattr(bot._strategy, "choose", lambda _: choice)
    made = bot.receive(price(bot.ticks + 1), 1.0)
    monkeypatch.undo()
    found = [each for each in made if isinstance(each, Decision)]
    assert len(found) == 1
    return found[0]


def test_what_cannot_be_done_is_decided_all_the_same_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An open order, nothing held, some held already, no cash: each is said."""
    bot = make_bot()
    decision = decide(bot, "sell", monkeypatch)
    assert decision.reason == "because; not done: it holds nothing"
    assert decision.order is None
    bot._exchange.place("o", "buy", Decimal(1))
    bot._exchange._age = -100
    assert decide(bot, "buy", monkeypatch).reason.endswith("an order is open")
    bot._exchange.open = None
    bot._portfolio.quantity = Decimal(1)
    assert decide(bot, "buy", monkeypatch).reason.endswith("it holds some already")
    poor = make_bot(capital=0)
    assert decide(poor, "buy", monkeypatch).reason.endswith("there is too little cash")


def test_an_order_that_is_open_at_the_end_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No order is left without an end."""
    bot = make_bot()
    decision = decide(bot, "buy", monkeypatch)
    assert decision.order == "r-1"
    made = bot.finish(2.0)
    assert [type(each) for each in made] == [Order, Position, Status]
    assert isinstance(made[0], Order)
    assert made[0].state == "cancelled"
    assert isinstance(bot._exchange.open, Ticket | None)


def test_a_feed_gives_what_a_bot_takes() -> None:
    """Their numbers go together."""
    feed, bot = Feed("r"), make_bot()
    for _ in range(3):
        made = feed.price(Quote(Decimal(100), Decimal(1)), 1.0)
        assert isinstance(made, Price)
        bot.receive(made, 1.0)
    last = feed.status("finished", 1.0)
    assert isinstance(last, Status)
    bot.hear(last)
    assert bot.is_done
