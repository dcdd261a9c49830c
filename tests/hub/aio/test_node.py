"""A node: topics, their log, who is connected, and what they may ask of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.access import Claims, Denied
from wavetank.hub.aio.fanout import Subscriber
from wavetank.hub.aio.logs.base import Kept
from wavetank.hub.aio.node import Node
from wavetank.hub.duplicates import KeptKey
from wavetank.hub.log import Mark
from wavetank.hub.recovery import Begin
from wavetank.protocol import (
    MAX_SEQ,
    ErrorCode,
    Position,
    Subscribe,
)
from wavetank.wire import FrameReader

from .authors import Author, begin_of, publish, reader, tell

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


async def test_node_keeps_no_state_of_a_topic_that_nobody_published_to(
    make_node: MakeNode,
) -> None:
    """Looking at it, and subscribing for a while, leaves nothing behind."""
    node, somebody = make_node(), reader()
    assert begin_of(node) == Begin(0, 0)
    reply = node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(0, 0))
    assert (reply.epoch, reply.seq, reply.oldest) == ("epoch-01", 0, 1)
    assert list(node.topics) == ["t"]
    node.unsubscribe(somebody, "t")
    node.unsubscribe(somebody, "t")
    assert node.topics == {}
    node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(0, 0))
    node.unsubscribe_all(somebody, [])
    assert node.topics == {}


async def test_node_gives_a_topic_the_same_epoch_before_and_after(
    make_node: MakeNode,
) -> None:
    """So a position in an empty topic can be resumed."""
    node = make_node()
    publish(node, 1)
    begin = begin_of(node, since=Position("epoch-01", 0, "00000000"))
    assert begin == Begin(0, 0, recovered=True)


async def test_node_keeps_a_bounded_number_of_topics(make_node: MakeNode) -> None:
    """Nobody can fill its memory with names."""
    node = make_node(node_topics=2)
    publish(node, 1, name="a")
    publish(node, 1, name="b")
    publish(node, 1, name="a")
    refused = tell(node, Author(), topic="c")
    assert refused == (1, ErrorCode.TOO_MANY_TOPICS, "this hub keeps 2 topics", {})
    assert sorted(node.topics) == ["a", "b"]


async def test_node_has_as_many_topics_as_one_likes_where_that_was_typed(
    make_node: MakeNode,
) -> None:
    """No limit."""
    node = make_node(node_topics=None)
    for number in range(300):
        publish(node, 1, name=f"t{number}")
    assert len(node.topics) == 300


async def test_node_refuses_a_publication_without_a_seq_to_give(
    make_node: MakeNode,
) -> None:
    """At 2**53 - 1 the log is full; nothing was published."""
    node = make_node()
    publish(node, 1)
    node.topics["t"].log.top = MAX_SEQ
    refused = tell(node, Author())
    assert refused[1] == ErrorCode.UNAVAILABLE
    assert not node.topics["t"].waiting


async def test_node_forgets_what_the_log_has_let_go(make_node: MakeNode) -> None:
    """Then older positions are truncated."""
    node = make_node()
    publish(node, 5)
    topic = node.topics["t"]
    node.publications.trimmed("t", Mark(3, topic.log.ring[3].tag))
    assert (topic.log.oldest, topic.log.ring.first) == (4, 4)
    assert begin_of(node, since=Position("epoch-01", 2)).reason == "truncated"


async def test_node_keeps_entries_for_those_who_are_still_to_get_them(
    make_node: MakeNode,
) -> None:
    """Retention does not take away what is about to be written."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(0, 0))
    publish(node, 3)
    node.publications.trimmed("t", Mark(3, node.topics["t"].log.tag))
    node.fanout.flush()
    assert b"".join(got).count(b'"event"') == 3


