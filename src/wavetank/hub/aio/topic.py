"""A topic on this node, and the two who deal with it: subscriber and publisher.

It refuses to know sessions, sockets, and when anything is written.
"""

from collections import deque
from typing import Any, Literal, Protocol

from wavetank.errors import LocalError
from wavetank.hub.accounting import Account, Balance
from wavetank.hub.aio.writes import TryWrite, Write
from wavetank.hub.cursors import Cursors, Place
from wavetank.hub.effects import Behind
from wavetank.hub.log import Mark, TopicLog
from wavetank.hub.pace import Pace
from wavetank.protocol import ErrorCode, Id, MaxRate

__all__ = [
    "Deliver",
    "Publisher",
    "Subscriber",
    "Topic",
    "TopicCursors",
    "TopicPace",
]

Deliver = Literal["all", "latest"] | MaxRate | None
"""What somebody wants who is behind; None is "all"."""


TopicCursors = Cursors["Subscriber", TryWrite]
TopicPace = Pace["Subscriber", TryWrite]


class Topic:
    """One topic on this node.

    Attributes:
        log: Positions and newest entries.
        cursors: Who is where, of those without a rate.
        paces: The others, by their rate.
        resting: Those paces that are owed nothing; the next entry rouses them.
        account: What became of each message.
        waiting: Publications that are not durable yet: seq, whom to tell, the id
            to tell it with, and whether it is a duplicate of that seq.
        readings: What is being read from the log, and who waits for it, by the seq
            behind which it begins and how many entries it is at most.
        is_dirty: Whether the next flush looks at it.
    """

    __slots__ = (
        "account",
        "cursors",
        "is_dirty",
        "log",
        "paces",
        "readings",
        "resting",
        "waiting",
    )

    def __init__(self, log: TopicLog) -> None:
        self.log = log
        self.cursors: TopicCursors = Cursors(log.visible)
        self.paces: dict[float, TopicPace] = {}
        self.resting: dict[float, TopicPace] = {}
        self.account = Account()
        self.waiting: deque[tuple[int, Publisher, Id | None, bool]] = deque()
        self.readings: dict[tuple[int, int], dict[Subscriber, None]] = {}
        self.is_dirty = False

    @property
    def subscribers(self) -> int:
        """How many subscriptions there are, of every kind."""
        return len(self.cursors) + sum(len(p.cursors) for p in self.paces.values())

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if it were forgotten."""
        return not self.log.top and not self.subscribers

    def cursors_of(self, subscriber: "Subscriber") -> TopicCursors:
        """Return the cursors where somebody's subscription is."""
        pace = subscriber.paces.get(self)
        return self.cursors if pace is None else pace.cursors

    def place_of(self, subscriber: "Subscriber") -> Place | None:
        """Return where somebody is; None if it is in step, or not subscribed."""
        return self.cursors_of(subscriber).behind.get(subscriber)

    def is_settled(self, subscriber: "Subscriber") -> bool:
        """Tell whether somebody has all that is meant for it.

        Then each entry up to ``cursors.level`` was written to it, or was left out by
        its own wish with a later one in its place.
        """
        cursors = self.cursors_of(subscriber)
        place = cursors.behind.get(subscriber)
        if place is None:
            # In step without a rate is at the level by definition.
            return cursors is self.cursors or cursors.level >= self.log.visible
        is_told = place.start is None
        return is_told and place.is_latest and place.seq >= self.log.visible

    def lag_of(self, subscriber: "Subscriber", wall: float) -> Behind | None:
        """Say how far somebody without a rate lags; None where it does not.

        Neither a replay nor one who jumps to the newest lags.

        Args:
            subscriber: It has a place of its own here.
            wall: Seconds since 1970.
        """
        place, log = self.cursors.behind[subscriber], self.log
        if place.is_latest or not place.is_live or place.seq >= log.visible:
            return None
        following = place.seq + 1
        held = log.ring.holds(following)
        since = log.ring[following].at if held else place.at
        size = log.ring.offset(log.visible) - place.offset
        return Behind(max(0.0, wall - since), size)

    def start_at(self, after: int) -> Mark:
        """Return where a subscription begins, to be announced.

        Raises:
            LocalError: If memory does not know the place.
        """
        tag = self.log.tag_at(after) if after else 0
        if tag is None:
            raise LocalError(f"{self.log!r} does not know the tag of entry {after}")
        return Mark(after, tag)

    def balance(self) -> Balance:
        """Compare what is owed with what became of it, over all subscriptions."""
        top = self.log.visible
        pending = self.cursors.pending(top)
        pending += sum(pace.cursors.pending(top) for pace in self.paces.values())
        return self.account.balance(top, pending)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Topic {self.log!r} {self.cursors!r} {len(self.paces)} paces>"


class Subscriber:
    """Somebody who gets events.

    Args:
        name: Of the connection.
        write: See below.
        window: See below.
        try_write: See below; None is ``write``.

    Attributes:
        name: Of the connection.
        try_write: Takes what goes without waiting; the rest has to be written. Not
            for whoever is paused.
        write: Takes bytes; may call ``FanOut.paused`` before it returns.
        window: Bits of the LZ77 window that it inflates with, 9 to 15; None: it
            gets nothing compressed. It stays as it is while there are topics.
        topics: Everything it is subscribed to.
        behind: Those topics where it has a place of its own, and no rate.
        paces: Those topics where it wants at most so many events a second.
        is_paused: Whether it takes nothing more for now.
    """

    __slots__ = (
        "behind",
        "is_paused",
        "name",
        "paces",
        "topics",
        "try_write",
        "window",
        "write",
    )

    def __init__(
        self,
        name: str,
        write: Write,
        window: int | None = None,
        try_write: TryWrite | None = None,
    ) -> None:
        self.name = name
        self.try_write: TryWrite = try_write or write
        self.write = write
        self.window = window
        self.topics: dict[str, Topic] = {}
        self.behind: dict[Topic, None] = {}
        self.paces: dict[Topic, TopicPace] = {}
        self.is_paused = False

    def caught_up(self) -> None:
        """Hear that it lags nowhere any longer."""

    def outgrown(self, pattern: str) -> None:
        """Hear that a pattern has come to match more topics than it may have."""

    def stranded(self) -> None:
        """Hear that what it needs next could not be read."""


class Publisher(Protocol):
    """Somebody who waits for a publication."""

    def published(
        self, id: Id | None, topic: Topic, seq: int | None, *, duplicate: bool
    ) -> None:
        """Hear that it has its durability, and its seq if that is still known."""
        ...

    def refused(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> None:
        """Hear that it was not taken; ``more`` are other fields of the error."""
        ...
