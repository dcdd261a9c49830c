"""Subscription: what a reader sees of a topic or pattern."""

import asyncio
import random
from typing import Any

import pytest

from wavetank.client.aio.subscription import Subscription
from wavetank.client.backoff import Backoff
from wavetank.client.buffer import Buffer
from wavetank.client.failures import Refused
from wavetank.client.following import Following, Wish
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.errors import LocalError
from wavetank.protocol import Position

pytestmark = pytest.mark.anyio


def event(seq: int) -> Event:
    """Make an event."""
    return Event(topic="t", epoch="e", seq=seq, at=1.0, data=b"1", chain=seq)


class Driven:
    """A subscription, and how often it wanted something."""

    def __init__(self, entries: int = 10, **wish: Any) -> None:
        self.wants = 0
        following = Following(
            Wish(topic="t", **wish), backoff=Backoff(), rng=random.Random(7)
        )
        buffer = Buffer(entries=entries, size=10_000)
        self.subscription = Subscription(following, buffer, self._drive)

    def _drive(self, subscription: Subscription) -> None:
        assert subscription is self.subscription
        self.wants += 1


async def read(subscription: Subscription) -> list[Item]:
    """Read to the end."""
    return [item async for item in subscription]


async def test_subscription_hands_out_what_was_put_in() -> None:
    """What is there at once, what comes later when it comes."""
    driven = Driven()
    subscription = driven.subscription
    subscription.put([event(1)])
    reading = asyncio.create_task(read(subscription))
    await asyncio.sleep(0)
    subscription.put([event(2), event(3)])
    subscription.put([])
    await asyncio.sleep(0)
    subscription.end(None)
    assert await reading == [event(1), event(2), event(3)]
    assert subscription.is_over
    assert await read(subscription) == []


async def test_subscription_raises_its_error_behind_the_last_item() -> None:
    """And each time again: nobody waits for what will never come."""
    subscription = Driven().subscription
    subscription.put([event(1)])
    subscription.end(Refused("no", code="topic_forbidden"))
    assert await anext(subscription) == event(1)
    for _ in range(2):
        with pytest.raises(Refused):
            await anext(subscription)


async def test_subscription_has_one_reader() -> None:
    """Two would each miss what the other gets."""
    subscription = Driven().subscription
    reading = asyncio.create_task(read(subscription))
    await asyncio.sleep(0)
    with pytest.raises(LocalError, match="one reader"):
        await anext(subscription)
    reading.cancel()
    await asyncio.wait([reading])
    subscription.put([event(1)])
    assert await anext(subscription) == event(1)


async def test_subscription_gives_batches() -> None:
    """All that is at hand, up to a bound."""
    subscription = Driven().subscription
    subscription.put([event(1), event(2), event(3)])
    subscription.end(None)
    batches = [batch async for batch in subscription.batches(most=2)]
    assert batches == [[event(1), event(2)], [event(3)]]


async def test_subscription_counts_an_item_as_done_when_the_next_is_asked_for() -> None:
    """So a crash while it is being handled brings it again."""
    subscription = Driven(known={"t": Position("e", 0)}).subscription
    subscription.note_placed()
    assert subscription.has_moved
    subscription.has_moved = False
    stale = Stale(is_stale=True, reason="silent", since=1.0)
    gap = Gap(topic="t", epoch="e", first=2, last=5, reason="truncated", chain=5)
    subscription.put([event(1), gap, stale, event(6)])
    places = [subscription.positions["t"]]
    for _ in range(4):
        await anext(subscription)
        places.append(subscription.positions["t"])
    assert [place.seq for place in places] == [0, 0, 1, 5, 5]
    assert subscription.has_moved
    subscription.confirm()
    assert subscription.positions == {"t": Position("e", 6, "00000006")}


async def test_subscription_asks_for_more_when_it_has_room_again() -> None:
    """Once, not with each item."""
    driven = Driven(entries=4)
    subscription = driven.subscription
    subscription.put([event(seq) for seq in range(4)])
    assert not subscription.buffer.has_room
    for _ in range(4):
        await anext(subscription)
    assert driven.wants == 1


async def test_subscription_ends_when_it_is_closed() -> None:
    """What was not read is dropped, whoever waits is let go, the hub is told once."""
    driven = Driven()
    subscription = driven.subscription
    reading = asyncio.create_task(read(subscription))
    await asyncio.sleep(0)
    subscription.timer = asyncio.get_running_loop().call_later(60, print)
    async with subscription as same:
        assert same is subscription
    assert await reading == []
    assert subscription.timer.cancelled()
    subscription.put([event(1)])
    subscription.close()
    assert driven.wants == 1
    assert repr(subscription).startswith("<Subscription <Following t ended")
