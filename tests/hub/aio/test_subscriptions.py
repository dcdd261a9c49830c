"""Subscriptions: a connection's subscriptions and looks back, as it commands them."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from wavetank.hub.access import ANONYMOUS
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.subscriptions import Subscriptions
from wavetank.hub.effects import Moment
from wavetank.hub.log import Bounds
from wavetank.hub.session import Session
from wavetank.protocol import (
    ErrorCode,
    History,
    HistoryPage,
    Id,
    Publish,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    Unsubscribe,
    Unsubscribed,
)

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


class Nobody:
    """A publisher that does not listen."""

    def published(self, *answer: Any, **more: Any) -> None:
        """Pass over it."""

    def refused(self, *answer: Any, **more: Any) -> None:
        """Pass over it."""


class Desk(Subscriptions):
    """Subscriptions of somebody who remembers what was said."""

    __slots__ = ("said", "turns")

    def __init__(self, node: Node) -> None:
        session = Session(
            node.config, "desk", claims=ANONYMOUS, spread=0.0, tally=node.tally
        )
        session.open(Moment(0.0, 0.0))
        super().__init__(node, session, lambda data: None, window=None)
        self.said: list[Any] = []
        self.turns = 0

    def send(self, message: Any) -> None:
        """Remember it."""
        self.said.append(message)

    def settle(self) -> None:
        """Remember nothing: it was said."""

    def refuse(self, id: Id | None, code: ErrorCode, words: str, **more: Any) -> None:
        """Remember it."""
        self.said.append((id, code, words))

    def go_on(self) -> None:
        """Count it."""
        self.turns += 1

    def want(self, topic: str, **fields: Any) -> None:
        """Subscribe."""
        self.session.topics.add(topic)
        self.begin(Subscribe(id=1, topic=topic, **fields))


def publish(node: Node, topic: str, count: int = 1) -> None:
    """Publish from somewhere else."""
    for _ in range(count):
        command = Publish(topic=topic, data=msgspec.Raw(b"1"))
        node.publications.publish(command, "somebody", Nobody())


async def rest(node: Node) -> None:
    """Let all tasks of a node come to an end."""
    while node._tasks:
        await asyncio.wait(node._tasks)


async def test_subscription_begins_and_ends(make_node: MakeNode) -> None:
    """Each with its reply; heartbeats know of it."""
    desk = Desk(make_node())
    publish(desk.node, "t", 2)
    desk.want("t")
    desk.end(Unsubscribe(id=2, topic="t"))
    begun, ended = desk.said
    assert isinstance(begun, Subscribed)
    assert begun.seq == 2
    assert ended == Unsubscribed(topic="t", id=2)
    assert not desk.topics


async def test_subscription_waits_for_what_memory_has_let_go(
    make_node: MakeNode,
) -> None:
    """Later commands wait, and go on afterwards."""
    desk = Desk(make_node(ring=Bounds(entries=1)))
    publish(desk.node, "t", 5)
    desk.want("t", since_time=0.0)
    assert desk.is_busy
    await rest(desk.node)
    assert (desk.is_busy, desk.turns) == (False, 1)
    assert desk.said[0].recovered is True


async def test_subscription_to_a_pattern_names_its_topics(make_node: MakeNode) -> None:
    """And ends with all of them."""
    desk = Desk(make_node())
    publish(desk.node, "a.x")
    desk.want("a.*")
    await rest(desk.node)
    (begun,) = desk.said
    assert isinstance(begun, SubscribedPattern)
    assert list(begun.topics) == ["a.x"]
    desk.end_quietly("a.*")
    assert len(desk.said) == 1
    assert not desk.topics


async def test_subscription_to_too_much_is_refused(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And forgotten, unless one of the same name goes on."""
    monkeypatch.setattr("wavetank.hub.aio.node.MOST_TOPICS", 1)
    desk = Desk(make_node())
    publish(desk.node, "a.x")
    desk.want("a.*")
    await rest(desk.node)
    publish(desk.node, "a.y")
    for pattern in ("a.*", "*.*"):
        desk.want(pattern)
        await rest(desk.node)
    assert [said[1] for said in desk.said[1:]] == ["too_many_topics"] * 2
    assert desk.session.topics == {"a.*"}


@pytest.mark.parametrize("wish", ["a.*", "t", "history"])
async def test_nothing_is_said_to_somebody_who_has_gone_meanwhile(
    make_node: MakeNode, wish: str
) -> None:
    """Nobody is left to hear it."""
    desk = Desk(make_node(ring=Bounds(entries=1)))
    publish(desk.node, "t", 5)
    if wish == "history":
        desk.look_back(History(id=1, topic="t", since_time=0.0))
    else:
        desk.want(wish, since_time=0.0)
    desk.session.closed()
    await rest(desk.node)
    assert (desk.said, desk.turns) == ([], 0)


async def test_look_back_is_answered_from_memory_or_from_the_log(
    make_node: MakeNode,
) -> None:
    """At once where memory has it all."""
    desk = Desk(make_node(ring=Bounds(entries=2)))
    publish(desk.node, "t", 5)
    desk.look_back(History(id=1, topic="t", limit=0))
    desk.look_back(History(id=2, topic="t", since_time=0.0))
    await rest(desk.node)
    pages = [said for said in desk.said if isinstance(said, HistoryPage)]
    assert [len(page.events) for page in pages] == [0, 5]


@pytest.mark.parametrize("is_open", [True, False])
async def test_log_that_cannot_be_read_is_told_once(
    make_node: MakeNode, log: Any, lines: Any, is_open: bool
) -> None:
    """As an error with a reference that is also in the log of the hub."""
    desk = Desk(make_node(ring=Bounds(entries=1)))
    publish(desk.node, "t", 5)
    log.fault = OSError("no disk")
    desk.want("t", since_time=0.0)
    if not is_open:
        desk.session.closed()
    await rest(desk.node)
    if is_open:
        assert desk.said[0][1] == "internal"
        assert desk.session.topics == set()
        assert lines.events[-1]["event"] == "command_failed"
    else:
        assert desk.said == []


async def test_subscriptions_need_somebody_who_has_the_connection(
    make_node: MakeNode,
) -> None:
    """By themselves they can say nothing."""
    node = make_node()
    session = Session(node.config, "x", claims=None, spread=0.0, tally=node.tally)
    bare = Subscriptions(node, session, lambda data: None, window=None)
    for call in (
        lambda: bare.send(Unsubscribed(topic="t")),
        bare.settle,
        lambda: bare.refuse(1, ErrorCode.INTERNAL, ""),
        bare.go_on,
    ):
        with pytest.raises(NotImplementedError):
            call()
