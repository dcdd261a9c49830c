"""Publications: appended to a topic's log, and told of once they are durable.

They refuse to know who may publish, and how events are written.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from wavetank.errors import LocalError
from wavetank.hub.aio.fanout import FanOut
from wavetank.hub.aio.logs.base import Kept, Log
from wavetank.hub.aio.repeats import Repeats
from wavetank.hub.aio.topic import Publisher, Topic
from wavetank.hub.duplicates import Fresh, Origin
from wavetank.hub.log import Mark
from wavetank.hub.rules import Objection
from wavetank.hub.tally import Tally
from wavetank.protocol import ErrorCode, Id, Publish

__all__ = ["Publications", "Topics"]


class Topics(Protocol):
    """Where the topics of a node are."""

    @property
    def topics(self) -> Mapping[str, Topic]:
        """Those that were published to, or are subscribed to."""
        ...

    def begin_topic(self, name: str) -> Topic:
        """Return a topic that nothing was published to so far."""
        ...

    def forget_idle(self, topic: Topic) -> None:
        """Forget a topic that there is nothing of."""
        ...


class Publications:
    """Takes publications, and hears from the log what became of them.

    Args:
        log: Where they are kept.
        house: Where the topics are.
        fanout: Writes them to subscribers.
        tally: Where they are counted.
        wall: Reads the time, in seconds since 1970.
        most: Topics that may ever be published to; None is "no limit".

    Attributes:
        kept: Topics that were published to.
    """

    def __init__(
        self,
        log: Log,
        house: Topics,
        *,
        fanout: FanOut,
        tally: Tally,
        wall: Callable[[], float],
        most: int | None,
    ) -> None:
        self._log = log
        self._house = house
        self._fanout = fanout
        self._tally = tally
        self._wall = wall
        self._most = most
        self._repeats = Repeats()
        # Who wants no answer has nothing to wait for where nothing is refused.
        self._may_refuse = log.may_refuse
        self.kept = 0
        log.listener = self

    def restore(self, kept: Kept) -> None:
        """Take up what the log has kept of a topic."""
        self.kept += 1
        self._repeats.restore(kept)

    def tend(self, wall: float) -> None:
        """Forget keys that are too old."""
        self._repeats.tend(wall)

    # What publishers want.

    def known(self, name: str) -> Topic | None:
        """Return a topic that something was published to; its name is valid."""
        topic = self._house.topics.get(name)
        return topic if topic is not None and topic.log.top else None

    def publish(self, command: Publish, user: str, publisher: Publisher) -> None:
        """Append a publication; the publisher hears what becomes of it.

        Args:
            command: Judged before: its topic is valid and may be written to.
            user: Who publishes; keys and producers are told apart by users.
            publisher: Hears of it once it has its durability, maybe before this
                returns, or that it was not taken.
        """
        topic = self.known(command.topic)
        if topic is not None:
            self.publish_to(topic, command, user, publisher, wall=self._wall())
        elif self._most is not None and self.kept >= self._most:
            words = f"this hub keeps {self._most} topics"
            self._tally.published["rejected"] += 1
            publisher.refused(command.id, ErrorCode.TOO_MANY_TOPICS, words)
        elif self._is_fresh(None, command, user, publisher):
            topic, wall = self._house.begin_topic(command.topic), self._wall()
            self.publish_to(topic, command, user, publisher, wall=wall, is_fresh=True)
            self._house.forget_idle(topic)

    def publish_to(
        self,
        topic: Topic,
        command: Publish,
        user: str,
        publisher: Publisher,
        *,
        wall: float,
        is_fresh: bool = False,
    ) -> None:
        """Append a publication to a topic that is there; as ``publish``.

        Args:
            topic: Its topic.
            command: As ``publish``.
            user: As ``publish``.
            publisher: As ``publish``.
            wall: When it was read, in seconds since 1970.
            is_fresh: Whether it is known that it repeats nothing.
        """
        origin = None
        if command.key is not None or command.producer is not None:
            if not is_fresh and not self._is_fresh(topic, command, user, publisher):
                return
            origin = Origin.of(user, command)
        try:
            entry = topic.log.append(bytes(command.data), wall)
        except LocalError as error:
            self._tally.published["unavailable"] += 1
            publisher.refused(command.id, ErrorCode.UNAVAILABLE, str(error))
            return
        if entry.seq == 1:
            self.kept += 1
        if command.id is not None or self._may_refuse:
            topic.waiting.append((entry.seq, publisher, command.id, False))
        if origin is not None:
            self._repeats.note(command.topic, origin, entry.seq, wall)
        self._log.append(command.topic, entry, origin)

    def _is_fresh(
        self, topic: Topic | None, command: Publish, user: str, publisher: Publisher
    ) -> bool:
        """Tell whether nobody has published this before; else answer it."""
        if command.key is None and command.producer is None:
            return True
        judged = self._repeats.judge(command, user, self._wall())
        if isinstance(judged, Objection):
            self._object(judged, command.id, publisher)
            return False
        if isinstance(judged, Fresh) or topic is None:
            # Where nothing is there is nothing that it could repeat.
            return True
        self._answer_again(topic, judged.seq, command.id, publisher)
        return False

    def _object(
        self, objection: Objection, id: Id | None, publisher: Publisher
    ) -> None:
        self._tally.published["rejected"] += 1
        publisher.refused(
            id,
            objection.code,
            objection.message,
            path=objection.path or None,
            expected=objection.expected,
        )

    def _answer_again(
        self, topic: Topic, seq: int | None, id: Id | None, publisher: Publisher
    ) -> None:
        """Answer a duplicate, once the first one has its durability."""
        if seq is None or seq <= topic.log.visible:
            self._tally.published["duplicate"] += 1
            if id is not None:
                publisher.published(id, topic, seq, duplicate=True)
            return
        waiting = topic.waiting
        place = len(waiting)
        while place and waiting[place - 1][0] > seq:
            place -= 1
        waiting.insert(place, (seq, publisher, id, True))

    # What the log tells.

    def durable(self, topic: str, seq: int) -> None:
        """Show everything up to ``seq``; the log calls this."""
        known = self._house.topics[topic]
        log = known.log
        count = seq - log.visible
        first_at = log.ring[log.visible + 1].at
        log.reveal(seq)
        tally = self._tally
        tally.published["accepted"] += count
        tally.append.observe(self._wall() - first_at, count)
        self._repeats.settle(topic, seq)
        waiting = known.waiting
        while waiting and waiting[0][0] <= seq:
            done, publisher, id, is_duplicate = waiting.popleft()
            if is_duplicate:
                tally.published["duplicate"] += 1
            if id is not None:
                publisher.published(id, known, done, duplicate=is_duplicate)
        self._fanout.published(known)

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Take back everything from ``seq`` on; the log calls this."""
        known = self._house.topics[topic]
        known.log.take_back(seq)
        self._repeats.take_back(topic, seq)
        lost = []
        while known.waiting and known.waiting[-1][0] >= seq:
            lost.append(known.waiting.pop())
        self._tally.published["unavailable"] += len(lost)
        if not known.log.top:
            self.kept -= 1
            self._house.forget_idle(known)
        for _, publisher, id, _ in reversed(lost):
            publisher.refused(id, ErrorCode.UNAVAILABLE, reason)

    def trimmed(self, topic: str, base: Mark) -> None:
        """Forget everything up to ``base``; the log calls this."""
        known = self._house.topics[topic]
        known.log.forget(base)
        if not known.is_dirty:
            known.log.settle(known.cursors.level)

    def settled(self) -> None:
        """Write what can be seen now; the log calls this."""
        self._fanout.settled()

    def __repr__(self) -> str:
        """Show how many topics there are."""
        return f"<Publications in {self.kept} topics, {self._repeats!r}>"