async def test_node_replaces_a_subscription_to_the_same_topic(
    make_node: MakeNode,
) -> None:
    """The new one counts, and there is one."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    publish(node, 3)
    command = Subscribe(id=1, topic="t")
    node.subscribe(somebody, command, begin_of(node))
    reply = node.subscribe(somebody, command, begin_of(node, since="earliest"))
    assert (reply.after.seq, reply.recovered) == (0, True)
    assert len(node.topics["t"].cursors) == 1
    node.fanout.flush()
    assert b"".join(got).count(b'"event"') == 3


async def test_node_names_connections_and_incidents(make_node: MakeNode) -> None:
    """No name comes twice."""
    node = make_node()
    assert len({node.name_connection() for _ in range(50)}) == 50
    assert len({node.new_ref() for _ in range(50)}) == 50
    assert node.opened == 50


async def test_node_logs_a_task_that_failed(make_node: MakeNode, lines: Any) -> None:
    """And cancels what still runs when it is closed."""

    async def fail() -> None:
        raise OSError("the disk is gone")

    async def wait() -> None:
        await asyncio.Event().wait()

    node = make_node()
    node.start(fail())
    node.start(wait())
    await asyncio.wait(node._tasks, return_when=asyncio.FIRST_COMPLETED)
    await node.close()
    (event,) = lines.events
    assert event["event"] == "task_failed"
    assert "the disk is gone" in event["exception"]


async def test_node_shows_who_it_is(make_node: MakeNode, clock: VirtualClock) -> None:
    """Its age, and how much goes on."""
    node = make_node()
    clock.advance(3.0)
    assert node.uptime == 3.0
    assert repr(node) == "<Node hub-1 <Admission 0 of 10000>, 0 topics>"
    assert node.anonymous is not None
    assert make_node(tokens=("t",)).anonymous is None


# What a log has kept.


async def test_node_takes_up_what_its_log_has_kept(
    make_node: MakeNode, log: Any
) -> None:
    """Positions, keys and producers go on where they were."""
    kept = Kept(
        topic="t",
        epoch="epoch-00",
        base=Mark(3, 33),
        top=Mark(7, 77),
        at=50.0,
        keys=[KeptKey("ann", "k", 6, 1.0)],
    )

    async def open_log() -> list[Kept]:
        return [kept]

    log.open = open_log
    node, author = make_node(), Author()
    await node.open()
    top = node.topics["t"].log
    assert (top.epoch, top.oldest, top.visible) == ("epoch-00", 4, 7)
    node.clock.advance(100.0)  # type: ignore[attr-defined]
    assert tell(node, author, key="k") in {(1, 6, True), (1, 8, False)}
    position = Position("epoch-00", 7, "0000004d")
    assert begin_of(node, since=position).recovered


# Patterns.


async def subscribe_pattern(
    node: Node, subscriber: Subscriber, pattern: str, **fields: Any
) -> Any:
    """Subscribe to a pattern; return the reply, or None."""
    command = Subscribe(id=1, topic=pattern, **fields)
    begins = await node.find_begins(command)
    if begins is None:
        return None
    return node.subscribe_pattern(subscriber, command, begins)


def texts(got: list[bytes]) -> list[dict[str, Any]]:
    """Return the messages that were written."""
    frames = FrameReader(expect_mask=False, max_payload=None).feed(b"".join(got))
    return [json.loads(frame.payload) for frame in frames]


async def test_node_subscribes_to_all_topics_of_a_pattern(make_node: MakeNode) -> None:
    """To those that are there, and to those that come, each announced first."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    publish(node, 2, name="a.x")
    publish(node, 1, name="b.x")
    reply = await subscribe_pattern(node, somebody, "a.*")
    assert reply.topic == "a.*"
    assert {name: start.seq for name, start in reply.topics.items()} == {"a.x": 2}
    publish(node, 1, name="a.x")
    publish(node, 1, name="a.y")
    publish(node, 1, name="b.x")
    node.fanout.flush()
    node.fanout.flush()
    seen = [(each["type"], each["topic"]) for each in texts(got)]
    assert sorted(seen) == [("event", "a.x"), ("event", "a.y"), ("topic", "a.y")]
    assert seen.index(("topic", "a.y")) < seen.index(("event", "a.y"))
    assert node.has_pattern(somebody, "a.*")
    assert sorted(node.unsubscribe(somebody, "a.*")) == ["a.x", "a.y"]
    assert not somebody.topics
    publish(node, 1, name="a.z")
    assert not somebody.topics


async def test_node_resumes_the_topics_of_a_pattern(make_node: MakeNode) -> None:
    """Those that are named from their positions, the others from their oldest."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    for name in ("a.x", "a.y"):
        publish(node, 3, name=name)
    since_each = {
        "a.x": Position("epoch-01", 2),
        "a.new": Position("epoch-01", 0),
        "other": Position("epoch-01", 0),
        "a.no topic": Position("epoch-01", 0),
    }
    reply = await subscribe_pattern(node, somebody, "a.*", since_each=since_each)
    after = {name: start.after.seq for name, start in reply.topics.items()}
    assert after == {"a.x": 2, "a.new": 0, "a.y": 0}
    assert all(start.recovered for start in reply.topics.values())
    for _ in range(3):
        node.fanout.flush()
    seqs = [(each["topic"], each["seq"]) for each in texts(got)]
    assert sorted(seqs) == [("a.x", 3), ("a.y", 1), ("a.y", 2), ("a.y", 3)]


@pytest.mark.parametrize(
    ("fields", "after", "recovered"),
    [
        ({}, 3, None),
        ({"since": "earliest"}, 0, True),
        ({"since_time": 0.0}, 0, True),
        ({"since_each": {}}, 0, True),
        ({"since_each": {"a.x": Position("other", 3)}}, 3, False),
    ],
)
async def test_node_starts_a_pattern_where_it_was_asked_to(
    make_node: MakeNode, fields: dict[str, Any], after: int, recovered: bool | None
) -> None:
    """Every way to start that a topic has, a pattern has, too."""
    node = make_node()
    publish(node, 3, name="a.x")
    reply = await subscribe_pattern(node, reader(), "a.*", **fields)
    start = reply.topics["a.x"]
    assert (start.after.seq, start.recovered) == (after, recovered)


async def test_node_replaces_a_subscription_to_the_same_pattern(
    make_node: MakeNode,
) -> None:
    """Nothing is delivered twice."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    publish(node, 1, name="a.x")
    await subscribe_pattern(node, somebody, "a.*")
    await subscribe_pattern(node, somebody, "a.*", since="earliest")
    node.fanout.flush()
    assert len(texts(got)) == 1


