"""Outlet."""

from collections.abc import Callable
from typing import Any

import pytest

from wavetank.client import LinkOptions, Publisher
from wavetank.demo.aio.outlet import Outlet
from wavetank.demo.feed import Feed
from wavetank.demo.messages import Message
from wavetank.hub import Hub

pytestmark = pytest.mark.anyio


async def test_every_outcome_is_told_in_order(told: Any, link: LinkOptions) -> None:
    """With the place that the message has in the hub's log."""
    feed = Feed("r")
    async with Hub(port=0) as hub, Publisher(hub.url, **link) as publisher:
        outlet = Outlet(publisher, told.teller("feed"), "x.")
        for number in range(3):
            await outlet.send(lambda number=number: [feed.status("working", number)])
        assert await outlet.finish(list, 60.0)
    published = told.of("published")
    assert [line["id"] for line in published] == [
        f"r/market.status/{n}" for n in (1, 2, 3)
    ]
    assert [line["seq"] for line in published] == [1, 2, 3]
    assert {line["topic"] for line in published} == {"x.market.status"}
    assert repr(outlet) == "<Outlet 3 of 3>"


async def test_what_is_not_acknowledged_in_time_is_told_as_failed(
    told: Any, link: LinkOptions
) -> None:
    """Without a hub nothing is, and closing does not hang."""
    feed = Feed("r")
    async with Publisher("ws://127.0.0.1:9/ws", **link) as publisher:
        outlet = Outlet(publisher, told.teller("feed"), "")
        await outlet.send(lambda: [feed.status("working", 1.0)])
        assert not await outlet.finish(list, 0.01)
    (failed,) = told.of("failed")
    assert failed["result"] == "failed"
    assert failed["number"] == 1


async def test_messages_of_two_tasks_keep_their_numbers_in_order(
    told: Any, link: LinkOptions, play: Callable[..., list[Message]]
) -> None:
    """They are made when it is their turn, also where the queue is full."""
    import asyncio

    feed = Feed("r")

    async def send(outlet: Outlet) -> None:
        for _ in range(20):
            await outlet.send(lambda: [feed.status("working", 1.0)])

    async with Hub(port=0) as hub, Publisher(hub.url, queue=1, **link) as publisher:
        outlet = Outlet(publisher, told.teller("feed"), "")
        await asyncio.gather(send(outlet), send(outlet))
        assert await outlet.finish(list, 60.0)
    published = told.of("published")
    assert [(line["number"], line["seq"]) for line in published] == [
        (n, n) for n in range(1, 41)
    ]


async def test_a_full_queue_without_a_hub_does_not_keep_the_end_waiting(
    told: Any, link: LinkOptions
) -> None:
    """The last messages waited for room that nobody would ever make."""
    import asyncio

    feed = Feed("r")
    async with Publisher("ws://127.0.0.1:9/ws", queue=1, **link) as publisher:
        outlet = Outlet(publisher, told.teller("feed"), "")
        await outlet.send(lambda: [feed.status("working", 1.0)])
        async with asyncio.timeout(20.0):
            last = [feed.status("finished", 2.0)]
            assert not await outlet.finish(lambda: last, 0.01)


async def test_an_outlet_that_nobody_hears_waits_for_nothing(
    told: Any, link: LinkOptions
) -> None:
    """However patient it is."""
    import asyncio

    feed = Feed("r")
    teller = told.teller("feed")
    async with Publisher("ws://127.0.0.1:9/ws", **link) as publisher:
        outlet = Outlet(publisher, teller, "")
        await outlet.send(lambda: [feed.status("working", 1.0)])
        teller.give_up()
        async with asyncio.timeout(20.0):
            assert not await outlet.finish(list, 3600.0)
