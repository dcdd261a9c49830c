"""Who publishes to a node, and who subscribes, in the tests of what a node does."""

from typing import Any

import msgspec
import pytest

from wavetank.hub.aio.fanout import Subscriber, Topic
from wavetank.hub.aio.node import Node
from wavetank.hub.recovery import Begin
from wavetank.protocol import ErrorCode, Id, Publish, Subscribe


class Author:
    """A publisher that remembers its answers."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, ...]] = []

    def published(
        self, id: Id | None, topic: Topic, seq: int | None, *, duplicate: bool
    ) -> None:
        """Remember it."""
        self.answers.append((id, seq, duplicate))

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Remember it."""
        self.answers.append((id, code, message, more))


class Nobody:
    """A publisher that does not listen."""

    def published(
        self, id: Id | None, topic: Topic, seq: int | None, *, duplicate: bool
    ) -> None:
        """Pass over it."""

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Fail: nothing here is to be refused."""
        pytest.fail(f"{code}: {message}")


def publish(node: Node, count: int, *, name: str = "t", size: int = 1) -> None:
    """Publish strings of some bytes; refused they may be."""
    for _ in range(count):
        data = msgspec.Raw(b'"%b"' % (b"x" * size))
        node.publications.publish(Publish(topic=name, data=data), "ann", Author())


def publish_to(node: Node, topic: str) -> None:
    """Publish to a topic."""
    node.publications.publish(
        Publish(topic=topic, data=msgspec.Raw(b"1")), "somebody", Nobody()
    )


def tell(node: Node, author: Author, **fields: Any) -> Any:
    """Publish once; return the answer, if there is one already."""
    before = len(author.answers)
    command = Publish(**{"id": 1, "topic": "t", "data": msgspec.Raw(b"1")} | fields)
    node.publications.publish(command, "ann", author)
    return author.answers[-1] if len(author.answers) > before else None


def begin_of(node: Node, **fields: Any) -> Begin:
    """Return where a subscription with these fields begins."""
    begin = node.reader.find_begin(Subscribe(id=1, topic="t", **fields))
    assert begin is not None
    return begin


def reader() -> Subscriber:
    """Return a subscriber that throws everything away."""
    return Subscriber("reader", lambda data: None)


def subscribe(node: Node, name: str, topic: str = "t", after: int = 0) -> Subscriber:
    """Subscribe somebody to a topic."""
    somebody = Subscriber(name, lambda data: None)
    node.subscribe(somebody, Subscribe(id=1, topic=topic), Begin(after, 0))
    return somebody
