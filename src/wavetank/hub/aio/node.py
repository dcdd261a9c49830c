"""A node: topics, their log, who is connected, and what they may ask of it.

It refuses to know sockets, HTTP and the state of a single connection.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import msgspec
import structlog

from wavetank.clock import Clock
from wavetank.errors import LocalError
from wavetank.hub.access import ANONYMOUS, Claims
from wavetank.hub.aio.auth import StaticTokens
from wavetank.hub.aio.fanout import PAGE_BYTES, FanOut, Publisher, Subscriber, Topic
from wavetank.hub.aio.logs.base import Log
from wavetank.hub.config import HubConfig
from wavetank.hub.effects import Moment
from wavetank.hub.limits import Admission
from wavetank.hub.log import Entry as LogEntry
from wavetank.hub.log import Mark, TopicLog
from wavetank.hub.recovery import Begin, begin_at_time, find_begin, judge
from wavetank.protocol import (
    HISTORY_LIMIT,
    After,
    Entry,
    ErrorCode,
    History,
    HistoryPage,
    Id,
    Position,
    Subscribe,
    Subscribed,
    format_tag,
)

__all__ = ["HISTORY_MOST", "Node", "Refused"]

HISTORY_MOST = 500
"""Most events in one answer to ``history``."""

Refused = tuple[ErrorCode, str]
"""Why a publication was not taken."""


class Node:
    """One hub process, without its sockets.

    Args:
        config: Of the hub.
        log: Where publications are kept.
        clock: The time.
        logger: Where log lines go.
        rng: Dice for names and for spreading reconnections.

    Attributes:
        fanout: Writes events.
        admission: Who is in.
        is_draining: Whether it is about to stop.
        opened: Connections that there ever were.
        published: Publications that were taken.
        closed: Close codes of connections that have ended, counted.
        refused: Reasons of refused handshakes, counted.
    """

    def __init__(
        self,
        config: HubConfig,
        log: Log,
        *,
        clock: Clock,
        logger: structlog.typing.FilteringBoundLogger,
        rng: random.Random,
    ) -> None:
        self.config = config
        self.clock = clock
        self.logger = logger
        self.rng = rng
        self.log = log
        self.log.listener = self
        self._loop = asyncio.get_running_loop()
        self.fanout = FanOut(self._loop, log, wall=clock.wall, start=self.start)
        self.admission = Admission(config.crowd)
        self.is_draining = False
        self.closed: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self._tokens = StaticTokens(config.tokens, config.operator_tokens)
        self._topics: dict[str, Topic] = {}
        self._kept = 0
        self.published = 0
        self.opened = 0
        self._started_at = clock.now()
        self._tasks: set[asyncio.Task[None]] = set()

    # Time, names, tasks.

    def moment(self) -> Moment:
        """Read both clocks."""
        return Moment(self.clock.now(), self.clock.wall())

    def name_connection(self) -> str:
        """Return a name that no other connection of this node has."""
        self.opened += 1
        return f"c-{self.opened:x}-{self.rng.getrandbits(20):05x}"

    def new_ref(self) -> str:
        """Return a name for an incident, for the log and for whoever met it."""
        return f"r-{self.rng.getrandbits(32):08x}"

    def verify(self, token: str) -> Claims | None:
        """Return whose token it is, or None."""
        return self._tokens.verify(token)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call in the next turn of the loop."""
        self._loop.call_soon(callback)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task of this node; a fault in it is logged."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.logger.error("task_failed", exc_info=task.exception())

    async def close(self) -> None:
        """Stop what is going on and close the log."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.log.close()

    @property
    def anonymous(self) -> Claims | None:
        """Who somebody without a token is; None where that is nobody."""
        return None if self.config.needs_auth else ANONYMOUS

    # Topics.

    def _topic(self, name: str) -> Topic:
        """Return a topic, new where there is none of that name."""
        topic = self._topics.get(name)
        if topic is None:
            log = TopicLog(name, self.log.epoch, ring=self.config.ring)
            topic = self._topics[name] = Topic(log)
        return topic

    def _view(self, name: str) -> TopicLog:
        """Return a topic's log to look at; an empty one keeps no state."""
        topic = self._topics.get(name)
        if topic is not None:
            return topic.log
        return TopicLog(name, self.log.epoch, ring=self.config.ring)

    def _forget_idle(self, topic: Topic) -> None:
        if topic.is_idle:
            self._topics.pop(topic.log.topic, None)

    # Publishing.

    def publish(
        self, name: str, payload: bytes, publisher: Publisher | None, id: Id | None
    ) -> Refused | None:
        """Append a publication.

        Args:
            name: Of the topic; it is valid and may be written to.
            payload: One JSON text.
            publisher: Told once it has its durability, maybe before this returns.
            id: Handed back to the publisher.

        Returns:
            Why it was not taken, or None.
        """
        topic = self._topic(name)
        if not topic.log.top:
            most = self.config.node_topics
            if most is not None and self._kept >= most:
                self._forget_idle(topic)
                return ErrorCode.TOO_MANY_TOPICS, f"this hub keeps {most} topics"
            self._kept += 1
        try:
            entry = topic.log.append(payload, self.clock.wall())
        except LocalError as error:
            return ErrorCode.UNAVAILABLE, str(error)
        self.published += 1
        if publisher is not None:
            topic.waiting.append((entry.seq, publisher, id))
        self.log.append(name, entry)
        return None

    def durable(self, topic: str, seq: int) -> None:
        """Show everything up to ``seq``; the log calls this."""
        known = self._topics[topic]
        known.log.reveal(seq)
        waiting = known.waiting
        while waiting and waiting[0][0] <= seq:
            done, publisher, id = waiting.popleft()
            publisher.published(id, known, done)
        self.fanout.published(known)

    def trimmed(self, topic: str, base: Mark) -> None:
        """Forget everything up to ``base``; the log calls this."""
        known = self._topics[topic]
        known.log.forget(base)
        if not known.is_dirty:
            known.log.settle(known.cursors.level)

    # Subscribing and reading.

    def find_begin(self, command: Subscribe | History) -> Begin | None:
        """Decide where to start; None where ``look_up`` has to be asked."""
        since = command.since
        if isinstance(command, History) and command.since_time is None:
            since = since or "earliest"
        begin = find_begin(self._view(command.topic), since, command.since_time)
        if begin is not None and isinstance(command, History) and not _asks(command):
            # Nobody asked for a start, so nothing is claimed about one.
            return Begin(begin.after, begin.tag)
        return begin

    async def look_up(self, command: Subscribe | History) -> Begin:
        """Decide where to start with what the log knows and memory does not."""
        name, since = command.topic, command.since
        if command.since_time is not None:
            after = await self.log.seek(name, command.since_time) - 1
        else:
            after = cast(Position, since).seq
        found = await self.log.since(name, after - 1, entries=1, size=0)
        tag = found[0].tag if found and found[0].seq == after else None
        view = self._view(name)
        if isinstance(since, Position):
            return judge(view, since, tag)
        begin = begin_at_time(view, after, tag)
        # Between the two questions retention has moved on: what is left is all.
        return begin or Begin(view.base.seq, view.base.tag, recovered=True)

    def subscribe(
        self, subscriber: Subscriber, command: Subscribe, begin: Begin
    ) -> Subscribed:
        """Begin a subscription, in place of one to the same topic.

        The caller sends the answer before it lets the loop go on.
        """
        topic = self._topic(command.topic)
        if command.topic in subscriber.topics:
            self.fanout.leave(subscriber, topic)
        self.fanout.enter(subscriber, topic, begin.after)
        log = topic.log
        return Subscribed(
            id=command.id,
            topic=command.topic,
            epoch=log.epoch,
            seq=log.visible,
            tag=format_tag(log.visible_tag),
            oldest=log.oldest,
            recovered=begin.recovered,
            reason=begin.reason,
            after=After(begin.after, format_tag(begin.tag)),
        )

    def unsubscribe(self, subscriber: Subscriber, name: str) -> None:
        """End a subscription, if there is one."""
        topic = subscriber.topics.get(name)
        if topic is not None:
            self.fanout.leave(subscriber, topic)
            self._forget_idle(topic)

    def unsubscribe_all(self, subscriber: Subscriber) -> None:
        """End all subscriptions of somebody."""
        for topic in self.fanout.leave_all(subscriber):
            self._forget_idle(topic)

    def is_at_hand(self, command: History, begin: Begin) -> bool:
        """Tell whether memory holds all that an answer may need."""
        return self._view(command.topic).is_in_memory(begin.after)

    def read(self, command: History, begin: Begin) -> HistoryPage:
        """Answer ``history`` from memory."""
        log = self._view(command.topic)
        last = min(log.visible, begin.after + _most(command))
        entries: list[LogEntry] = []
        if last > begin.after:
            last = log.ring.reach(begin.after, last, PAGE_BYTES)
            entries = log.ring.between(begin.after, last)
        return _history_page(log, command, begin, entries)

    async def read_log(self, command: History, begin: Begin) -> HistoryPage:
        """Answer ``history`` from the log."""
        while True:
            entries: list[LogEntry] = []
            if _most(command):
                entries = await self.log.since(
                    command.topic, begin.after, entries=_most(command), size=PAGE_BYTES
                )
            log = self._view(command.topic)
            shown = [entry for entry in entries if entry.seq <= log.visible]
            is_whole = shown and shown[0].seq == begin.after + 1
            if is_whole or begin.after >= log.base.seq:
                return _history_page(log, command, begin, shown)
            # Between the two questions retention has moved on.
            if isinstance(command.since, Position):
                return _history_page(log, command, judge(log, command.since, None), [])
            begin = Begin(log.base.seq, log.base.tag, begin.recovered)

    # Looking at it.

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Topics that were published to, or are subscribed to."""
        return self._topics

    @property
    def uptime(self) -> float:
        """Seconds since it was made."""
        return self.clock.now() - self._started_at

    def __repr__(self) -> str:
        """Show how much goes on."""
        return (
            f"<Node {self.config.node} {self.admission!r}, {len(self._topics)} topics>"
        )


def _asks(command: History) -> bool:
    return command.since is not None or command.since_time is not None


def _most(command: History) -> int:
    limit = HISTORY_LIMIT if command.limit is None else command.limit
    return min(limit, HISTORY_MOST)


def _history_page(
    log: TopicLog, command: History, begin: Begin, entries: list[LogEntry]
) -> HistoryPage:
    last = entries[-1].seq if entries else begin.after
    return HistoryPage(
        id=command.id,
        topic=command.topic,
        epoch=log.epoch,
        seq=log.visible,
        tag=format_tag(log.visible_tag),
        oldest=log.oldest,
        recovered=begin.recovered,
        reason=begin.reason,
        after=After(begin.after, format_tag(begin.tag)),
        events=[
            Entry(seq=entry.seq, at=entry.at, data=msgspec.Raw(entry.payload))
            for entry in entries
        ],
        more=last < log.visible,
    )
