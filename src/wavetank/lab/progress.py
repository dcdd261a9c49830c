"""How far everybody is: tops of topics, places of subscribers, recent latencies.

It refuses to know what is owed to whom, and to judge.
"""

from collections.abc import Iterable, Sequence

from wavetank.evidence import Histogram
from wavetank.lab.checkers import history
from wavetank.lab.following import Place
from wavetank.lab.recovering import Goal

__all__ = ["Progress"]

_LONGEST = 86_400.0
_MOST = 100_000
"""Places of subscribers that are kept, and so tops of topics."""


class Progress:
    """Takes the events of a history, and keeps the latest of each kind.

    Attributes:
        tops: Topic -> its highest place that was acknowledged, or came to anybody.
        arrived: Deliveries in all.
        heard: Subscribers to whom anything came but the last message of a topic.
    """

    def __init__(self) -> None:
        self.tops: dict[str, Place] = {}
        self.arrived = 0
        self.heard: set[str] = set()
        self._places: dict[tuple[str, str], Place] = {}
        self._pending: dict[str, str] = {}
        # Topic -> ids that were published last; who has got one has got all.
        self._markers: dict[str, set[str]] = {}
        self._marked: dict[str, Place] = {}
        self._done: set[tuple[str, str]] = set()
        self._latencies = Histogram(highest=_LONGEST)

    def take(self, event: history.Event) -> None:
        """Take what has happened."""
        match event:
            case history.Delivered():
                self._deliver(event)
            case history.PublishInvoked():
                self._pending[event.id] = event.topic
            case history.PublishOk():
                self._acknowledge(event)
            case history.PublishFailed() | history.PublishInfo():
                self._pending.pop(event.id, None)
            case history.Subscribed(head=int(head)):
                place = Place(event.epoch, head)
                self._places[event.subscriber, event.topic] = place
                self._rise(event.topic, place)

    def note_latency(self, seconds: float) -> None:
        """Note how long a message took from its intended moment."""
        self._latencies.record(max(seconds, self._latencies.lowest))

    def p99(self) -> float | None:
        """Return the p99 of the latencies since it was last asked; None for none."""
        latencies, self._latencies = self._latencies, Histogram(highest=_LONGEST)
        return latencies.percentile(99)

    # Behind the tops

    def lags(self, subscribers: Iterable[str], topics: Sequence[str]) -> list[int]:
        """Return how many messages each subscriber is behind the tops of topics.

        A topic without numbers counts 0.
        """
        return [
            sum(self._behind(name, topic) for topic in topics) for name in subscribers
        ]

    def goal(self, subscribers: Iterable[str]) -> Goal:
        """Return what has to come to subscribers until they are at today's tops."""
        return {
            (name, topic): top.seq
            for name in subscribers
            for topic, top in self.tops.items()
            if top.seq is not None and self._behind(name, topic)
        }

    def _behind(self, name: str, topic: str) -> int:
        top, place = self.tops.get(topic), self._places.get((name, topic))
        if top is None or top.seq is None:
            return 0
        if place is None or place.seq is None or place.epoch != top.epoch:
            return top.seq
        return max(top.seq - place.seq, 0)

    # The last of each topic

    def mark(self, topic: str, id_: str) -> None:
        """Watch for a message: the last one of its topic, or one of several."""
        self._markers.setdefault(topic, set()).add(id_)

    def awaited(self, subscribers: Iterable[str]) -> list[tuple[str, str]]:
        """Return (subscriber, topic) wherever the last message did not come yet."""
        return [
            (name, topic)
            for name in subscribers
            for topic in self._markers
            if (name, topic) not in self._done and not self._is_past(name, topic)
        ]

    def _is_past(self, name: str, topic: str) -> bool:
        marked, place = self._marked.get(topic), self._places.get((name, topic))
        if marked is None or place is None or None in {marked.seq, place.seq}:
            return False
        return place.epoch == marked.epoch and (place.seq or 0) >= (marked.seq or 0)

    # How

    def _deliver(self, event: history.Delivered) -> None:
        self.arrived += 1
        name, topic = event.subscriber, event.topic
        if event.id in self._markers.get(topic, ()):
            self._done.add((name, topic))
            self._marked.setdefault(topic, Place(event.epoch, event.seq))
        else:
            self.heard.add(name)
        if event.seq is None:
            return
        place = Place(event.epoch, event.seq)
        before = self._places.get((name, topic))
        # A target may make up topics without end.
        if before is None and len(self._places) >= _MOST:
            return
        if before is None or before.epoch != place.epoch or before < place:
            self._places[name, topic] = place
        self._rise(topic, place)

    def _acknowledge(self, event: history.PublishOk) -> None:
        topic = self._pending.pop(event.id, "")
        place = Place(event.epoch, event.seq)
        if event.id in self._markers.get(topic, ()):
            self._marked[topic] = place
        if event.seq is not None:
            self._rise(topic, place)

    def _rise(self, topic: str, place: Place) -> None:
        top = self.tops.get(topic)
        # Of another life, what comes last is the present one.
        if top is None or top.epoch != place.epoch or (top.seq or 0) < (place.seq or 0):
            self.tops[topic] = place

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Progress {len(self.tops)} topics, {self.arrived} arrived>"
