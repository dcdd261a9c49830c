"""The status page: what a node is doing, as one value."""

import json
from collections.abc import Callable

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.fanout import Subscriber
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.status import MOST_SLOW, MOST_TOPICS, describe
from wavetank.hub.recovery import Begin
from wavetank.protocol import Subscribe

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


def subscribe(node: Node, name: str, after: int = 0) -> Subscriber:
    """Subscribe somebody to topic t."""
    somebody = Subscriber(name, lambda data: None)
    node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(after, 0))
    return somebody


async def test_status_of_a_new_node_is_all_zeros(make_node: MakeNode) -> None:
    """And can be written as JSON."""
    status = describe(make_node())
    assert json.loads(json.dumps(status)) == status
    assert status["connections"]["open"] == 0
    assert (status["topics"], status["topics_total"]) == ([], 0)
    assert status["log"] == {"kind": "memory", "epoch": "epoch-01"}
    assert status["limits"]["topics"] == 128


async def test_status_counts_connections_by_how_they_ended(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Close codes and refusals."""
    node = make_node()
    node.admission.enter("10.0.0.1")
    node.name_connection()
    node.closed.update([1000, 4108, 1000])
    node.refused["403"] += 1
    clock.advance(2.0)
    status = describe(node)
    shown = status["connections"]
    assert (shown["open"], shown["opened"]) == (1, 1)
    assert shown["closed"] == {"1000": 2, "4108": 1}
    assert shown["refused"] == {"403": 1}
    assert (status["uptime_s"], status["draining"]) == (2.0, False)


async def test_status_shows_each_topic_and_its_account(make_node: MakeNode) -> None:
    """Position, subscribers and what became of each message."""
    node = make_node()
    subscribe(node, "one")
    node.publish("t", b"1", None, None)
    (topic,) = describe(node)["topics"]
    assert (topic["topic"], topic["seq"], topic["oldest"]) == ("t", 1, 1)
    assert topic["subscribers"] == 1
    assert topic["accounting"]["pending"] == 1
    node.fanout.flush()
    status = describe(node)
    assert status["accounting"] == {
        "duty": 1,
        "delivered": 1,
        "conflated": 0,
        "gapped": 0,
        "pending": 0,
        "unaccounted": 0,
    }
    assert status["published"] == 1


async def test_status_names_the_slowest_connections(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Those that lag, worst first; replays are none."""
    node = make_node()
    for number in range(MOST_SLOW + 2):
        somebody = subscribe(node, f"c-{number}", after=number)
        node.fanout.paused(somebody)
        node.publish("t", b"1", None, None)
    clock.advance(5.0)
    subscribe(node, "replay", after=0)
    shown = describe(node)["connections"]["slowest"]
    assert [row["connection"] for row in shown] == [
        f"c-{number}" for number in range(MOST_SLOW)
    ]
    assert shown[0]["age_s"] == 5.0


async def test_status_names_a_bounded_number_of_topics(make_node: MakeNode) -> None:
    """The count is that of all; so are the sums."""
    node = make_node()
    for number in range(MOST_TOPICS + 5):
        node.publish(f"t{number:05}", b"1", None, None)
    status = describe(node)
    assert len(status["topics"]) == MOST_TOPICS
    assert status["topics_total"] == MOST_TOPICS + 5
    assert status["topics"][0]["topic"] == "t00000"