async def test_node_bounds_what_a_pattern_may_match(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the start nor as it grows does it cost more than that."""
    monkeypatch.setattr("wavetank.hub.aio.node.MOST_TOPICS", 2)
    monkeypatch.setattr("wavetank.hub.aio.node.MOST_GROWN", 3)
    node, told = make_node(), list[str]()

    class Somebody(Subscriber):
        def outgrown(self, pattern: str) -> None:
            told.append(pattern)

    somebody = Somebody("reader", lambda data: None)
    for number in range(3):
        publish(node, 1, name=f"a.{number}")
    assert await subscribe_pattern(node, somebody, "a.*") is None
    many = {f"b.{number}": Position("epoch-01", 0) for number in range(3)}
    assert await subscribe_pattern(node, somebody, "b.*", since_each=many) is None
    await subscribe_pattern(node, somebody, "b.*")
    for number in range(4):
        publish(node, 1, name=f"b.{number}")
    assert told == ["b.*"]
    assert len(somebody.topics) == 3


async def test_node_finds_topics_that_come_up_while_it_looks(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look through many topics gives way to others, and misses nothing."""
    monkeypatch.setattr("wavetank.hub.aio.patterns.AT_ONCE", 1)
    node = make_node()
    for number in range(3):
        publish(node, 1, name=f"a.{number}")
    looking = asyncio.ensure_future(subscribe_pattern(node, reader(), "a.*"))
    await asyncio.sleep(0)
    publish(node, 1, name="a.late")
    reply = await looking
    assert sorted(reply.topics) == ["a.0", "a.1", "a.2", "a.late"]


async def test_node_enters_nobody_twice_when_a_first_publication_was_lost(
    make_node: MakeNode, log: Any
) -> None:
    """The topic begins a second time; the subscription to it does not."""
    node, got = make_node(), list[bytes]()
    somebody = Subscriber("reader", got.append)
    await subscribe_pattern(node, somebody, "a.*")
    log.is_slow = True
    publish(node, 1, name="a.x")
    log.lose()
    publish(node, 1, name="a.x")
    log.keep()
    node.fanout.flush()
    assert [each["type"] for each in texts(got)] == ["topic", "event"]


async def test_node_lets_go_of_the_patterns_of_somebody_who_leaves(
    make_node: MakeNode,
) -> None:
    """Nothing of it is left."""
    node, somebody = make_node(), reader()
    publish(node, 1, name="a.x")
    await subscribe_pattern(node, somebody, "a.*")
    node.unsubscribe_all(somebody, ["a.*", "t"])
    assert not node.has_pattern(somebody, "a.*")
    assert not somebody.topics


async def test_node_looks_at_no_more_names_than_a_reply_may_have(
    make_node: MakeNode,
) -> None:
    """A million bytes of positions cost nobody else their turn."""
    node = make_node()
    many = {f"b.{number}": Position("epoch-01", 0) for number in range(1001)}
    assert await subscribe_pattern(node, reader(), "a.*", since_each=many) is None


async def test_node_tells_whose_a_token_is_and_counts(make_node: MakeNode) -> None:
    """Good ones and others."""
    node = make_node(tokens=("good",))
    assert isinstance(node.verify("good"), Claims)
    assert isinstance(node.verify("bad"), Denied)
    assert (node.tally.auth["accepted"], node.tally.auth["refused"]) == (1, 1)
    assert node.anonymous is None


async def test_node_reaches_all_its_members(make_node: MakeNode) -> None:
    """Each looks again whether it may be here."""
    node, told = make_node(), list[str]()

    class Member:
        def recheck(self) -> None:
            told.append("recheck")

    node.members[Member()] = None
    node.recheck()
    assert told == ["recheck"]


async def test_node_tends_its_log_and_calls_back(
    make_node: MakeNode, log: Any, clock: VirtualClock
) -> None:
    """What is too old goes; what is asked for is called in the next turn."""
    node, tended = make_node(), list[float]()
    log.tend = tended.append
    node.tend()
    assert tended == [clock.wall()]
    node.call_soon(lambda: tended.append(1.0))
    await asyncio.sleep(0)
    assert tended[-1] == 1.0
    assert not node.is_degraded
