"""Readings: what memory has let go is read from the log, once for all who wait.

They refuse to know how it is written to anybody.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from wavetank.hub.aio.logs.base import Log
from wavetank.hub.aio.parcels import PAGE_BYTES, Page, replay_page
from wavetank.hub.aio.topic import Subscriber, Topic
from wavetank.hub.cursors import Place

__all__ = ["Readings"]


class Readings:
    """Pages that are being read.

    Args:
        log: Where they are.
        start: Starts a coroutine as a task of the node.
        deliver: Told who waits for a page of a topic, once it is there.
        wake: Told each who has waited, page or not: it can go on.
    """

    __slots__ = ("_deliver", "_log", "_start", "_wake")

    def __init__(
        self,
        log: Log,
        *,
        start: Callable[[Coroutine[Any, Any, None]], object],
        deliver: Callable[[list[Subscriber], Topic, Page], object],
        wake: Callable[[Subscriber, Topic], object],
    ) -> None:
        self._log = log
        self._start = start
        self._deliver = deliver
        self._wake = wake

    def read(self, subscriber: Subscriber, topic: Topic, place: Place) -> None:
        """Read what comes next for somebody with a place of its own."""
        key = (place.seq, PAGE_BYTES)
        if place.is_latest:
            # Whoever jumps needs the newest entry alone.
            key = (topic.log.visible - 1, 1)
        waiting = topic.readings.get(key)
        if waiting is not None:
            # Whoever is woken meanwhile asks again, and gets it once.
            waiting[subscriber] = None
            return
        topic.readings[key] = {subscriber: None}
        self._start(self._fetch(topic, *key))

    async def _fetch(self, topic: Topic, after: int, most: int) -> None:
        try:
            entries = await self._log.since(
                topic.log.topic, after, entries=most, size=PAGE_BYTES
            )
        except Exception:
            for subscriber in topic.readings.pop((after, most)):
                if topic.place_of(subscriber) is not None:
                    subscriber.stranded()
            raise
        waiting = topic.readings.pop((after, most))
        # Retention may have moved on meanwhile: then a gap is due, not this page.
        if entries and entries[0].seq == after + 1:
            topic.log.recall(entries[-1])
            at_hand = [each for each in waiting if _waits(each, topic, after)]
            self._deliver(at_hand, topic, replay_page(after, entries))
        for subscriber in waiting:
            if not subscriber.is_paused:
                self._wake(subscriber, topic)


def _waits(subscriber: Subscriber, topic: Topic, after: int) -> bool:
    """Tell whether somebody still goes on entry by entry, from there."""
    place = topic.cursors.behind.get(subscriber)
    return place is not None and not place.is_latest and place.seq == after
