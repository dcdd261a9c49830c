"""The status page: what a node is doing, as one value."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub import Durability, DurabilityRule
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.status import MOST_SLOW, MOST_TOPICS, describe
from wavetank.hub.aio.survey import AT_ONCE
from wavetank.protocol import ErrorCode

from .authors import publish_to, subscribe

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


async def test_status_of_a_new_node_is_all_zeros(make_node: MakeNode) -> None:
    """And can be written as JSON."""
    status = await describe(make_node(node="hub-7"))
    assert json.loads(json.dumps(status, allow_nan=False)) == status
    assert (status["node"], status["published"]) == ("hub-7", 0)
    assert status["connections"]["open"] == 0
    assert (status["topics"], status["topics_total"]) == ([], 0)
    assert status["subscriptions"] == 0
    assert set(status["rates"].values()) == {0.0}
    assert status["delivery"]["append"] == {
        "count": 0,
        "mean_s": 0.0,
        "p50_s": None,
        "p99_s": None,
    }
    assert status["limits"]["topics"] == 128
    assert (status["draining"], status["degraded"]) == (False, False)


async def test_status_counts_connections_by_how_they_ended(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Close codes and refusals; who ended them is left to the metrics."""
    node = make_node()
    node.admission.enter("10.0.0.1")
    node.tally.accepted["none"] += 1
    node.tally.ended(1000, "client")
    node.tally.ended(4108, "hub")
    node.tally.ended(1000, "hub")
    node.tally.rejected.add("403")
    node.tally.slow["close"] += 1
    clock.advance(2.0)
    status = await describe(node)
    shown = status["connections"]
    assert (shown["open"], shown["opened"]) == (1, 1)
    assert shown["closed"] == {"1000": 2, "4108": 1}
    assert shown["refused"] == {"403": 1}
    assert shown["slow"]["close"] == 1
    assert shown["limit"] == shown["limit_per_ip"] == shown["limit_per_user"] == 10_000
    assert status["uptime_s"] == 2.0


async def test_status_shows_each_topic_and_its_account(make_node: MakeNode) -> None:
    """Position, subscribers and what became of each message."""
    node = make_node()
    subscribe(node, "one")
    publish_to(node, "t")
    (topic,) = (await describe(node))["topics"]
    assert (topic["topic"], topic["seq"], topic["oldest"]) == ("t", 1, 1)
    assert (topic["epoch"], topic["tag"]) == ("epoch-01", "aecc25d5")
    assert topic["subscribers"] == 1
    assert topic["accounting"]["pending"] == 1
    node.fanout.flush()
    status = await describe(node)
    assert status["accounting"] == {
        "duty": 1,
        "delivered": 1,
        "conflated": 0,
        "gapped": 0,
        "pending": 0,
        "unaccounted": 0,
    }
    assert (status["published"], status["subscriptions"]) == (1, 1)


async def test_status_names_the_slowest_connections(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Those that lag, worst first; replays are none."""
    node = make_node()
    for number in range(MOST_SLOW + 2):
        somebody = subscribe(node, f"c-{number}", after=number)
        node.fanout.paused(somebody)
        publish_to(node, "t")
    clock.advance(5.0)
    subscribe(node, "replay", after=0)
    shown = (await describe(node))["connections"]
    assert [row["connection"] for row in shown["slowest"]] == [
        f"c-{number}" for number in range(MOST_SLOW)
    ]
    assert shown["slowest"][0]["age_s"] == 5.0
    assert shown["slowest"][0]["messages"] == MOST_SLOW + 2
    assert shown["lagging"] == MOST_SLOW + 2


async def test_status_names_a_bounded_number_of_topics(make_node: MakeNode) -> None:
    """The count is that of all; so are the sums."""
    node = make_node()
    for number in range(MOST_TOPICS + 5):
        publish_to(node, f"t{number:05}")
    status = await describe(node)
    assert len(status["topics"]) == MOST_TOPICS
    assert status["topics_total"] == MOST_TOPICS + 5
    assert status["topics"][0]["topic"] == "t00000"


async def test_status_leaves_out_a_topic_that_was_forgotten_meanwhile(
    make_node: MakeNode,
) -> None:
    """Nobody published to it, and its last subscriber has left between two turns."""
    node = make_node()
    somebody = subscribe(node, "one")
    for number in range(AT_ONCE):
        publish_to(node, f"u{number}")
    task = asyncio.create_task(describe(node))
    await asyncio.sleep(0)
    node.unsubscribe(somebody, "t")
    status = await task
    assert status["topics_total"] == AT_ONCE + 1
    assert len(status["topics"]) == AT_ONCE
    assert "t" not in {topic["topic"] for topic in status["topics"]}


async def test_status_tells_how_much_happens_in_a_second(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Over the last seconds, and not since the start."""
    node = make_node()
    node.tally.second(clock.now())
    clock.advance(2.0)
    node.tally.published["accepted"] += 10
    node.tally.delivered += 500
    rates = (await describe(node))["rates"]
    assert rates == {
        "published_per_s": 5.0,
        "delivered_per_s": 250.0,
        "accepted_per_s": 0.0,
        "errors_per_s": 0.0,
    }


async def test_status_tells_what_went_wrong(make_node: MakeNode) -> None:
    """Errors, full buckets, refused tokens and what recovery came to."""
    node = make_node()
    node.tally.errors.add(ErrorCode.RATE_LIMITED)
    node.tally.rate_limited["history"] += 1
    node.tally.auth["refused"] += 2
    node.tally.began(recovered=False, reason="truncated")
    node.tally.gaps += 3
    node.tally.published["unavailable"] += 4
    status = await describe(node)
    assert status["errors"] == {"rate_limited": 1}
    assert status["rate_limited"] == {"history": 1}
    assert status["auth"]["refused"] == 2
    assert status["recovery"]["truncated"] == 1
    assert status["delivery"]["gaps"] == 3
    assert status["publications"]["unavailable"] == 4


async def test_status_tells_how_long_things_take(make_node: MakeNode) -> None:
    """A quantile above all bounds is none: JSON has no infinity."""
    node = make_node()
    node.tally.append.observe(0.003)
    node.tally.fanout.observe(1000.0, 5)
    delivery = json.loads(json.dumps(await describe(node), allow_nan=False))["delivery"]
    assert delivery["append"] == {
        "count": 1,
        "mean_s": 0.003,
        "p50_s": 0.005,
        "p99_s": 0.005,
    }
    assert delivery["fanout"]["count"] == 5
    assert delivery["fanout"]["p99_s"] is None


async def test_status_shows_the_state_of_the_log(make_node: MakeNode) -> None:
    """Its kind, epoch and durability, and how much it keeps."""
    rules = (DurabilityRule("t.*", Durability.MEMORY),)
    node = make_node(data=Path("here"), durability=rules)
    publish_to(node, "t")
    shown = (await describe(node))["log"]
    assert (shown["kind"], shown["epoch"]) == ("memory", "epoch-01")
    assert shown["durability"] == ["t.*=memory", "log"]
    assert shown["failing"] is False
    assert shown["statistics"] == node.log.statistics()
    assert shown["statistics"]["bytes"] > 0


async def test_status_says_that_the_node_is_degraded(
    make_node: MakeNode, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its log cannot be written."""
    monkeypatch.setattr(type(log), "is_failing", True)
    status = await describe(make_node())
    assert status["degraded"] is True
    assert status["log"]["failing"] is True
