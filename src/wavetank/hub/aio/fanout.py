"""Fan-out: once per turn of the loop, each subscriber gets what is new in one write.

It refuses to know sessions, commands and sockets: a subscriber is a place to write
to, and says by itself when it takes no more.

Nothing here runs per message *and* subscriber. Whoever is in step with a topic
gets the same joined bytes, and whoever lags costs a cursor, not a queue.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from wavetank.hub.accounting import Account
from wavetank.hub.aio.logs.base import Log
from wavetank.hub.cursors import Cursors, Place
from wavetank.hub.effects import Behind
from wavetank.hub.log import TopicLog, make_gap
from wavetank.protocol import Id

__all__ = ["PAGE_BYTES", "FanOut", "Publisher", "Subscriber", "Topic"]

PAGE_BYTES = 65_536
"""Most bytes in one write, one entry excepted, which may be larger."""

EAGER_BYTES = 1024 * 1024
"""Bytes of one topic that wait for the end of a turn; beyond them, no waiting."""

PAGES_AT_ONCE = 64
"""Pages for those who replay or lag in one turn, so that live events go between."""


Write = Callable[[bytes], object]
"""Hands bytes to a transport."""


class Topic:
    """One topic on this node.

    Attributes:
        log: Positions and newest entries.
        cursors: Who is where.
        account: What became of each message.
        waiting: Publications that are not durable yet: seq, and whom to tell.
        readings: Pages that are being read, by the seq behind which they begin.
        is_dirty: Whether the next flush looks at it.
    """

    __slots__ = ("account", "cursors", "is_dirty", "log", "readings", "waiting")

    def __init__(self, log: TopicLog) -> None:
        self.log = log
        self.cursors: Cursors[Subscriber, Write] = Cursors(log.visible)
        self.account = Account()
        self.waiting: deque[tuple[int, Publisher, Id | None]] = deque()
        self.readings: dict[int, list[Subscriber]] = {}
        self.is_dirty = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if it were forgotten."""
        return not self.log.top and not len(self.cursors)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Topic {self.log!r} {self.cursors!r}>"


class Subscriber:
    """Somebody who gets events.

    Attributes:
        name: Of the connection.
        write: Takes bytes; may call ``FanOut.paused`` before it returns.
        topics: Everything it is subscribed to.
        behind: Those topics where it has a place of its own.
        is_paused: Whether it takes nothing more for now.
    """

    __slots__ = ("behind", "is_paused", "name", "topics", "write")

    def __init__(self, name: str, write: Write) -> None:
        self.name = name
        self.write = write
        self.topics: dict[str, Topic] = {}
        self.behind: dict[Topic, None] = {}
        self.is_paused = False

    def caught_up(self) -> None:
        """Hear that it is in step with all its topics again."""

    def stranded(self) -> None:
        """Hear that what it needs next could not be read."""


class Publisher(Protocol):
    """Somebody who waits for a publication."""

    def published(self, id: Id | None, topic: "Topic", seq: int) -> None:
        """Hear that it has its durability."""
        ...


class Loop(Protocol):
    """What fan-out needs of the event loop."""

    def call_soon(self, callback: Callable[[], None]) -> object:
        """Call in the next turn."""
        ...


