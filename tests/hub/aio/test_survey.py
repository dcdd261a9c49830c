"""A survey: what all topics of a node come to, without holding up its loop."""

import asyncio
from collections.abc import Callable

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.survey import AT_ONCE, Laggard, slices, survey
from wavetank.hub.aio.topic import Subscriber
from wavetank.hub.recovery import Begin
from wavetank.protocol import Subscribe

from .authors import publish_to, subscribe

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


async def test_slices_give_all_items_and_the_loop_its_turn_between() -> None:
    """Whoever waits for an event does not wait for all of them."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    seen: list[int] = []
    turns_at = []
    async for some in slices(range(AT_ONCE * 3 + 1)):
        assert len(some) <= AT_ONCE
        turns_at.append(turns)
        seen += some
    task.cancel()
    assert seen == list(range(AT_ONCE * 3 + 1))
    assert turns_at == sorted(set(turns_at))


async def test_survey_of_a_new_node_is_empty(make_node: MakeNode) -> None:
    """No topic, nobody, nothing owed."""
    found = await survey(make_node(), most_names=10)
    assert (found.topics, found.subscriptions) == (0, 0)
    assert set(found.fates.values()) == {0}
    assert (found.names, found.laggards) == ([], [])
    assert repr(found) == "<Survey 0 topics, 0 subscriptions>"


async def test_survey_adds_up_all_topics(make_node: MakeNode) -> None:
    """Subscriptions and messages by fate; names are the first ones, in order."""
    node = make_node()
    subscribe(node, "one", "b")
    subscribe(node, "two", "b")
    for topic in ("c", "b", "a", "b"):
        publish_to(node, topic)
    node.fanout.flush()
    publish_to(node, "b")
    found = await survey(node, most_names=2)
    assert (found.topics, found.subscriptions) == (3, 2)
    assert found.names == ["a", "b"]
    assert found.fates == {
        "duty": 6,
        "delivered": 4,
        "conflated": 0,
        "gapped": 0,
        "pending": 2,
        "unaccounted": 0,
    }
    assert (await survey(node)).names == []


async def test_survey_names_the_first_of_very_many_topics(make_node: MakeNode) -> None:
    """However they are spread over the slices."""
    node = make_node()
    count = AT_ONCE * 2 + 3
    for number in range(count):
        publish_to(node, f"t{number * 7919 % count:05}")
    found = await survey(node, most_names=20)
    assert found.topics == count
    assert found.names == [f"t{number:05}" for number in range(20)]


async def test_survey_does_not_let_one_open_account_close_another(
    make_node: MakeNode,
) -> None:
    """A message too many here and one too few there are two faults, not none."""
    node = make_node()
    for topic in ("a", "b"):
        subscribe(node, topic, topic)
        publish_to(node, topic)
    node.fanout.flush()
    node.topics["a"].account.delivered += 1
    node.topics["b"].account.delivered -= 1
    assert (await survey(node)).fates["unaccounted"] == 2


async def test_survey_balances_while_messages_flow(make_node: MakeNode) -> None:
    """Each topic is looked at in one go, whatever happens between two of them."""
    node = make_node()
    names = [f"t{number}" for number in range(AT_ONCE * 3)]
    for name in names:
        subscribe(node, name, name)

    async def flow() -> None:
        while True:
            for name in names[::50]:
                publish_to(node, name)
            await asyncio.sleep(0)

    task = asyncio.create_task(flow())
    found = await survey(node)
    task.cancel()
    assert found.fates["duty"] > 0
    assert found.fates["unaccounted"] == 0


async def test_survey_finds_those_who_lag(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """By messages, seconds and bytes over all their topics; replays are no lag."""
    node = make_node()
    slow = subscribe(node, "slow", "a")
    node.subscribe(slow, Subscribe(id=2, topic="b"), Begin(0, 0))
    latest = Subscriber("latest", lambda data: None)
    node.subscribe(latest, Subscribe(id=1, topic="a", deliver="latest"), Begin(0, 0))
    subscribe(node, "quick", "a")
    node.fanout.paused(slow)
    node.fanout.paused(latest)
    for topic in ("a", "a", "b"):
        publish_to(node, topic)
    node.fanout.flush()
    clock.advance(3.0)
    publish_to(node, "b")
    subscribe(node, "replay", "a")
    found = await survey(node)
    lag = node.fanout.behind(slow)
    assert lag is not None
    (laggard,) = [each for each in found.laggards if each.name == "slow"]
    assert laggard == Laggard("slow", 4, 3.0, lag.size)
    assert {each.name for each in found.laggards} <= {"slow", "latest"}


async def test_survey_passes_over_those_who_have_left_meanwhile(
    make_node: MakeNode,
) -> None:
    """Between the look at the topics and the one at who lags."""
    node = make_node()
    subscribers = [subscribe(node, f"c-{n}") for n in range(AT_ONCE + 1)]
    for each in subscribers:
        node.fanout.paused(each)
    publish_to(node, "t")
    task = asyncio.create_task(survey(node))
    await asyncio.sleep(0)
    node.unsubscribe(subscribers[-1], "t")
    found = await task
    assert len(found.laggards) == AT_ONCE
