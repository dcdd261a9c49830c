"""A node: topics, their log, who is connected, and what they may ask of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.fanout import Subscriber, Topic
from wavetank.hub.aio.node import HISTORY_MOST, Node
from wavetank.hub.log import Bounds, Mark
from wavetank.hub.recovery import Begin
from wavetank.protocol import MAX_SEQ, ErrorCode, History, Id, Position, Subscribe

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


class Author:
    """A publisher that remembers its answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[Id | None, int]] = []

    def published(self, id: Id | None, topic: Topic, seq: int) -> None:
        """Remember it."""
        self.answers.append((id, seq))


def publish(node: Node, count: int, *, name: str = "t", size: int = 1) -> None:
    """Publish strings of some bytes."""
    for _ in range(count):
        assert node.publish(name, b'"%b"' % (b"x" * size), None, None) is None


def begin_of(node: Node, **fields: Any) -> Begin:
    """Return where a subscription with these fields begins."""
    begin = node.find_begin(Subscribe(id=1, topic="t", **fields))
    assert begin is not None
    return begin


def reader() -> Subscriber:
    """Return a subscriber that throws everything away."""
    return Subscriber("reader", lambda data: None)


async def test_node_answers_a_publication_once_it_is_durable(
    make_node: MakeNode, log: Any
) -> None:
    """And shows it to nobody before."""
    node, author = make_node(), Author()
    log.is_slow = True
    assert node.publish("t", b"1", author, 7) is None
    assert node.publish("t", b"2", author, 8) is None
    assert author.answers == []
    assert begin_of(node, since="earliest").after == 0
    assert node.topics["t"].log.visible == 0
    log.settle()
    assert author.answers == [(7, 1), (8, 2)]
    assert node.topics["t"].log.visible == 2


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
    node.unsubscribe_all(somebody)
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
    refused = node.publish("c", b"1", None, None)
    assert refused == (ErrorCode.TOO_MANY_TOPICS, "this hub keeps 2 topics")
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
    refused = node.publish("t", b"1", Author(), 1)
    assert refused is not None
    assert refused[0] == ErrorCode.UNAVAILABLE
    assert not node.topics["t"].waiting


async def test_node_forgets_what_the_log_has_let_go(make_node: MakeNode) -> None:
    """Then older positions are truncated."""
    node = make_node()
    publish(node, 5)
    topic = node.topics["t"]
    node.trimmed("t", Mark(3, topic.log.ring[3].tag))
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
    node.trimmed("t", Mark(3, node.topics["t"].log.tag))
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


# Beyond memory.


async def test_node_looks_up_a_position_that_memory_has_let_go(
    make_node: MakeNode, log: Any
) -> None:
    """The log's own tag decides, as it would in memory."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    (entry,) = await log.since("t", 3, entries=1, size=0)
    for tag, recovered, reason in (
        (None, True, None),
        (f"{entry.tag:08x}", True, None),
        ("00000bad", False, "diverged"),
    ):
        command = Subscribe(id=1, topic="t", since=Position("epoch-01", 4, tag))
        assert node.find_begin(command) is None
        begin = await node.look_up(command)
        assert (begin.recovered, begin.reason) == (recovered, reason)


async def test_node_looks_up_a_time_that_memory_has_let_go(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """From the first entry at or after it."""
    node = make_node(ring=Bounds(entries=2))
    for _ in range(9):
        clock.advance(1.0)
        publish(node, 1)
    command = Subscribe(id=1, topic="t", since_time=clock.wall() - 5.5)
    assert node.find_begin(command) is None
    begin = await node.look_up(command)
    assert (begin.after, begin.recovered) == (3, True)


async def test_node_begins_with_what_is_left_when_a_lookup_comes_too_late(
    make_node: MakeNode, log: Any, clock: VirtualClock
) -> None:
    """Retention may move on between question and answer."""
    node = make_node(ring=Bounds(entries=2))
    for _ in range(9):
        clock.advance(1.0)
        publish(node, 1)
    tag = node.topics["t"].log.ring[8].tag
    await log.close()
    node.trimmed("t", Mark(8, tag))
    position = Subscribe(id=1, topic="t", since=Position("epoch-01", 4))
    assert (await node.look_up(position)).reason == "truncated"
    timed = Subscribe(id=1, topic="t", since_time=1.0)
    assert await node.look_up(timed) == Begin(8, tag, recovered=True)


async def test_node_begins_with_all_that_is_left_when_the_log_has_lost_a_page(
    make_node: MakeNode, log: Any
) -> None:
    """A place whose tag nobody knows is no place to begin."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    seek = log.seek

    async def late(topic: str, at: float) -> int:
        seq: int = await seek(topic, at)
        await log.close()
        return seq + 4

    log.seek = late
    begin = await node.look_up(Subscribe(id=1, topic="t", since_time=1.0))
    assert begin == Begin(0, 0, recovered=True)


