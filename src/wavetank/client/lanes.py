"""Lanes: how publications are numbered, so that a hub takes each of them once.

They refuse to know what is published, and where numbers are kept.

A hub takes the publications of a producer in a topic in the order of their numbers,
without holes. Where a number has to be left out for good, a hole must not stay: then
a new *lane* begins, which is a new epoch of the producer, numbered from 1 again.
"""

from collections.abc import Iterable

import msgspec

__all__ = ["MOST_IDLE", "Lane", "Lanes"]

MOST_IDLE = 10_000
"""Most topics whose numbering is remembered while nothing of them is waiting."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive publications to one topic under one epoch.

    Attributes:
        topic: The topic.
        after: It begins behind the entry of this number.
        epoch: Of the producer.
        base: Ordinal that stands before its first one.
    """

    topic: str
    after: int
    epoch: int
    base: int

    def seq(self, ordinal: int) -> int:
        """Return a producer's number: 1 for the first one in the lane."""
        return ordinal - self.base


class Lanes:
    """The lanes of all topics.

    Args:
        epoch: First epoch to use; higher than any one used before.
        kept: Lanes of an earlier life, oldest first.
        waiting: Of an earlier life: topic, highest ordinal, and how many of them
            are not settled.

    Attributes:
        epoch: The next one to use.
        fresh: Lanes that have begun since somebody looked.
        over: Lanes that nothing belongs to any more, since somebody looked.
    """

    def __init__(
        self,
        epoch: int,
        *,
        kept: Iterable[Lane] = (),
        waiting: Iterable[tuple[str, int, int]] = (),
    ) -> None:
        self.epoch = epoch
        self.fresh: list[Lane] = []
        self.over: list[Lane] = []
        self._lanes: dict[str, list[Lane]] = {}
        self._ordinals: dict[str, int] = {}
        self._open: dict[str, int] = {}
        self._old: set[str] = set()
        self._idle: dict[str, None] = {}
        for lane in kept:
            self._lanes.setdefault(lane.topic, []).append(lane)
            self._old.add(lane.topic)
        for topic, ordinal, count in waiting:
            self._ordinals[topic] = ordinal
            self._open[topic] = count

    def number(self, topic: str, number: int) -> int:
        """Give the next entry of a topic its ordinal.

        The first one in this life begins a lane: whoever went on in an old one
        could not tell whether a forgotten entry had used its next number.

        Args:
            topic: The topic.
            number: Of the entry.
        """
        self._idle.pop(topic, None)
        ordinal = self._ordinals.get(topic, 0) + 1
        self._ordinals[topic] = ordinal
        self._open[topic] = self._open.get(topic, 0) + 1
        if topic not in self._lanes or topic in self._old:
            self._old.discard(topic)
            self._begin(topic, number - 1, ordinal - 1)
        return ordinal

    def break_before(self, topic: str, number: int, ordinal: int) -> None:
        """Begin a lane with the entry of this number: its own is not continued."""
        self._begin(topic, number - 1, ordinal - 1)

    def break_behind(self, topic: str, number: int, ordinal: int) -> None:
        """Begin a lane behind an entry that will never be published."""
        self._begin(topic, number, ordinal)

    def _begin(self, topic: str, after: int, base: int) -> None:
        lane = Lane(topic=topic, after=after, epoch=self.epoch, base=base)
        self.epoch += 1
        lanes = self._lanes.setdefault(topic, [])
        while lanes and lanes[-1].after >= after:
            self.over.append(lanes.pop())
        lanes.append(lane)
        self.fresh.append(lane)

    def find(self, topic: str, number: int) -> Lane:
        """Return the lane of an entry."""
        lanes = self._lanes[topic]
        for lane in reversed(lanes):
            if lane.after < number:
                return lane
        return lanes[0]

    def settle(self, topic: str, number: int) -> None:
        """Forget lanes that ended before this entry, the oldest unsettled one."""
        lanes = self._lanes.get(topic, [])
        while len(lanes) > 1 and lanes[1].after < number:
            self.over.append(lanes.pop(0))

    def done(self, topic: str) -> None:
        """Note that an entry of a topic is settled.

        Of many topics that have none left, the oldest is forgotten. It begins a new
        epoch when it comes again, which is always right, only not as cheap.
        """
        self._open[topic] -= 1
        if self._open[topic]:
            return
        del self._open[topic]
        self._idle[topic] = None
        if len(self._idle) > MOST_IDLE:
            oldest = next(iter(self._idle))
            self.over += self._lanes.pop(oldest)
            del self._idle[oldest], self._ordinals[oldest]
            self._old.discard(oldest)

    def noted(self) -> None:
        """Hear that somebody has looked at what has begun and what is over."""
        self.fresh.clear()
        self.over.clear()

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Lanes of {len(self._lanes)} topics, next epoch {self.epoch}>"
