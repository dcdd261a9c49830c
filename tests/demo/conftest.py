"""What tests of the demo share: a run of it, as messages."""

import random
from collections.abc import Callable
from decimal import Decimal
from itertools import islice

import pytest

from wavetank.demo.bot import Bot
from wavetank.demo.feed import Feed
from wavetank.demo.market import simulate
from wavetank.demo.messages import Message, Price, Status

Play = Callable[..., list[Message]]


@pytest.fixture
def play() -> Play:
    """Play a whole run, and give all its messages in the order of their making."""

    def play(ticks: int = 200, seed: int = 1, run: str = "r") -> list[Message]:
        feed = Feed(run)
        bot = Bot(run, random.Random(seed), Decimal(100_000))
        told: list[Message] = []
        for quote in islice(simulate(random.Random(seed)), ticks):
            price = feed.price(quote, 1000.0)
            assert isinstance(price, Price)
            told += [price, *bot.receive(price, 1000.0)]
        end = feed.status("finished", 1001.0)
        assert isinstance(end, Status)
        bot.hear(end)
        assert bot.is_done
        return [*told, end, *bot.finish(1001.0)]

    return play
