"""A survey: what all topics of a node come to, without holding up its loop.

It refuses to know who asks, and in which words it is told.

A node may have 100,000 topics, and a look at each takes microseconds: together that
is too long for everybody who waits for an event. So the loop has its turn after every
few topics. Each topic is looked at in one go, so that its account balances.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple, TypeVar

from wavetank.hub.accounting import Balance
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.topic import Subscriber, Topic

__all__ = ["AT_ONCE", "Laggard", "Survey", "slices", "survey"]

AT_ONCE = 500
"""Topics that are looked at before the loop has its turn."""

T = TypeVar("T")


class Laggard(NamedTuple):
    """Somebody who lags.

    Attributes:
        name: Of the connection.
        messages: That it has not got, over all its topics.
        age: Seconds since the oldest of them was appended.
        size: Bytes of them.
    """

    name: str
    messages: int
    age: float
    size: int


class Survey:
    """What was found.

    Attributes:
        topics: How many topics there are.
        subscriptions: How many subscriptions there are.
        fates: Messages by fate, all topics together; an account that is open in one
            topic does not close that of another, so ``unaccounted`` only adds up.
        names: The first topics by name, as many as were asked for.
        laggards: Those who lag. A replay is no lag, and who jumps to the newest entry
            when behind has none.
    """

    def __init__(self) -> None:
        self.topics = 0
        self.subscriptions = 0
        self.fates: dict[str, int] = dict.fromkeys(Balance.__struct_fields__, 0)
        self.names: list[str] = []
        self.laggards: list[Laggard] = []

    def add(self, topic: Topic, late: dict[Subscriber, int]) -> None:
        """Add a topic; and to those who are late, what they have not got of it."""
        self.topics += 1
        self.subscriptions += topic.subscribers
        balance = topic.balance()
        fates = self.fates
        for fate in fates:
            fates[fate] += abs(getattr(balance, fate))
        top = topic.log.visible
        for subscriber, place in topic.cursors.behind.items():
            if place.is_live and not place.is_latest and place.seq < top:
                late[subscriber] = late.get(subscriber, 0) + top - place.seq

    def __repr__(self) -> str:
        """Show how much there was to look at."""
        return f"<Survey {self.topics} topics, {self.subscriptions} subscriptions>"


async def survey(node: Node, *, most_names: int = 0) -> Survey:
    """Look at all topics of a node.

    Args:
        node: Which one.
        most_names: How many topics to name.
    """
    found = Survey()
    late: dict[Subscriber, int] = {}
    async for topics in slices(list(node.topics.values())):
        for topic in topics:
            found.add(topic, late)
        if most_names:
            names = [topic.log.topic for topic in topics]
            # Nearly sorted already, which is what makes this quick.
            found.names = sorted(found.names + names)[:most_names]
    async for subscribers in slices(list(late)):
        found.laggards += _laggards(node, subscribers, late)
    return found


def _laggards(
    node: Node, subscribers: Iterable[Subscriber], late: dict[Subscriber, int]
) -> list[Laggard]:
    looked_at = ((each, node.fanout.behind(each)) for each in subscribers)
    return [
        Laggard(each.name, late[each], behind.age, behind.size)
        for each, behind in looked_at
        if behind is not None
    ]


async def slices(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield so many items at a time, and let the loop have its turn between."""
    for start in range(0, len(items), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + AT_ONCE]
