"""Publications: appended to a log, and told of once they are durable."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.fanout import Subscriber
from wavetank.hub.aio.logs.base import Kept
from wavetank.hub.aio.node import Node
from wavetank.hub.log import Mark
from wavetank.protocol import (
    MAX_SEQ,
    ErrorCode,
    Producer,
    Publish,
    Subscribe,
)

from .authors import Author, begin_of, publish, tell

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


async def test_publications_answer_a_publication_once_it_is_durable(
    make_node: MakeNode, log: Any
) -> None:
    """And shows it to nobody before."""
    node, author = make_node(), Author()
    log.is_slow = True
    tell(node, author, id=7)
    tell(node, author, id=8)
    assert author.answers == []
    assert begin_of(node, since="earliest").after == 0
    assert node.topics["t"].log.visible == 0
    log.keep()
    assert author.answers == [(7, 1, False), (8, 2, False)]
    assert node.topics["t"].log.visible == 2


# Durability, and its failure.


async def test_publications_take_back_what_the_log_could_not_keep(
    make_node: MakeNode, log: Any
) -> None:
    """Publishers hear `unavailable` in their order; the places are free again."""
    node, author = make_node(), Author()
    tell(node, author, id=1)
    log.is_slow = True
    tell(node, author, id=2)
    tell(node, author, id=None)
    tell(node, author, id=4)
    log.lose("the disk is full")
    unavailable = (ErrorCode.UNAVAILABLE, "the disk is full", {})
    assert author.answers[1:] == [
        (2, *unavailable),
        (None, *unavailable),
        (4, *unavailable),
    ]
    assert (node.topics["t"].log.top, node.topics["t"].log.visible) == (1, 1)
    log.is_slow = False
    assert tell(node, author, id=5) == (5, 2, False)
    assert node.tally.published["unavailable"] == 3


async def test_publications_forget_a_topic_whose_first_publication_was_lost(
    make_node: MakeNode, log: Any
) -> None:
    """It does not count among those that are kept."""
    node = make_node(node_topics=1)
    log.is_slow = True
    tell(node, Author(), topic="a")
    log.lose()
    assert not node.topics
    log.is_slow = False
    assert tell(node, Author(), topic="b") == (1, 1, False)


async def test_publications_are_degraded_while_its_log_fails(
    make_node: MakeNode, log: Any
) -> None:
    """Readiness looks at it."""
    node = make_node()
    assert not node.is_degraded
    log.is_failing = True
    assert node.is_degraded


async def test_publications_measure_how_long_durability_takes(
    make_node: MakeNode, log: Any, clock: VirtualClock
) -> None:
    """From the append of the first entry of a batch."""
    node = make_node()
    log.is_slow = True
    tell(node, Author())
    clock.advance(0.3)
    log.keep()
    assert (node.tally.append.count, node.tally.append.sum) == (1, pytest.approx(0.3))
    assert node.tally.published["accepted"] == 1


# Duplicates.


async def test_publications_answer_a_key_again_with_the_first_seq(
    make_node: MakeNode,
) -> None:
    """Keys are told apart by users and topics."""
    node, author = make_node(), Author()
    assert tell(node, author, key="k") == (1, 1, False)
    assert tell(node, author, key="k", id=2) == (2, 1, True)
    assert tell(node, author, key="k", topic="u") == (1, 1, False)
    command = Publish(topic="t", data=msgspec.Raw(b"1"), id=3, key="k")
    node.publications.publish(command, "bob", author)
    assert author.answers[-1] == (3, 2, False)
    assert node.tally.published["duplicate"] == 1


async def test_publications_answer_a_duplicate_only_when_the_first_one_is_durable(
    make_node: MakeNode, log: Any
) -> None:
    """And refuses both if it is lost; then the key is new again."""
    node, author = make_node(), Author()
    log.is_slow = True
    tell(node, author, id=1, key="a")
    tell(node, author, id=2, key="b")
    tell(node, author, id=3, key="a")
    assert author.answers == []
    log.keep()
    assert author.answers == [(1, 1, False), (3, 1, True), (2, 2, False)]
    tell(node, author, id=4, key="c")
    tell(node, author, id=5, key="c")
    log.lose()
    assert [answer[:2] for answer in author.answers[3:]] == [
        (4, ErrorCode.UNAVAILABLE),
        (5, ErrorCode.UNAVAILABLE),
    ]
    log.is_slow = False
    assert tell(node, author, id=6, key="c") == (6, 3, False)


async def test_publications_say_nothing_of_a_duplicate_without_an_id(
    make_node: MakeNode,
) -> None:
    """Fire and forget."""
    node, author = make_node(), Author()
    tell(node, author, key="k")
    assert tell(node, author, key="k", id=None) is None


async def test_publications_count_with_its_producers(make_node: MakeNode) -> None:
    """A hole, and a producer whose name somebody else has taken over, are refused."""
    node, author = make_node(), Author()

    def count(epoch: int, seq: int) -> Any:
        producer = Producer(name="bot", epoch=epoch, seq=seq)
        return tell(node, author, producer=producer)

    assert count(1, 1) == (1, 1, False)
    assert count(1, 1) == (1, 1, True)
    gap = count(1, 3)
    assert (gap[1], gap[3]["expected"]) == (ErrorCode.PRODUCER_GAP, 2)
    assert count(2, 1) == (1, 2, False)
    assert count(1, 2)[1] == ErrorCode.PRODUCER_FENCED
    assert node.tally.published["rejected"] == 2


async def test_publications_forgets_old_keys(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """After five minutes, in passing."""
    node, author = make_node(), Author()
    tell(node, author, key="k")
    clock.advance(400.0)
    node.tend()
    assert tell(node, author, key="k") == (1, 2, False)


async def test_publications_of_a_refused_kind_leave_no_topic_behind(
    make_node: MakeNode,
) -> None:
    """A first publication that is not taken does not count among the topics."""
    node, author = make_node(node_topics=1), Author()
    producer = Producer(name="bot", epoch=1, seq=5)
    assert tell(node, author, topic="a", producer=producer)[1] == (
        ErrorCode.PRODUCER_GAP
    )
    assert not node.topics
    assert tell(node, author, topic="b") == (1, 1, False)
    assert "1 topics" in repr(node.publications)


async def test_publications_that_are_refused_announce_no_topic(
    make_node: MakeNode,
) -> None:
    """Nobody's pattern grows by what is not there."""
    node = make_node()
    somebody = Subscriber("reader", lambda data: None)
    command = Subscribe(id=1, topic="a.*")
    node.subscribe_pattern(somebody, command, {})
    producer = Producer(name="bot", epoch=1, seq=5)
    tell(node, Author(), topic="a.x", producer=producer)
    assert not somebody.topics
    tell(node, Author(), topic="a.x", key="k")
    assert list(somebody.topics) == ["a.x"]


