"""Pushes: what the hub sends without being asked each time, as values.

They refuse to know bytes, and who is to get them.
"""

from typing import Any, Literal, Self

import msgspec
from msgspec import field

from wavetank.protocol.codes import ERRORS, ErrorCode
from wavetank.protocol.fields import (
    Count,
    Duration,
    Id,
    Message,
    Moment,
    Rate,
    Topic,
    Value,
)
from wavetank.protocol.positions import Epoch, Seq, Tag
from wavetank.protocol.replies import After

__all__ = [
    "MESSAGE_LENGTH",
    "PUSHES",
    "Error",
    "Event",
    "Gap",
    "Heartbeat",
    "Limits",
    "Notice",
    "Push",
    "TopicAdded",
    "Welcome",
]


MESSAGE_LENGTH = 200
"""Longest message of an error: it may quote a stranger."""


class Limits(Value, frozen=True, kw_only=True):
    """What one connection may do; None is "unlimited".

    Attributes:
        message_bytes: Largest message.
        payload_bytes: Largest payload, where a topic has no limit of its own.
        topics: Most topics of one connection.
        commands_per_s: Commands a second.
        publish_per_s: Publications a second.
        first_command: Until the first command; None: no deadline.
    """

    message_bytes: Count | None
    payload_bytes: Count | None
    topics: Count | None
    commands_per_s: Rate | None
    publish_per_s: Rate | None
    first_command: Duration | None = field(name="first_command_ms")


class Welcome(Message, frozen=True, kw_only=True, tag="welcome"):
    """The hub's first word.

    Attributes:
        protocol: The subprotocol that is spoken.
        connection: Name of this connection in the hub's log.
        node: Name of the hub process.
        version: Of the hub.
        at: The hub's time.
        auth: ``none`` (nobody is asked), ``required`` (send ``auth`` first) or
            ``accepted`` (the handshake's token was good).
        ping_interval: Between pings, and between heartbeats.
        limits: What this connection may do.
        features: What this hub can do.
    """

    protocol: str
    connection: str
    node: str
    version: str
    at: Moment = field(name="ts")
    auth: Literal["none", "required", "accepted"]
    ping_interval: Duration = field(name="ping_interval_ms")
    limits: Limits
    features: list[str]


class Event(Message, frozen=True, kw_only=True, tag="event"):
    """A publication.

    Attributes:
        topic: The topic, also where a pattern was subscribed.
        seq: Its place in the log.
        prev: Seq delivered before; None where it is ``seq - 1``.
        tag: Its chain tag; sent together with ``prev``.
        at: Time of its append.
        data: The payload, byte for byte as published.
    """

    topic: Topic
    seq: Seq
    prev: Seq | None = None
    tag: Tag | None = None
    at: Moment = field(name="ts")
    data: msgspec.Raw

    @property
    def payload(self) -> bytes:
        """A copy of the payload that does not hold the receive buffer."""
        return bytes(self.data)


class TopicAdded(Message, frozen=True, kw_only=True, tag="topic"):
    """A topic that is new to a pattern's subscription; its first event follows."""

    topic: Topic
    epoch: Epoch
    after: After


class Gap(Message, frozen=True, kw_only=True, tag="gap"):
    """Nothing from ``first`` to ``last`` will come; the chain goes on at ``last``.

    Attributes:
        topic: The topic.
        first: First seq that will not come.
        last: Last seq that will not come.
        reason: Why.
        tag: Chain tag of ``last``.
        epoch: The new epoch, only with ``epoch_changed``.
        seq: The top of the new epoch that ``tag`` is of; equals ``last``.
    """

    topic: Topic
    first: Seq = field(name="from")
    last: Seq = field(name="to")
    reason: str
    tag: Tag | None = None
    epoch: Epoch | None = None
    seq: Seq | None = None


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The hub lives, and everything up to these tops was written before.

    Attributes:
        at: The hub's time.
        tops: Topic to the seq and tag of its top.
    """

    at: Moment = field(name="ts")
    tops: dict[str, tuple[Seq, Tag]]


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """Something to prepare for, such as ``going_away``.

    Attributes:
        code: What.
        deadline: Until it happens.
        reconnect_after: To wait before reconnecting, jitter included.
    """

    code: str
    deadline: Duration | None = field(name="deadline_ms", default=None)
    reconnect_after: Duration | None = field(name="reconnect_after_ms", default=None)


class Error(Message, frozen=True, kw_only=True, tag="error"):
    """Why a command was not done, or why the connection ends.

    Attributes:
        id: Of the command; None where it had none, or none that could be read.
        code: One of ``ErrorCode``; a reader must accept others too.
        message: For a person.
        retryable: Whether the same command can succeed later.
        fatal: Whether a close follows.
        at: The hub's time.
        path: Field or place in ``data`` that is wrong.
        topic: Subscription that is in the way.
        bucket: Which limit was hit.
        retry_after: Until the limit lets go.
        expected: Producer seq that the hub waits for.
        supported: Subprotocols that the hub speaks.
        ref: The same as in the hub's log.
    """

    id: Id | None
    code: str
    message: str
    retryable: bool
    fatal: bool
    at: Moment = field(name="ts")
    path: str | None = None
    topic: str | None = None
    bucket: str | None = None
    retry_after: Duration | None = field(name="retry_after_ms", default=None)
    expected: Count | None = None
    supported: list[str] | None = None
    ref: str | None = None

    @classmethod
    def of(
        cls, code: ErrorCode, message: str, *, id: Id | None, at: float, **more: Any
    ) -> Self:
        """Make an error with what the table says of its code.

        Args:
            code: Which.
            message: For a person, cut where it is long; "" takes the table's.
            id: Of the command, or None.
            at: The hub's time, in seconds since 1970.
            more: ``path``, ``bucket`` and the other optional fields.
        """
        rule = ERRORS[code]
        return cls(
            id=id,
            code=code.value,
            message=(message or rule.meaning)[:MESSAGE_LENGTH],
            retryable=rule.retryable,
            fatal=rule.fatal,
            at=at,
            **more,
        )


Push = Welcome | Event | TopicAdded | Gap | Heartbeat | Notice | Error

PUSHES = (Welcome, Event, TopicAdded, Gap, Heartbeat, Notice, Error)
"""All of them; an ``Unsubscribed`` without id comes unasked too."""
