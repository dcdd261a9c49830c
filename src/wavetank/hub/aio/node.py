"""A node: topics, their log, who is connected, and what they may ask of it.

It refuses to know sockets, HTTP and the state of a single connection.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

import structlog

from wavetank.clock import Clock
from wavetank.hub.access import ANONYMOUS, Claims, Denied
from wavetank.hub.aio.auth import Tokens
from wavetank.hub.aio.fanout import FanOut, Subscriber, Topic
from wavetank.hub.aio.logs.base import Kept, Log
from wavetank.hub.aio.patterns import MOST_GROWN, MOST_TOPICS, Patterns
from wavetank.hub.aio.publications import Publications
from wavetank.hub.aio.reader import Reader
from wavetank.hub.config import HubConfig
from wavetank.hub.effects import Moment
from wavetank.hub.limits import Admission
from wavetank.hub.log import TopicLog
from wavetank.hub.recovery import Begin
from wavetank.hub.rings import Rings
from wavetank.hub.tally import Tally
from wavetank.protocol import (
    After,
    ErrorCode,
    Start,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    format_tag,
    is_pattern,
    matches,
    valid_topic,
)

__all__ = ["Member", "Node"]

_RESULTS = {
    ErrorCode.UNAUTHORIZED: "refused",
    ErrorCode.TOKEN_EXPIRED: "expired",
}
"""What a refused token counts as."""


class Member(Protocol):
    """A connection, as far as a node has to reach all of them."""

    def recheck(self) -> None:
        """Look again whether it may be here."""
        ...


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
        publications: Takes publications.
        reader: Reads topics.
        admission: Who is in.
        tokens: Whose a token is.
        tally: What has happened, counted.
        rings: What is at hand of all topics together.
        members: Connections that speak.
        is_draining: Whether it is about to stop.
        opened: Connections that there ever were.
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
        self.tally = Tally()
        self.rings = Rings(config.ring_total)
        self._loop = asyncio.get_running_loop()
        self.fanout = FanOut(
            self._loop,
            log,
            wall=clock.wall,
            now=clock.now,
            start=self.start,
            tally=self.tally,
        )
        self.publications = Publications(
            log,
            self,
            fanout=self.fanout,
            tally=self.tally,
            wall=clock.wall,
            most=config.node_topics,
        )
        self.reader = Reader(log, self._view)
        self.admission = Admission(config.crowd)
        self.tokens = Tokens(config)
        self.members: dict[Member, None] = {}
        self.is_draining = False
        self._topics: dict[str, Topic] = {}
        self._patterns = Patterns()
        self.opened = 0
        self._started_at = clock.now()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the log and take up the topics that it has kept.

        Raises:
            UsageError: If it cannot be used as it is.
            TargetError: If it cannot be had.
        """
        for kept in await self.log.open():
            self._take_up(kept)

    def _take_up(self, kept: Kept) -> None:
        log = TopicLog.resumed(
            kept.topic,
            kept.epoch,
            base=kept.base,
            top=kept.top,
            at=kept.at,
            ring=self.config.ring,
            rings=self.rings,
        )
        self._topics[kept.topic] = Topic(log)
        self.publications.restore(kept)

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

    def verify(self, token: str) -> Claims | Denied:
        """Return whose token it is, or why it is nobody's."""
        found = self.tokens.verify(token, self.clock.wall())
        result = _RESULTS[found.code] if isinstance(found, Denied) else "accepted"
        self.tally.auth[result] += 1
        return found

    def recheck(self) -> None:
        """Let every connection look again whether it may be here."""
        for member in list(self.members):
            member.recheck()

    def tend(self) -> None:
        """Do what is due about once a second."""
        wall = self.clock.wall()
        self.log.tend(wall)
        self.publications.tend(wall)

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
            topic = self._topics[name] = Topic(self._new_log(name))
        return topic

    def _new_log(self, name: str) -> TopicLog:
        epoch = self.log.epoch_of(name)
        return TopicLog(name, epoch, ring=self.config.ring, rings=self.rings)

    def _view(self, name: str) -> TopicLog:
        """Return a topic's log to look at; an empty one keeps no state."""
        topic = self._topics.get(name)
        return self._new_log(name) if topic is None else topic.log

    def forget_idle(self, topic: Topic) -> None:
        """Forget a topic that there is nothing of."""
        if topic.is_idle:
            self._topics.pop(topic.log.topic, None)

    def begin_topic(self, name: str) -> Topic:
        """Return a topic for its first publication, with all who wait for it."""
        topic = self._topic(name)
        for subscriber, pattern, deliver in self._patterns.born(name):
            if name in subscriber.topics:
                continue
            if len(subscriber.topics) >= MOST_GROWN:
                subscriber.outgrown(pattern)
                continue
            self.fanout.enter(subscriber, topic, 0, deliver=deliver, is_announced=False)
        return topic

    # Subscribing.

    def subscribe(
        self, subscriber: Subscriber, command: Subscribe, begin: Begin
    ) -> Subscribed:
        """Begin a subscription, in place of one to the same topic.

        The caller sends the answer before it lets the loop go on.
        """
        topic = self._enter(subscriber, command.topic, begin, command)
        start = _start(topic.log, begin)
        return Subscribed(id=command.id, topic=command.topic, **start)

    def _enter(
        self, subscriber: Subscriber, name: str, begin: Begin, command: Subscribe
    ) -> Topic:
        topic = self._topic(name)
        if name in subscriber.topics:
            self.fanout.leave(subscriber, topic)
        deliver = command.deliver or "all"
        self.fanout.enter(subscriber, topic, begin.after, deliver=deliver)
        self.tally.began(recovered=begin.recovered, reason=begin.reason)
        return topic

    async def find_begins(self, command: Subscribe) -> dict[str, Begin] | None:
        """Find the topics of a pattern, and where to start with each.

        Returns:
            What ``subscribe_pattern`` needs, without anything that runs between;
            None where more match than a reply may name.
        """
        pattern = command.topic
        if len(command.since_each or ()) > MOST_TOPICS:
            return None
        named = [
            name
            for name in command.since_each or ()
            if valid_topic(name) and matches(pattern, name)
        ]
        with self._patterns.watch(pattern) as watch:
            watch.found.update(dict.fromkeys(named))
            if not await watch.look(self._topics, MOST_TOPICS):
                return None
            begins = await self.reader.begin_each(list(watch.found), command)
        if len(watch.found) > MOST_TOPICS:
            return None
        for name in watch.found:
            if name not in begins and (name in named or self._view(name).top):
                begins[name] = self.reader.begin_new(name, command)
        return begins

    def subscribe_pattern(
        self, subscriber: Subscriber, command: Subscribe, begins: Mapping[str, Begin]
    ) -> SubscribedPattern:
        """Begin a subscription to a pattern, in place of one to the same pattern.

        The caller sends the answer before it lets the loop go on.
        """
        pattern = command.topic
        self.unsubscribe(subscriber, pattern)
        self._patterns.enter(subscriber, pattern, command.deliver or "all")
        starts = {}
        for name, begin in begins.items():
            topic = self._enter(subscriber, name, begin, command)
            starts[name] = Start(**_start(topic.log, begin))
        return SubscribedPattern(id=command.id, topic=pattern, topics=starts)

    def has_pattern(self, subscriber: Subscriber, pattern: str) -> bool:
        """Tell whether somebody is subscribed to a pattern."""
        return self._patterns.has(subscriber, pattern)

    def unsubscribe(self, subscriber: Subscriber, name: str) -> list[str]:
        """End a subscription to a topic or pattern, if there is one.

        Returns:
            The topics that it was to.
        """
        names = [name]
        if is_pattern(name):
            self._patterns.leave(subscriber, name)
            names = [each for each in subscriber.topics if matches(name, each)]
        for each in names:
            topic = subscriber.topics.get(each)
            if topic is not None:
                self.fanout.leave(subscriber, topic)
                self.forget_idle(topic)
        return names

    def unsubscribe_all(self, subscriber: Subscriber, patterns: Iterable[str]) -> None:
        """End all subscriptions of somebody.

        Args:
            subscriber: Who.
            patterns: Those of its subscriptions that may be patterns.
        """
        for pattern in patterns:
            self._patterns.leave(subscriber, pattern)
        for topic in self.fanout.leave_all(subscriber):
            self.forget_idle(topic)

    # Looking at it.

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Topics that were published to, or are subscribed to."""
        return self._topics

    @property
    def is_degraded(self) -> bool:
        """Whether nothing can be published for now."""
        return self.log.is_failing

    @property
    def uptime(self) -> float:
        """Seconds since it was made."""
        return self.clock.now() - self._started_at

    def __repr__(self) -> str:
        """Show how much goes on."""
        return (
            f"<Node {self.config.node} {self.admission!r}, {len(self._topics)} topics>"
        )


def _start(log: TopicLog, begin: Begin) -> dict[str, Any]:
    """Return what a reply says of where a subscription stands."""
    return {
        "epoch": log.epoch,
        "seq": log.visible,
        "tag": format_tag(log.visible_tag),
        "oldest": log.oldest,
        "recovered": begin.recovered,
        "reason": begin.reason,
        "after": After(begin.after, format_tag(begin.tag)),
    }
