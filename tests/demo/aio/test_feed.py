"""The feed's process."""

import asyncio
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from wavetank.client import LinkOptions
from wavetank.demo.aio import feed as module
from wavetank.demo.aio.feed import FeedProcess, open_quotes
from wavetank.demo.options import DemoPlan
from wavetank.errors import UsageError
from wavetank.hub import Hub

MakePlan = Callable[..., DemoPlan]


def test_prices_come_from_the_seed_or_from_a_file(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    """As many as were asked for, or as the file has."""
    made_up = list(open_quotes(make_plan("feed", "", messages=5)))
    assert made_up == list(open_quotes(make_plan("feed", "", messages=5)))
    assert len(made_up) == 5
    assert len(list(islice(open_quotes(make_plan("feed", "", messages=None)), 9))) == 9
    file = tmp_path / "p.csv"
    file.write_text("price,volume,timestamp\n1,2,3\n4,5,6\n")
    quotes = list(open_quotes(make_plan("feed", "", replay=file)))
    assert [quote.at for quote in quotes] == [3.0, 6.0]


def test_a_file_that_cannot_be_replayed_is_told(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not there, no text, or no file of prices at all."""
    file = tmp_path / "p.csv"
    plan = make_plan("feed", "", replay=file)
    with pytest.raises(UsageError, match="No such file"):
        open_quotes(plan)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="no text in UTF-8"):
        open_quotes(plan)
    file.write_text("price,volume,timestamp\nx,1,1\n")
    with pytest.raises(UsageError, match="line 2: price"):
        open_quotes(plan)
    monkeypatch.setattr(module, "_MOST_BYTES", 3)
    with pytest.raises(UsageError, match="larger than 3 bytes"):
        open_quotes(plan)


@pytest.mark.anyio
async def test_a_feed_publishes_all_prices_and_then_how_many_there_were(
    told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """It ends when all of it is acknowledged."""
    async with Hub(port=0) as hub:
        plan = make_plan("feed", hub.url, messages=30)
        feed = FeedProcess(plan, link, told.teller("feed"), open_quotes(plan))
        assert await feed.run() == 0
    kinds = [line["type"] for line in told.lines]
    assert kinds[:2] == ["started", "connected"]
    assert kinds.count("published") == 31
    (finished,) = told.of("finished")
    assert finished["totals"] == {"market.btc-usd": 30, "market.status": 1}
    assert finished["acknowledged"] == 31
    assert repr(feed) == f"<FeedProcess {finished['totals']}>"


@pytest.mark.anyio
async def test_a_feed_that_is_told_to_stop_ends_in_order(
    told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """It says how many prices there were until then."""
    async with Hub(port=0) as hub:
        plan = make_plan("feed", hub.url, messages=None, rate=50.0)
        feed = FeedProcess(plan, link, told.teller("feed"), open_quotes(plan))
        running = asyncio.create_task(feed.run())
        async with asyncio.timeout(60.0):
            while len(told.of("published")) < 3:  # noqa: ASYNC110 - lines are no event
                await asyncio.sleep(0)
        running.cancel()
        assert await running == 0
    (finished,) = told.of("finished")
    assert finished["acknowledged"] == finished["accepted"] > 3


@pytest.mark.anyio
async def test_a_feed_whose_hub_never_comes_says_so(
    told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """What was not acknowledged is a failure."""
    plan = make_plan("feed", "ws://127.0.0.1:9/ws", seconds=0.01, patience=0.01)
    feed = FeedProcess(plan, link, told.teller("feed"), open_quotes(plan))
    assert await feed.run() == 1
    assert len(told.of("failed")) == 1