async def test_publications_are_kept_in_a_bounded_number_of_topics(
    make_node: MakeNode, log: Any
) -> None:
    """Those that a log has kept count, too."""
    node, author = make_node(node_topics=2), Author()
    some = {"epoch": "e", "base": Mark(), "top": Mark(1, 1), "at": 0.0}
    node.publications.restore(Kept(topic="kept", **some))
    tell(node, author, topic="a")
    refused = tell(node, author, topic="b")
    assert refused == (1, ErrorCode.TOO_MANY_TOPICS, "this hub keeps 2 topics", {})


async def test_publications_are_refused_where_no_seq_is_left(
    make_node: MakeNode,
) -> None:
    """At 2**53 - 1 the log is full; nothing was published."""
    node, author = make_node(), Author()
    tell(node, author)
    node.topics["t"].log.top = MAX_SEQ
    assert tell(node, author)[1] == ErrorCode.UNAVAILABLE


async def test_publications_without_an_answer_wait_for_nothing(
    make_node: MakeNode, log: Any
) -> None:
    """Where the log refuses nothing."""
    log.may_refuse = False
    node, author = make_node(), Author()
    log.is_slow = True
    tell(node, author, id=None)
    assert not node.topics["t"].waiting
    log.keep()
    assert node.topics["t"].log.visible == 1


async def test_publications_forget_what_the_log_has_let_go(
    make_node: MakeNode,
) -> None:
    """In memory too, but for those who are still to get it."""
    node = make_node()
    publish(node, 5)
    topic = node.topics["t"]
    node.publications.trimmed("t", Mark(3, topic.log.ring[3].tag))
    assert (topic.log.oldest, topic.log.ring.first) == (4, 4)
    topic.is_dirty = True
    node.publications.trimmed("t", Mark(4, topic.log.ring[4].tag))
    assert (topic.log.oldest, topic.log.ring.first) == (5, 4)
    topic.is_dirty = False
    node.publications.settled()
