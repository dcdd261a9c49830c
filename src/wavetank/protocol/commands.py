"""Commands: what a client sends to the hub, as values.

They refuse to know bytes, and whether a command may be done.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wavetank.protocol.fields import Count, Id, Message, Moment, Name, Topic, Value
from wavetank.protocol.positions import MAX_SEQ, Position

__all__ = [
    "COMMANDS",
    "HISTORY_LIMIT",
    "Auth",
    "Command",
    "History",
    "MaxRate",
    "Ping",
    "Producer",
    "Publish",
    "Subscribe",
    "Unsubscribe",
]

HISTORY_LIMIT = 100
"""Events in an answer to ``history`` where the command names no limit."""


class MaxRate(Value, frozen=True, kw_only=True):
    """At most so many events a second; the newest wins."""

    max_rate: Annotated[float, Meta(gt=0, le=1_000_000)]


class Producer(Value, frozen=True, kw_only=True):
    """A publisher that counts: by user and topic, each seq is accepted once.

    Attributes:
        name: Of the publisher.
        epoch: Which life of it; a higher one fences the older ones.
        seq: +1 for each publication of this life, from 1.
    """

    name: Name
    epoch: Count
    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]


class Auth(Message, frozen=True, kw_only=True, tag="auth"):
    """Present a token, or the next one of the same user."""

    id: Id
    token: str


class Subscribe(Message, frozen=True, kw_only=True, tag="subscribe"):
    """Ask for the events of a topic or pattern; at most one of the three starts.

    Attributes:
        id: Comes back in the reply.
        topic: Topic or pattern.
        since: A position (of one topic), or everything retained.
        since_time: From the first entry at or after it.
        since_each: Topic to position, for a pattern.
        deliver: What to do when behind or too fast; None is "all".
    """

    id: Id
    topic: Topic
    since: Position | Literal["earliest"] | None = None
    since_time: Moment | None = None
    since_each: dict[str, Position] | None = None
    deliver: Literal["all", "latest"] | MaxRate | None = "all"

    def __post_init__(self) -> None:
        """Refuse two starts, and a start that does not fit topic or pattern.

        Raises:
            ValueError: With the field and what is wrong with it.
        """
        starts = (self.since, self.since_time, self.since_each)
        if sum(start is not None for start in starts) > 1:
            raise ValueError("since: only one of it, since_time and since_each")
        if "*" in self.topic:
            if isinstance(self.since, Position):
                raise ValueError("since: a pattern has no one position; use since_each")
        elif self.since_each is not None:
            raise ValueError("since_each: only for patterns; use since")


class Unsubscribe(Message, frozen=True, kw_only=True, tag="unsubscribe"):
    """End a subscription, named exactly as it was subscribed."""

    id: Id
    topic: Topic


class Publish(Message, frozen=True, kw_only=True, tag="publish"):
    """Append a payload to a topic's log.

    Attributes:
        topic: Topic, not a pattern.
        data: The payload: any JSON, kept byte for byte.
        id: Comes back in the reply; without it only an error comes back.
        key: Idempotency key.
        producer: Counted publisher; not beside ``key``.
    """

    topic: Topic
    data: msgspec.Raw
    id: Id | None = None
    key: Name | None = None
    producer: Producer | None = None

    def __post_init__(self) -> None:
        """Refuse two ways at once to tell a duplicate.

        Raises:
            ValueError: If both ``key`` and ``producer`` are given.
        """
        if self.key is not None and self.producer is not None:
            raise ValueError("key: not beside producer")

    @property
    def payload(self) -> bytes:
        """A copy of the payload that does not hold the receive buffer."""
        return bytes(self.data)


class History(Message, frozen=True, kw_only=True, tag="history"):
    """Ask for past events of one topic, oldest first.

    Attributes:
        id: Comes back in the reply.
        topic: Topic, not a pattern.
        since: Behind this position; "earliest" and None are all that is retained.
        since_time: From the first entry at or after it.
        limit: At most so many; the hub may give fewer. 0 asks for the top alone,
            None is ``HISTORY_LIMIT``.
    """

    id: Id
    topic: Topic
    since: Position | Literal["earliest"] | None = None
    since_time: Moment | None = None
    limit: Count | None = HISTORY_LIMIT

    def __post_init__(self) -> None:
        """Refuse two starts.

        Raises:
            ValueError: If both ``since`` and ``since_time`` are given.
        """
        if self.since is not None and self.since_time is not None:
            raise ValueError("since: not beside since_time")


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    """Ask for the hub's time; allowed before ``auth``."""

    id: Id


Command = Auth | Subscribe | Unsubscribe | Publish | History | Ping

COMMANDS = (Auth, Subscribe, Unsubscribe, Publish, History, Ping)
"""All of them."""
