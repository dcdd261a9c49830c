"""Witnesses: a feed that one cannot publish to, known by all who follow it.

They refuse to judge. What any subscriber gets counts as published from then on, so
that everybody else is owed it. That is weaker than an acknowledgement: what nobody
got is not missed, and the promise to judge it by is `promises.WITNESSED`.
"""

from collections.abc import Iterable, Iterator

from wavetank.lab.checkers.history import (
    Delivered,
    Event,
    PublishInfo,
    PublishInvoked,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.ids import write_id

__all__ = ["Witnesses", "witnessed"]

RUN = "seen"
"""The run of the ids that messages of a feed are given."""


class Witnesses:
    """Gives ids to what a feed says, and puts its publication before it.

    A message is known by its id where the feed gives one, else by its sequence
    number, else by its payload; without any of these it is told from nothing.

    Args:
        remembered: So many messages are known again when another subscriber gets
            them; whoever is further behind is told to have got something new.
    """

    def __init__(self, *, remembered: int = 1_000_000) -> None:
        self._remembered = remembered
        # What was seen -> its id, and who was the first to get it.
        self._known: dict[tuple[str, str], tuple[str, str]] = {}
        # Topic -> which one it is, and how many messages it had.
        self._topics: dict[str, tuple[int, int]] = {}
        # (subscriber, topic) -> its subscription, while it is not known what it owes.
        self._held: dict[tuple[str, str], Subscribed] = {}

    def take(self, event: Event) -> Iterator[Event]:
        """Yield what an event of a feed is to a checker."""
        match event:
            case Subscribed(head=None):
                self._held[event.subscriber, event.topic] = event
            case Subscribed():
                yield event._replace(confirmed=False)
            case Unsubscribed():
                if self._held.pop((event.subscriber, event.topic), None) is None:
                    yield event
            case Delivered():
                yield from self._deliver(event)
            case _:
                yield event

    def finish(self) -> Iterator[Event]:
        """Yield the subscriptions to which nothing came that says what they owe."""
        for held in self._held.values():
            yield held._replace(confirmed=False)
        self._held.clear()

    def _deliver(self, event: Delivered) -> Iterator[Event]:
        who = (event.subscriber, event.topic)
        key = (event.topic, _name(event))
        found = self._known.get(key)
        id_, first = found or self._meet(key, event.subscriber)
        if found is None:
            yield PublishInvoked(event.at, RUN, id_, event.topic)
            yield PublishInfo(event.at, id_)
        held = self._held.get(who)
        if held is not None and event.seq is not None:
            # Numbers say what is behind the first delivery.
            del self._held[who]
            yield held._replace(confirmed=False)
        elif first != event.subscriber:
            # Without them, two subscribers have to have met at one message: what
            # either gets first from then on is behind it for both.
            yield from self._release((event.subscriber, first), event)
        if who not in self._held:
            yield event._replace(id=id_)

    def _release(self, both: tuple[str, str], event: Delivered) -> Iterator[Event]:
        for name in both:
            held = self._held.pop((name, event.topic), None)
            if held is not None:
                yield held._replace(at=event.at, confirmed=True)

    def _meet(self, key: tuple[str, str], subscriber: str) -> tuple[str, str]:
        topic, _ = key
        place, count = self._topics.get(topic, (len(self._topics), 0))
        self._topics[topic] = (place, count + 1)
        entry = self._known[key] = (write_id(RUN, f"t{place}", count + 1), subscriber)
        if len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]
        return entry

    def __repr__(self) -> str:
        """Show how many messages are known."""
        return f"<Witnesses {len(self._known)} known, {len(self._held)} held>"


def witnessed(
    events: Iterable[Event], *, remembered: int = 1_000_000
) -> Iterator[Event]:
    """Yield a feed's history as one with publications, as `Witnesses` does."""
    witnesses = Witnesses(remembered=remembered)
    for event in events:
        yield from witnesses.take(event)
    yield from witnesses.finish()


def _name(event: Delivered) -> str:
    """Return what tells a message from all others of its topic."""
    if event.id:
        return f"id {event.id}"
    if event.seq is not None:
        return f"seq {event.seq} of {event.epoch}"
    return f"payload {event.digest}"