class FanOut:
    """Writes events to subscribers.

    Args:
        loop: Calls back in its next turn.
        log: Where entries are that memory forgot.
        wall: Reads the time, in seconds since 1970.
        start: Starts a coroutine as a task of the node.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        *,
        wall: Callable[[], float],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._loop = loop
        self._log = log
        self._wall = wall
        self._start = start
        self._dirty: list[Topic] = []
        self._catching: dict[Subscriber, None] = {}
        self._paused: list[Subscriber] = []
        self._pages: dict[tuple[Topic, int], tuple[bytes, int]] = {}
        self._is_scheduled = False
        self._is_flushing = False

    # What happens.

    def published(self, topic: Topic) -> None:
        """Note that more of a topic is visible."""
        cursors, log = topic.cursors, topic.log
        if not cursors.in_step:
            # Whoever is behind goes on by itself, from its own place.
            cursors.level = log.visible
            log.settle(log.visible)
            return
        if not topic.is_dirty:
            topic.is_dirty = True
            self._dirty.append(topic)
            self._schedule()
        waiting = log.ring.total - log.ring.offset(cursors.level)
        if waiting > EAGER_BYTES and not self._is_flushing:
            self.flush()

    def enter(self, subscriber: Subscriber, topic: Topic, after: int) -> None:
        """Begin a subscription: everything behind ``after`` is owed.

        What was written to the subscriber before stands before all events.
        """
        log, cursors = topic.log, topic.cursors
        is_live = after == log.visible
        offset = log.ring.offset(after) if log.is_in_memory(after) else 0
        place = Place(after, offset, self._wall(), is_live)
        topic.account.subscribed(after)
        subscriber.topics[log.topic] = topic
        in_step = cursors.enter(subscriber, subscriber.write, place)
        if in_step and not subscriber.is_paused:
            return
        if in_step:
            cursors.fall_behind(subscriber, place)
        self._fell_behind(subscriber, topic)

    def leave(self, subscriber: Subscriber, topic: Topic) -> None:
        """End a subscription; nothing of it is written from now on."""
        del subscriber.topics[topic.log.topic]
        subscriber.behind.pop(topic, None)
        if not subscriber.behind:
            self._catching.pop(subscriber, None)
        topic.account.unsubscribed(topic.cursors.leave(subscriber))

    def leave_all(self, subscriber: Subscriber) -> list[Topic]:
        """End all subscriptions of somebody; return their topics."""
        topics = list(subscriber.topics.values())
        for topic in topics:
            self.leave(subscriber, topic)
        return topics

    def paused(self, subscriber: Subscriber) -> None:
        """Note that somebody takes nothing more for now."""
        subscriber.is_paused = True
        self._paused.append(subscriber)
        if not self._is_flushing:
            self._settle_paused()

    def resumed(self, subscriber: Subscriber) -> None:
        """Note that somebody takes bytes again: it goes on from its cursors."""
        subscriber.is_paused = False
        if subscriber.behind:
            self._catching[subscriber] = None
            self._schedule()

    def behind(self, subscriber: Subscriber) -> Behind | None:
        """Say how far somebody lags; replays are not counted."""
        age, size, lags = 0.0, 0, False
        wall = self._wall()
        for topic in subscriber.behind:
            place, log = topic.cursors.behind[subscriber], topic.log
            if not place.is_live or place.seq >= log.visible:
                continue
            lags = True
            following = place.seq + 1
            held = log.ring.holds(following)
            since = log.ring[following].at if held else place.at
            age = max(age, wall - since)
            size += log.ring.offset(log.visible) - place.offset
        return Behind(age, size) if lags else None

    # The flush.

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._is_scheduled = False
        self.flush()

    def flush(self) -> None:
        """Write to everybody in step all that is new, and a page to those behind."""
        self._is_flushing = True
        try:
            dirty, self._dirty = self._dirty, []
            if len(dirty) == 1:
                self._step(dirty[0])
            elif dirty:
                self._step_together(dirty)
            if self._catching:
                self._catch_up()
        finally:
            self._is_flushing = False
            self._pages.clear()
        if self._catching:
            self._schedule()

    def _step(self, topic: Topic) -> None:
        """Bring everybody in step with one topic to its top."""
        topic.is_dirty = False
        log, cursors = topic.log, topic.cursors
        while cursors.level < log.visible:
            start = cursors.level
            data, to = self._page(topic, start)
            count = 0
            broken: list[Write] = []
            for write in list(cursors.in_step.values()):
                try:
                    write(data)
                except Exception:  # noqa: BLE001 - as in _write, without its call
                    broken.append(write)
                else:
                    count += 1
            topic.account.delivered += count * (to - start)
            if broken:
                dead = [key for key, own in cursors.in_step.items() if own in broken]
                self._break(dead, topic)
            cursors.level = to
            self._settle_paused()
        log.settle(cursors.level)

    def _step_together(self, topics: Iterable[Topic]) -> None:
        """Bring everybody in step with several topics to their tops.

        A connection gets one write for all of them. What would make it larger
        than a page follows as for somebody who is behind.
        """
        parcels: dict[Subscriber, _Parcel] = {}
        for topic in topics:
            topic.is_dirty = False
            log, cursors = topic.log, topic.cursors
            while cursors.level < log.visible:
                self._pack(topic, parcels)
            log.settle(cursors.level)
        for subscriber, parcel in parcels.items():
            self._send(subscriber, parcel)
        self._settle_paused()

    def _pack(self, topic: Topic, parcels: "dict[Subscriber, _Parcel]") -> None:
        """Add a page to the parcel of everybody in step with a topic."""
        cursors = topic.cursors
        data, to = self._page(topic, cursors.level)
        for subscriber in list(cursors.in_step):
            parcel = parcels.get(subscriber)
            if parcel is None:
                parcel = parcels[subscriber] = _Parcel()
            if not parcel.offer(topic, data, to - cursors.level):
                self._fall_behind(subscriber, topic)
        cursors.level = to

    def _send(self, subscriber: Subscriber, parcel: "_Parcel") -> None:
        is_written = self._write(subscriber, parcel.data)
        for topic, count in parcel.counts.items():
            if is_written:
                topic.account.delivered += count
            else:
                self._break([subscriber], topic, count=count)

    def _write(self, subscriber: Subscriber, data: bytes) -> bool:
        """Write to one subscriber; tell whether that was possible.

        One dead transport is no reason to leave out the others. Its end is
        reported elsewhere, soon.
        """
        try:
            subscriber.write(data)
        except Exception:  # noqa: BLE001 - see above
            subscriber.is_paused = True
            return False
        return True

    def _page(self, topic: Topic, after: int) -> tuple[bytes, int]:
        """Return the next bytes behind ``after``, shared by all who are there."""
        key = (topic, after)
        page = self._pages.get(key)
        if page is None:
            ring = topic.log.ring
            to = ring.reach(after, topic.log.visible, PAGE_BYTES)
            page = self._pages[key] = (ring.frames(after, to), to)
        return page

    # Those who are not in step.

    def _settle_paused(self) -> None:
        """Give a place of its own to whoever has just stopped taking bytes."""
        for subscriber in self._paused:
            for topic in subscriber.topics.values():
                if subscriber in topic.cursors.in_step:
                    self._fall_behind(subscriber, topic)
        self._paused.clear()

    def _fall_behind(self, subscriber: Subscriber, topic: Topic) -> None:
        level = topic.cursors.level
        offset = topic.log.ring.offset(level)
        place = Place(level, offset, self._wall(), is_live=True)
        topic.cursors.fall_behind(subscriber, place)
        self._fell_behind(subscriber, topic)

    def _fell_behind(self, subscriber: Subscriber, topic: Topic) -> None:
        subscriber.behind[topic] = None
        if not subscriber.is_paused:
            self._catching[subscriber] = None
            self._schedule()

    def _break(
        self, broken: Iterable[Subscriber], topic: Topic, *, count: int = 0
    ) -> None:
        """Keep whoever could not be written to where it was; it will be gone soon."""
        for subscriber in broken:
            subscriber.is_paused = True
            if subscriber in topic.cursors.in_step:
                self._fall_behind(subscriber, topic)
            topic.cursors.behind[subscriber].seq -= count

    def _catch_up(self) -> None:
        """Write a page each to those who are behind, as many as go in one turn."""
        for _ in range(min(PAGES_AT_ONCE, len(self._catching))):
            subscriber = next(iter(self._catching))
            del self._catching[subscriber]
            if not subscriber.is_paused and self._advance(subscriber):
                self._catching[subscriber] = None
        self._settle_paused()

    def _advance(self, subscriber: Subscriber) -> bool:
        """Go on with the topic whose turn it is; tell whether more can follow."""
        topic = next(iter(subscriber.behind))
        if topic.cursors.rejoin(subscriber, subscriber.write):
            del subscriber.behind[topic]
            if not subscriber.behind:
                subscriber.caught_up()
            return bool(subscriber.behind)
        place, log = topic.cursors.behind[subscriber], topic.log
        if place.seq < log.base.seq:
            self._announce_gap(subscriber, topic, place)
        elif log.is_in_memory(place.seq):
            data, to = self._page(topic, place.seq)
            self._deliver(subscriber, topic, data, to)
        else:
            self._read(subscriber, topic, place.seq)
            return False
        # The other topics have their turn before this one has another.
        if topic in subscriber.behind:
            subscriber.behind[topic] = subscriber.behind.pop(topic)
        return True

    def _announce_gap(self, subscriber: Subscriber, topic: Topic, place: Place) -> None:
        base = topic.log.base
        gap = make_gap(topic.log.topic, place.seq + 1, base)
        if not self._write(subscriber, gap):
            return
        topic.account.gapped += base.seq - place.seq
        place.seq = base.seq
        # What follows is a replay of all that is left.
        place.is_live = False

    def _deliver(
        self, subscriber: Subscriber, topic: Topic, data: bytes, to: int
    ) -> None:
        place = topic.cursors.behind[subscriber]
        if not self._write(subscriber, data):
            return
        topic.account.delivered += to - place.seq
        place.seq = to
        place.offset += len(data)
        place.at = self._wall()

    def _read(self, subscriber: Subscriber, topic: Topic, after: int) -> None:
        """Fetch a page from the log, once for all who wait for the same one."""
        waiting = topic.readings.get(after)
        if waiting is not None:
            waiting.append(subscriber)
            return
        topic.readings[after] = [subscriber]
        self._start(self._fetch(topic, after))

    async def _fetch(self, topic: Topic, after: int) -> None:
        try:
            entries = await self._log.since(
                topic.log.topic, after, entries=PAGE_BYTES, size=PAGE_BYTES
            )
        except Exception:
            for subscriber in topic.readings.pop(after):
                subscriber.stranded()
            raise
        waiting = topic.readings.pop(after)
        # Retention may have moved on meanwhile: then a gap is due, not this page.
        if entries and entries[0].seq == after + 1:
            data = b"".join([entry.frame for entry in entries])
            for subscriber in waiting:
                place = topic.cursors.behind.get(subscriber)
                if place and place.seq == after and not subscriber.is_paused:
                    self._deliver(subscriber, topic, data, entries[-1].seq)
        for subscriber in waiting:
            if subscriber.behind and not subscriber.is_paused:
                self._catching[subscriber] = None
                self._schedule()

    def __repr__(self) -> str:
        """Show how much there is to do."""
        return f"<FanOut {len(self._dirty)} dirty, {len(self._catching)} catching up>"


class _Parcel:
    """What one subscriber gets of several topics in one write."""

    __slots__ = ("_parts", "_size", "counts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.counts: dict[Topic, int] = {}

    def offer(self, topic: Topic, data: bytes, count: int) -> bool:
        """Add bytes, if there is room; tell whether there was."""
        if self._parts and self._size + len(data) > PAGE_BYTES:
            return False
        self._parts.append(data)
        self._size += len(data)
        self.counts[topic] = self.counts.get(topic, 0) + count
        return True

    @property
    def data(self) -> bytes:
        """All of it."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
