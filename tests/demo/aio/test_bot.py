"""The bot's process."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.client import LinkOptions
from wavetank.demo.aio import bot as module
from wavetank.demo.aio.bot import BotProcess
from wavetank.demo.aio.feed import FeedProcess, open_quotes
from wavetank.demo.messages import Message, encode, topic_of
from wavetank.demo.options import DemoPlan
from wavetank.hub import Hub

pytestmark = pytest.mark.anyio

MakePlan = Callable[..., DemoPlan]
Play = Callable[..., list[Message]]
DEADLINE = 60.0


async def feed(hub: Hub, told: Any, link: LinkOptions, plan: DemoPlan) -> None:
    """Publish all prices of a plan."""
    process = FeedProcess(plan, link, told.teller("feed"), open_quotes(plan))
    assert await process.run() == 0


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - lines are no event
            await asyncio.sleep(0)


async def test_a_bot_works_off_what_was_published_before_it_came(
    told: Any, make_told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """It ends with the last price, and everything of it is acknowledged."""
    async with Hub(port=0) as hub:
        await feed(hub, make_told(), link, make_plan("feed", hub.url, messages=80))
        bot = BotProcess(make_plan("bot", hub.url), link, told.teller("bot"))
        assert await bot.run() == 0
    (finished,) = told.of("finished")
    assert (finished["ticks"], finished["missed"]) == (80, 0)
    assert finished["totals"]["bot.indicators"] == 80
    assert finished["accepted"] == finished["acknowledged"]
    assert finished["totals"]["bot.orders"] == len(told.of("order"))
    assert len(told.of("received")) >= 80
    assert repr(bot).startswith("<BotProcess working <Bot tick 80 of 80")


async def test_a_bot_goes_on_when_the_hub_is_away(
    told: Any,
    make_told: Any,
    link: LinkOptions,
    make_plan: MakePlan,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """It says so, then and afterwards, and no price is missed."""
    monkeypatch.setattr(module, "_BEAT", 0.02)
    async with Hub(port=0, data=str(tmp_path)) as hub:
        url = hub.url
        await hub.publish("market.btc-usd", {"no": "price"})
        bot = BotProcess(make_plan("bot", url), link, told.teller("bot"))
        running = asyncio.create_task(bot.run())
        await until(lambda: len(told.of("published")) >= 3)
    await until(lambda: told.of("disconnected"))
    port = url.rpartition(":")[2].partition("/")[0]
    async with Hub(port=port, data=str(tmp_path)) as hub:
        assert hub.url == url
        await feed(hub, make_told(), link, make_plan("feed", hub.url))
        assert await running == 0
    assert told.of("malformed")[0]["topic"] == "market.btc-usd"
    assert len(told.of("connected")) >= 2
    (finished,) = told.of("finished")
    assert (finished["ticks"], finished["missed"]) == (60, 0)
    assert finished["totals"]["bot.status"] >= 5
    assert finished["accepted"] == finished["acknowledged"]


async def test_a_bot_that_misses_the_last_prices_ends_after_its_patience(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play
) -> None:
    """The feed says how many there were, and so does the bot."""
    messages = play(run="demo", ticks=6)
    prices = [each for each in messages if topic_of(each) == "market.btc-usd"]
    end = next(each for each in messages if topic_of(each) == "market.status")
    async with Hub(port=0) as hub:
        await hub.publish("market.btc-usd", encode(prices[0]))
        await hub.publish("market.status", encode(end))
        plan = make_plan("bot", hub.url, patience=0.5)
        bot = BotProcess(plan, link, told.teller("bot"))
        await bot.run()
    (finished,) = told.of("finished")
    assert (finished["ticks"], finished["missed"]) == (1, 5)


async def test_a_bot_tells_a_gap_and_counts_what_it_missed(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play
) -> None:
    """A hub forgot its log at a restart; the numbers tell how many prices are gone."""
    messages = play(run="demo", ticks=6)
    prices = [each for each in messages if topic_of(each) == "market.btc-usd"]
    end = next(each for each in messages if topic_of(each) == "market.status")
    async with Hub(port=0) as hub:
        url = hub.url
        for price in prices[:3]:
            await hub.publish("market.btc-usd", encode(price))
        bot = BotProcess(make_plan("bot", url), link, told.teller("bot"))
        running = asyncio.create_task(bot.run())
        await until(lambda: len(told.of("received")) == 3)
    port = url.rpartition(":")[2].partition("/")[0]
    async with Hub(port=port) as hub:
        # What is in the new log before it comes belongs to the gap.
        await until(lambda: len(told.of("connected")) == 2)
        await hub.publish("market.btc-usd", encode(prices[5]))
        await hub.publish("market.status", encode(end))
        assert await running == 0
    assert told.of("gap")[0]["reason"] == "epoch_changed"
    (finished,) = told.of("finished")
    assert (finished["ticks"], finished["missed"]) == (4, 2)


async def test_a_bot_that_the_hub_does_not_let_in_gives_up(
    told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """A wrong token is said, and is a failure."""
    async with Hub(port=0, token=("right",)) as hub:
        plan = make_plan("bot", hub.url, patience=0.5)
        bot = BotProcess(plan, LinkOptions(**link, token="wrong"), told.teller("bot"))
        assert await bot.run() == 1
    assert len(told.of("gave_up")) == 1
