"""Replies: what the hub answers to a command with an id, as values.

They refuse to know bytes, and how the answer was found.
"""

import msgspec
from msgspec import field

from wavetank.protocol.fields import Id, Message, Moment, Recovered, Topic, Value, Why
from wavetank.protocol.positions import Epoch, Seq, Tag

__all__ = [
    "REPLIES",
    "After",
    "Authenticated",
    "Entry",
    "HistoryPage",
    "Pong",
    "Published",
    "Reply",
    "Start",
    "Subscribed",
    "SubscribedPattern",
    "Unsubscribed",
]


class After(msgspec.Struct, frozen=True):
    """Where a chain starts.

    Attributes:
        seq: What the next event's ``prev`` is.
        tag: Chain tag of that entry.
    """

    seq: Seq
    tag: Tag


class Start(Value, frozen=True, kw_only=True):
    """Where a subscription stands in one topic.

    Attributes:
        epoch: Life of the log.
        seq: Top of the log when it was answered.
        tag: Tag of the top.
        oldest: First seq that is retained; ``seq + 1`` where the log is empty.
        recovered: Whether all that was asked for follows; None: nothing was.
        reason: Why it does not.
        after: Where the chain starts.
    """

    epoch: Epoch
    seq: Seq
    tag: Tag
    oldest: Seq
    recovered: Recovered
    reason: Why
    after: After


class Authenticated(Message, frozen=True, kw_only=True, tag="authenticated"):
    """The token is good.

    Attributes:
        user: Whose it is.
        expires_at: When it ends; None where it never does.
    """

    id: Id
    user: str
    expires_at: Moment | None


class _Started(Message, frozen=True, kw_only=True):
    """``Start``, flat in a reply."""

    id: Id
    topic: Topic
    epoch: Epoch
    seq: Seq
    tag: Tag
    oldest: Seq
    recovered: Recovered
    reason: Why
    after: After


class Subscribed(_Started, frozen=True, kw_only=True, tag="subscribed"):
    """The subscription to one topic stands; replayed events come next."""

    @property
    def start(self) -> Start:
        """The same as a pattern's reply says of each topic."""
        return _start_of(self)


class SubscribedPattern(Message, frozen=True, kw_only=True, tag="subscribed"):
    """The subscription to a pattern stands; replayed events come next.

    Attributes:
        id: Of the command.
        topic: The pattern.
        topics: Where it stands in each topic that exists now.
    """

    id: Id
    topic: Topic
    topics: dict[str, Start]


class Unsubscribed(Message, frozen=True, kw_only=True, tag="unsubscribed"):
    """No event of this subscription follows.

    Attributes:
        topic: Topic or pattern, as it was subscribed.
        id: Of the command; None where the hub ended it unasked.
        reason: Why the hub ended it, such as ``forbidden``.
    """

    topic: Topic
    id: Id | None = None
    reason: Why = None


class Published(Message, frozen=True, kw_only=True, tag="published"):
    """The publication has its topic's durability.

    Attributes:
        id: Of the command; None only as the answer to ``POST /api/publish``.
        topic: The topic.
        epoch: Life of the log now.
        seq: Its place in the log; None for a duplicate too old to know.
        duplicate: Whether it had been accepted before.
    """

    id: Id | None
    topic: Topic
    epoch: Epoch
    seq: Seq | None
    duplicate: bool


class Entry(Value, frozen=True, kw_only=True):
    """One past event.

    Attributes:
        seq: Its place in the log.
        at: Time of its append.
        data: The payload, byte for byte as published.
    """

    seq: Seq
    at: Moment = field(name="ts")
    data: msgspec.Raw


class HistoryPage(_Started, frozen=True, kw_only=True, tag="history"):
    """Past events of one topic, oldest first.

    Attributes:
        events: Without holes, the first one behind ``after``.
        more: Whether the log had more behind the last one.
    """

    events: list[Entry]
    more: bool

    @property
    def start(self) -> Start:
        """The same as a subscription's reply says."""
        return _start_of(self)


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """The hub's time.

    Attributes:
        received_at: When it read the ping.
        sent_at: When it wrote this.
    """

    id: Id
    received_at: Moment = field(name="ts_in")
    sent_at: Moment = field(name="ts_out")


def _start_of(reply: _Started) -> Start:
    """Take the nested form of a reply's flat fields."""
    return Start(
        epoch=reply.epoch,
        seq=reply.seq,
        tag=reply.tag,
        oldest=reply.oldest,
        recovered=reply.recovered,
        reason=reply.reason,
        after=reply.after,
    )


Reply = (
    Authenticated
    | Subscribed
    | SubscribedPattern
    | Unsubscribed
    | Published
    | HistoryPage
    | Pong
)

REPLIES = (
    Authenticated,
    Subscribed,
    SubscribedPattern,
    Unsubscribed,
    Published,
    HistoryPage,
    Pong,
)
"""All of them; an ``Error`` can stand in for each."""
