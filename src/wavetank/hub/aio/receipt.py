"""A receipt: waits for the outcome of one publication.

It refuses to know how the publication came and how its outcome is told.
"""

import asyncio
from typing import Any

import msgspec

from wavetank.hub.aio.node import Node
from wavetank.hub.aio.topic import Topic
from wavetank.protocol import ErrorCode, Id, Publish

__all__ = ["Accepted", "Receipt", "Refused", "publish"]


class Accepted(msgspec.Struct, frozen=True):
    """A publication that has its topic's durability.

    Attributes:
        topic: Where it is.
        seq: Its place; None for a duplicate too old to know.
        is_duplicate: Whether it had been accepted before.
    """

    topic: Topic
    seq: int | None
    is_duplicate: bool


class Refused(msgspec.Struct, frozen=True):
    """A publication that was not taken.

    Attributes:
        code: Why.
        message: The same for a person; may be "".
        more: Further fields of the protocol's ``Error``.
    """

    code: ErrorCode
    message: str
    more: dict[str, Any]


class Receipt:
    """Waits for one publication; a node's ``Publisher``.

    Attributes:
        outcome: What became of it.
    """

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Accepted | Refused] = loop.create_future()

    def published(
        self, id: Id | None, topic: Topic, seq: int | None, *, duplicate: bool
    ) -> None:
        """Hear that it has its durability."""
        del id
        self._settle(Accepted(topic, seq, duplicate))

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Hear that it was not taken."""
        del id
        self._settle(Refused(code, message, more))

    def _settle(self, outcome: Accepted | Refused) -> None:
        # Whoever waited may have gone meanwhile.
        if not self.outcome.done():
            self.outcome.set_result(outcome)


async def publish(node: Node, command: Publish, user: str) -> Accepted | Refused:
    """Publish and wait for the outcome.

    Args:
        node: Where.
        command: What; it was judged, and need not have an id.
        user: Whose it is.
    """
    receipt = Receipt()
    # Without an id nobody would be told that it is kept.
    named = msgspec.structs.replace(command, id=0)
    node.publications.publish(named, user, receipt)
    return await receipt.outcome
