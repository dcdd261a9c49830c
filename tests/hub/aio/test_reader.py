"""Reading topics: where a subscription or an answer begins, and history."""

from collections.abc import Callable
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.fanout import Subscriber
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.reader import HISTORY_MOST
from wavetank.hub.log import Bounds, Mark
from wavetank.hub.recovery import Begin
from wavetank.protocol import History, Position, Subscribe

from .authors import publish

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


async def look_up(node: Node, command: Subscribe | History) -> Begin:
    """Ask the log where a command begins."""
    return await node.reader.look_up(command.topic, command.since, command.since_time)


# Beyond memory.


async def test_reader_looks_up_a_position_that_memory_has_let_go(
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
        assert node.reader.find_begin(command) is None
        begin = await look_up(node, command)
        assert (begin.recovered, begin.reason) == (recovered, reason)


async def test_reader_looks_up_a_time_that_memory_has_let_go(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """From the first entry at or after it."""
    node = make_node(ring=Bounds(entries=2))
    for _ in range(9):
        clock.advance(1.0)
        publish(node, 1)
    command = Subscribe(id=1, topic="t", since_time=clock.wall() - 5.5)
    assert node.reader.find_begin(command) is None
    begin = await look_up(node, command)
    assert (begin.after, begin.recovered) == (3, True)


async def test_reader_begins_with_what_is_left_when_a_lookup_comes_too_late(
    make_node: MakeNode, log: Any, clock: VirtualClock
) -> None:
    """Retention may move on between question and answer."""
    node = make_node(ring=Bounds(entries=2))
    for _ in range(9):
        clock.advance(1.0)
        publish(node, 1)
    tag = node.topics["t"].log.ring[8].tag
    await log.close()
    node.publications.trimmed("t", Mark(8, tag))
    position = Subscribe(id=1, topic="t", since=Position("epoch-01", 4))
    assert (await look_up(node, position)).reason == "truncated"
    timed = Subscribe(id=1, topic="t", since_time=1.0)
    assert await look_up(node, timed) == Begin(8, tag, recovered=True)


async def test_reader_begins_with_all_that_is_left_when_the_log_has_lost_a_page(
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
    begin = await node.reader.look_up("t", None, 1.0)
    assert begin == Begin(0, 0, recovered=True)


# History.


def history(**fields: Any) -> History:
    """Return the command."""
    return History(id=1, topic="t", **fields)


async def test_reader_reads_history_page_by_page(make_node: MakeNode) -> None:
    """Oldest first, and whether there is more."""
    node = make_node()
    publish(node, 5)
    command = history(limit=2)
    begin = node.reader.find_begin(command)
    assert begin is not None
    assert node.reader.is_at_hand(command, begin)
    page = node.reader.read(command, begin)
    assert [event.seq for event in page.events] == [1, 2]
    assert (page.more, page.after.seq, page.recovered) == (True, 0, None)
    rest = history(since=Position("epoch-01", 2))
    begin = node.reader.find_begin(rest)
    assert begin is not None
    page = node.reader.read(rest, begin)
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
async def test_reader_answers_history_from_anywhere(
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
    begin = node.reader.find_begin(command)
    assert begin is not None
    page = node.reader.read(command, begin)
    assert [event.seq for event in page.events] == seqs
    assert (page.more, page.recovered) == (more, recovered)
    assert (page.reason is None) is (recovered is not False)


async def test_reader_bounds_an_answer_by_count_and_bytes(make_node: MakeNode) -> None:
    """However much is asked for, one answer stays small."""
    node = make_node()
    publish(node, HISTORY_MOST + 5)
    begin = Begin(0, 0)
    assert len(node.reader.read(history(limit=10**6), begin).events) == HISTORY_MOST
    publish(node, 5, name="large", size=30_000)
    page = node.reader.read(History(id=1, topic="large"), begin)
    assert (len(page.events), page.more) == (2, True)


async def test_reader_reads_history_from_the_log(make_node: MakeNode) -> None:
    """Where memory has let it go; the same answer."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    command = history(limit=3)
    assert not node.reader.is_at_hand(command, Begin(1, 0))
    page = await node.reader.read_log(command, Begin(1, 0))
    assert [event.seq for event in page.events] == [2, 3, 4]
    assert page.more
    empty = await node.reader.read_log(history(limit=0), Begin(1, 0))
    assert (empty.events, empty.more) == ([], True)


async def trim(node: Node, log: Any) -> None:
    """Let retention move on to entry 5."""
    (entry,) = await log.since("t", 4, entries=1, size=0)
    for _ in range(5):
        log._runs["t"].drop()
    node.publications.trimmed("t", Mark(5, entry.tag))


async def test_reader_says_that_history_was_truncated_meanwhile(
    make_node: MakeNode, log: Any
) -> None:
    """Never a page with a hole before it; the position in its place is the top."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    await trim(node, log)
    command = history(since=Position("epoch-01", 2))
    page = await node.reader.read_log(command, Begin(2, 0, recovered=True))
    assert (page.recovered, page.reason, page.events) == (False, "truncated", [])
    assert (page.after.seq, page.seq, page.more) == (9, 9, False)


@pytest.mark.parametrize(
    ("since", "recovered"), [(None, None), ("earliest", True)], ids=str
)
async def test_reader_reads_all_that_is_left_where_retention_moves_on_meanwhile(
    make_node: MakeNode, log: Any, since: Any, recovered: bool | None
) -> None:
    """Under load, `history` of everything was answered with nothing, "truncated"."""
    node = make_node(ring=Bounds(entries=2))
    publish(node, 9)
    command = history(since=since)
    begin = node.reader.find_begin(command)
    assert begin is not None
    await trim(node, log)
    page = await node.reader.read_log(command, begin)
    assert [event.seq for event in page.events] == [6, 7, 8, 9]
    assert (page.after.seq, page.recovered, page.reason) == (5, recovered, None)


# The topics of a pattern, and heartbeats.


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, {}),
        ({"since": "earliest"}, {}),
        ({"since_time": 0.0}, {"a.x": Begin(0, 0, recovered=True)}),
        (
            {"since_each": {"a.x": Position("epoch-01", 0)}},
            {"a.x": Begin(0, 0, recovered=True)},
        ),
    ],
)
async def test_reader_begins_each_topic_where_it_was_asked_to(
    make_node: MakeNode, fields: dict[str, Any], found: dict[str, Begin]
) -> None:
    """What is left out has no start that could be missed; memory may not know it."""
    node = make_node(ring=Bounds(entries=1))
    publish(node, 3, name="a.x")
    command = Subscribe(id=1, topic="a.*", **fields)
    assert await node.reader.begin_each(["a.x"], command) == found
    assert "Reader" in repr(node.reader)


@pytest.mark.parametrize(
    ("fields", "after", "recovered"),
    [({}, 3, None), ({"since": "earliest"}, 0, True), ({"since_each": {}}, 0, True)],
)
async def test_reader_begins_a_new_topic_with_all_of_it_for_whoever_resumes(
    make_node: MakeNode, fields: dict[str, Any], after: int, recovered: bool | None
) -> None:
    """And at its top for whoever asked for no start."""
    node = make_node()
    publish(node, 3, name="a.x")
    command = Subscribe(id=1, topic="a.*", **fields)
    begin = node.reader.begin_new("a.x", command)
    assert (begin.after, begin.recovered) == (after, recovered)


async def test_reader_names_the_tops_that_somebody_has_got(make_node: MakeNode) -> None:
    """Topics on which it lags are left out."""
    node = make_node()
    publish(node, 3)
    somebody = Subscriber("reader", lambda data: None)
    node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(3, 0))
    tag = f"{node.topics['t'].log.tag:08x}"
    assert node.reader.tops(somebody, lambda *_: True) == {"t": (3, tag)}
    assert node.reader.tops(somebody, lambda *_: False) == {}
