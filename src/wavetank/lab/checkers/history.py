"""History: what happened to messages, event by event, in the order of time.

It refuses to know how it was seen, and what to think of it. An event's ``at`` is in
seconds of one clock for all. ``epoch`` names a life of a topic's log; "" is the
latest that is known. ``head`` and ``seq`` are None where the target says none.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

__all__ = [
    "Closed",
    "Connected",
    "Damaged",
    "Delivered",
    "Drained",
    "DropNotice",
    "Event",
    "Fate",
    "Fates",
    "FaultBegins",
    "FaultHeals",
    "Gap",
    "Healed",
    "Kept",
    "PublishFailed",
    "PublishInfo",
    "PublishInvoked",
    "PublishOk",
    "Reconnected",
    "Resumed",
    "Subscribed",
    "Unsubscribed",
]


class Connected(NamedTuple):
    """A subscriber has a new connection; what it had before is over."""

    at: float
    subscriber: str
    connection: str


class Resumed(NamedTuple):
    """As `Connected`, and the target knows the session: it goes on where it was."""

    at: float
    subscriber: str
    connection: str


class Closed(NamedTuple):
    """A connection is over."""

    at: float
    subscriber: str
    connection: str


class Subscribed(NamedTuple):
    """The target has said yes to a subscription, or to going on with it.

    Attributes:
        head: What is behind it is owed.
        confirmed: Whether the target has said so; else what is owed begins with the
            first delivery.
        entitled: Whether the subscriber has a right to this topic.
    """

    at: float
    subscriber: str
    topic: str
    head: int | None = None
    epoch: str = ""
    confirmed: bool = True
    entitled: bool = True


class Unsubscribed(NamedTuple):
    """A subscription is over; nothing more may come.

    Attributes:
        head: The last that is owed; else the highest that came.
    """

    at: float
    subscriber: str
    topic: str
    head: int | None = None


class PublishInvoked(NamedTuple):
    """A message is about to be published; again with the same id on a retry.

    Attributes:
        id: As `ids.write_id` makes it.
        digest: Of the payload; "" where nothing has to be compared with it.
    """

    at: float
    publisher: str
    id: str
    topic: str
    digest: str = ""


class PublishOk(NamedTuple):
    """The target has acknowledged a message. That it was sent is none of this."""

    at: float
    id: str
    seq: int | None = None
    epoch: str = ""


class PublishFailed(NamedTuple):
    """The target has refused a message: it must never be delivered."""

    at: float
    id: str


class PublishInfo(NamedTuple):
    """Nobody knows what became of a message: a time-out, a lost connection."""

    at: float
    id: str


class Delivered(NamedTuple):
    """A message has come to a subscriber.

    Attributes:
        id: The id that it carries; "" where it carries none.
        replay: Whether the target says that it sends it again, or late.
    """

    at: float
    subscriber: str
    connection: str
    topic: str
    id: str
    seq: int | None = None
    epoch: str = ""
    digest: str = ""
    replay: bool = False


class Damaged(NamedTuple):
    """Something has come that is no message: no JSON, no UTF-8, cut short."""

    at: float
    subscriber: str
    connection: str
    topic: str
    detail: str = ""


class Gap(NamedTuple):
    """The target says that a subscriber will not get some; both ends included.

    Attributes:
        last: None is the end of that epoch.
    """

    at: float
    subscriber: str
    topic: str
    first: int
    last: int | None
    epoch: str = ""


class DropNotice(NamedTuple):
    """The target says that it has dropped so many for a subscriber, not which."""

    at: float
    subscriber: str
    topic: str
    dropped: int


class Kept(NamedTuple):
    """A message was found when the topic's history was read back."""

    at: float
    topic: str
    id: str


class FaultBegins(NamedTuple):
    """Something is broken on purpose from now on."""

    at: float
    name: str


class FaultHeals(NamedTuple):
    """That fault is over."""

    at: float
    name: str


class Healed(NamedTuple):
    """Final phase: every fault is over."""

    at: float


class Reconnected(NamedTuple):
    """Final phase: everybody who should be connected is."""

    at: float


class Drained(NamedTuple):
    """Final phase: nothing more is to come.

    Attributes:
        finished: Everybody has reached the head of every topic, or nothing has come
            for as long as anybody was willing to wait. False: the deadline passed
            while messages were still coming.
    """

    at: float
    finished: bool = True


Event: TypeAlias = (
    Connected
    | Resumed
    | Closed
    | Subscribed
    | Unsubscribed
    | PublishInvoked
    | PublishOk
    | PublishFailed
    | PublishInfo
    | Delivered
    | Damaged
    | Gap
    | DropNotice
    | Kept
    | FaultBegins
    | FaultHeals
    | Healed
    | Reconnected
    | Drained
)
"""Whatever can happen to a message, and to those who wait for it."""


class Fate(enum.StrEnum):
    """Where a message that did not come was lost, as the wire has it."""

    TARGET = "the target never sent it"
    PROXY = "the proxy dropped it"
    CLIENT = "the client lost it"
    CUT = "nobody knows who lost it: the proxy's log does not reach back to it"
    UNKNOWN = ""


Fates: TypeAlias = Mapping[tuple[str, str, int | str], Fate]
"""(subscriber, topic, seq or id) -> where it was lost."""