# History.


def history(**fields: Any) -> History:
    """Return the command."""
    return History(id=1, topic="t", **fields)


async def test_node_reads_history_page_by_page(make_node: MakeNode) -> None:
    """Oldest first, and whether there is more."""
    node = make_node()
    publish(node, 5)
    command = history(limit=2)
    begin = node.find_begin(command)
    assert begin is not None
    assert node.is_at_hand(command, begin)
    page = node.read(command, begin)
    assert [event.seq for event in page.events] == [1, 2]
    assert (page.more, page.after.seq, page.recovered) == (True, 0, None)
    rest = history(since=Position("epoch-01", 2))
    begin = node.find_begin(rest)
    assert begin is not None
    page = node.read(rest, begin)
    assert [event.seq for event in page.events] == [3, 4, 5]
    assert (page.more, page.recovered) == (False, True)
    assert bytes(page.events[0].data) == b'"x"'


@pytest.mark.parametrize(
    ("fields", "seqs", "more", "recovered"),
    [
        ({"limit": 0}, [], True, None),
        ({"limit": None}, [1, 2, 3, 4, 5], False, None),
        ({"since_time": 0.0}, [1, 2, 3, 4, 5], False, True),
        ({"since": "earliest"}, [1, 2, 3, 4, 5], False, True),
        ({"since": Position("epoch-01", 5)}, [], False, True),
        ({"since": Position("epoch-01", 9)}, [], False, False),
        ({"since": Position("other", 2)}, [], False, False),
    ],
)
async def test_node_answers_history_from_anywhere(
    make_node: MakeNode,
    fields: dict[str, Any],
    seqs: list[int],
    more: bool,
    recovered: bool | None,
) -> None:
    """A position that cannot be kept gives nothing and says why."""
    node = make_node()
    publish(node, 5)
    command = history(**fields)
    begin = node.find_begin(command)
    assert begin is not None
    page = node.read(command, begin)
    assert [event.seq for event in page.events] == seqs
    assert (page.more, page.recovered) == (more, recovered)
    assert (page.reason is None) is (recovered is not False)


async def test_node_bounds_an_answer_by_count_and_bytes(make_node: MakeNode) -> None:
    """However much is asked for, one answer stays small."""
    node = make_node()
    publish(node, HISTORY_MOST + 5)
    begin = Begin(0, 0)
    assert len(node.read(history(limit=10**6), begin).events) == HISTORY_MOST
    publish(node, 5, name="large", size=30_000)
    page = node.read(History(id=1, topic="large"), begin)
    assert (len(page.events), page.more) == (2, True)


async def test_node_reads_history_from_the_log(make_node: MakeNode) -> None:
    """Where memory has let it go; the same answer."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    command = history(limit=3)
    assert not node.is_at_hand(command, Begin(1, 0))
    page = await node.read_log(command, Begin(1, 0))
    assert [event.seq for event in page.events] == [2, 3, 4]
    assert page.more
    empty = await node.read_log(history(limit=0), Begin(1, 0))
    assert (empty.events, empty.more) == ([], True)


async def trim(node: Node, log: Any) -> None:
    """Let retention move on to entry 5."""
    (entry,) = await log.since("t", 4, entries=1, size=0)
    for _ in range(5):
        log._runs["t"].drop()
    node.trimmed("t", Mark(5, entry.tag))


async def test_node_says_that_history_was_truncated_meanwhile(
    make_node: MakeNode, log: Any
) -> None:
    """Never a page with a hole before it; the position in its place is the top."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    await trim(node, log)
    command = history(since=Position("epoch-01", 2))
    page = await node.read_log(command, Begin(2, 0, recovered=True))
    assert (page.recovered, page.reason, page.events) == (False, "truncated", [])
    assert (page.after.seq, page.seq, page.more) == (9, 9, False)


@pytest.mark.parametrize(
    ("since", "recovered"), [(None, None), ("earliest", True)], ids=str
)
async def test_node_reads_all_that_is_left_where_retention_moves_on_meanwhile(
    make_node: MakeNode, log: Any, since: Any, recovered: bool | None
) -> None:
    """Under load, `history` of everything was answered with nothing, "truncated"."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    command = history(since=since)
    begin = node.find_begin(command)
    assert begin is not None
    await trim(node, log)
    page = await node.read_log(command, begin)
    assert [event.seq for event in page.events] == [6, 7, 8, 9]
    assert (page.after.seq, page.recovered, page.reason) == (5, recovered, None)


# The process.


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
