"""The audience: all subscribers, their connections and their sides of each topic.

It refuses to know what is delivered to them, and what they are owed.
"""

from collections import defaultdict

from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    DropNotice,
    Gap,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.promises import Promise
from wavetank.lab.checkers.publications import LAST_SEQ, Chunk
from wavetank.lab.checkers.register import Register
from wavetank.lab.checkers.streams import Stream, Subscriber

__all__ = ["Audience"]


class Audience:
    """Who is there, who subscribed to what, and what they were told.

    Args:
        promise: What the target promises.
        register: All topics.
        limit: Gaps that are told apart in what one subscriber gets.

    Attributes:
        streams: (subscriber, topic) -> its side of it.
        followers: Number of a topic -> all who ever subscribed to it.
        connections: How often somebody connected again.
        is_too_early: Whether somebody asked for what is forgotten.
    """

    def __init__(self, promise: Promise, register: Register, *, limit: int) -> None:
        self._promise = promise
        self._register = register
        self._limit = limit
        self._subscribers: dict[str, Subscriber] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.followers: defaultdict[int, list[Stream]] = defaultdict(list)
        self.connections = 0
        self.is_too_early = False

    def connect(self, event: Connected | Resumed) -> None:
        """Begin a connection; whatever the subscriber had before is over."""
        self._begin(self._subscriber(event.subscriber), event.connection)

    def hear_from(self, name: str, connection: str) -> None:
        """Take a connection for begun where something comes of it."""
        subscriber = self._subscriber(name)
        if subscriber.connection != connection:
            self._begin(subscriber, connection)

    def close(self, event: Closed) -> None:
        """End a connection, unless there is a newer one."""
        subscriber = self._subscriber(event.subscriber)
        if subscriber.connection == event.connection:
            self._end(subscriber)

    def _subscriber(self, name: str) -> Subscriber:
        subscriber = self._subscribers.get(name)
        if subscriber is None:
            subscriber = self._subscribers[name] = Subscriber(name)
        return subscriber

    def _begin(self, subscriber: Subscriber, connection: str) -> None:
        if subscriber.ordinal:
            self.connections += 1
            self._end(subscriber)
        subscriber.connect(connection)

    def _end(self, subscriber: Subscriber) -> None:
        subscriber.is_connected = False
        subscriber.is_missed |= any(stream.is_open for stream in subscriber.streams)
        if not self._promise.resumable:
            for stream in subscriber.streams:
                stream.close(None, in_order=self._promise.fifo)

    def subscribe(self, event: Subscribed) -> None:
        """Begin a subscription, or go on with it."""
        _, name, topic, head, epoch, confirmed, entitled = event
        stream = self.streams.get((name, topic)) or self._new_stream(name, topic)
        ledger = stream.ledger
        stream.is_entitled = entitled
        stream.epoch = epoch or stream.epoch
        # An epoch that begins is known even where no head is named.
        base = ledger.base_of(stream.epoch)
        _bridge(stream, base)
        begins = None
        if head is not None and 0 <= head <= LAST_SEQ:
            begins = base + head
            if begins < ledger.forgotten and not stream.is_open:
                self.is_too_early = True
        stream.open(begins, ledger.count if confirmed else None)

    def _new_stream(self, name: str, topic: str) -> Stream:
        subscriber, ledger = self._subscriber(name), self._register.ledger(topic)
        stream = Stream(subscriber, ledger, limit=self._limit)
        self.streams[name, topic] = stream
        subscriber.streams.append(stream)
        self.followers[ledger.number].append(stream)
        return stream

    def unsubscribe(self, event: Unsubscribed) -> None:
        """End a subscription."""
        stream = self.streams.get((event.subscriber, event.topic))
        if stream is None:
            return
        last = None
        if event.head is not None and 0 <= event.head <= LAST_SEQ:
            last = stream.ledger.base_of(stream.epoch) + event.head
        stream.close(last, in_order=self._promise.fifo)

    def declare(self, event: Gap) -> None:
        """Note what the target says it will not send."""
        stream = self.streams.get((event.subscriber, event.topic))
        if stream is None:
            return
        base = stream.ledger.base_of(event.epoch or stream.epoch)
        _bridge(stream, base)
        first = base + max(event.first, 0)
        if event.last is None:
            stream.ended = first
        last = LAST_SEQ if event.last is None else min(event.last, LAST_SEQ)
        stream.gaps.add(first, base + last)

    def note_drops(self, event: DropNotice) -> None:
        """Note how many the target says it has dropped."""
        stream = self.streams.get((event.subscriber, event.topic))
        if stream is not None:
            stream.dropped += max(event.dropped, 0)

    def disagrees(self, stream: Stream, chunk: Chunk, slot: int) -> bool:
        """Tell whether somebody else saw what came last in another order."""
        last = (chunk, slot)
        others = [one for one in self.followers[stream.ledger.number] if one != stream]
        return any(
            other.saw_before(last, earlier)
            for earlier in stream.lately
            if earlier[0].ranks[earlier[1]] > chunk.ranks[slot]
            for other in others
        )

    def away(self) -> list[str]:
        """Return who was subscribed, and is not connected any more."""
        return [
            subscriber.name
            for subscriber in self._subscribers.values()
            if subscriber.ordinal
            and not subscriber.is_connected
            and (
                subscriber.is_missed
                or any(stream.is_open for stream in subscriber.streams)
            )
        ]

    def __repr__(self) -> str:
        """Show how many there are."""
        return (
            f"<Audience {len(self._subscribers)} subscribers, "
            f"{len(self.streams)} subscriptions>"
        )


def _bridge(stream: Stream, base: int) -> None:
    """Declare the epochs between one that is over and the one that goes on.

    A target that was started anew twice while nobody could come back has no way to
    name the life between: to say that an epoch is over is all that it can do.

    Args:
        stream: Of whom it is told.
        base: Of the epoch that goes on.
    """
    if stream.ended is not None and base > stream.ended:
        stream.gaps.add(stream.ended, base - 1)
    stream.ended = None
