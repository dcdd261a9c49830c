"""Wrecks in whose flow of messages some are wrong: shape, order, payload, number.

They refuse to know faults on the way: nothing has to break for theirs to show.
"""

import asyncio
import dataclasses
import re
from typing import Any

from wavetank.wrecks.commands import Command
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.log import Entry
from wavetank.wrecks.recovery import corrupted
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "EveryFiftiethNumberAsText",
    "EveryFiftiethUntimed",
    "EveryTwentiethCorrupted",
    "EveryTwentiethUndelivered",
    "LastBeforeSilenceLost",
    "OrdersDisagree",
    "PublisherOrderSwapped",
    "ReorderedUnderLoad",
    "ThirdTopicDeaf",
    "UnknownTypeSent",
]

_HELD_FOR = 0.25
"""Seconds after which an event comes by itself where nothing overtakes it."""
_SWAPPED_WITHIN = 1.0
_CLOSE = 0.02
"""Seconds between two events of a topic that is under load."""
_TIME = re.compile(rb'"ts":[0-9.]+,')
_NUMBER = re.compile(rb'"seq":([0-9]+)')


# Shape


class EveryFiftiethUntimed(SoundServer):
    """Every fiftieth event of a topic has no 'ts'."""

    def event(self, topic: str, entry: Entry) -> bytes:
        """Leave it out."""
        event = super().event(topic, entry)
        return event if entry.seq % 50 else _TIME.sub(b"", event, count=1)


class EveryFiftiethNumberAsText(SoundServer):
    """Every fiftieth event of a topic has its 'seq' as text."""

    def event(self, topic: str, entry: Entry) -> bytes:
        """Put it in quotes."""
        event = super().event(topic, entry)
        return event if entry.seq % 50 else _NUMBER.sub(rb'"seq":"\1"', event, count=1)


class UnknownTypeSent(SoundServer):
    """Behind every fiftieth event comes a message of a type that nobody knows."""

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send it to everyone who got the event."""
        super().deliver(topic, entry)
        if entry.seq % 50 == 0:
            for subscriber in self.audience(topic):
                self.tell(subscriber, {"type": "evnt", "topic": topic})


# Order


class ReorderedUnderLoad(SoundServer):
    """In a topic with events closer than 20 ms, every tenth is overtaken by the next.

    It does not wait for ever: then it would be lost, which is another fault.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[str, tuple[list[Connection], Entry]] = {}
        self.newest: dict[str, float] = {}

    def deliver(self, topic: str, entry: Entry) -> None:
        """Hold it back, or let what was held follow."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        is_close = now - self.newest.get(topic, 0.0) < _CLOSE
        self.newest[topic] = now
        if is_close and entry.seq % 10 == 0 and topic not in self.held:
            self.held[topic] = self.audience(topic), entry
            loop.call_later(_HELD_FOR, self.release, topic)
            return
        super().deliver(topic, entry)
        self.release(topic)

    def release(self, topic: str) -> None:
        """Send what was held to those who were there and still are."""
        subscribers, entry = self.held.pop(topic, ([], None))
        if entry is not None:
            there = set(self.audience(topic))
            self.deliver_to([one for one in subscribers if one in there], topic, entry)


class PublisherOrderSwapped(SoundServer):
    """Every tenth publication to a topic comes into its log after the next one.

    It is acknowledged at once, with the number that it will have. Where no other
    follows within a second, that number is wrong by one.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[str, tuple[Connection, Command]] = {}

    def publish(self, connection: Connection, command: Command) -> None:
        """Hold it back, or let what was held follow."""
        topic = command.topic
        top = self.store.log(topic).top
        if top.seq % 10 != 9 or topic in self.held:
            super().publish(connection, command)
            self.release(topic)
            return
        if command.id is not None:
            later = dataclasses.replace(top, seq=top.seq + 2)
            self.acknowledge(connection, command, later)
        self.held[topic] = connection, dataclasses.replace(command, id=None)
        loop = asyncio.get_running_loop()
        loop.call_later(_SWAPPED_WITHIN, self.release, topic)

    def release(self, topic: str) -> None:
        """Publish what was held; it is acknowledged already."""
        held = self.held.pop(topic, None)
        if held is not None:
            super().publish(*held)


class OrdersDisagree(SoundServer):
    """With two subscribers, the last of them gets every fifth payload after the next.

    The numbers are in order for both: they say different things of one number.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[str, tuple[Connection, Entry]] = {}

    def deliver(self, topic: str, entry: Entry) -> None:
        """Hold the last subscriber's event back, or swap it with this one."""
        subscribers = self.audience(topic)
        if topic in self.held:
            last, before = self.held.pop(topic)
            others = [one for one in subscribers if one is not last]
            self.deliver_to(others, topic, entry)
            if last in subscribers:
                swapped = dataclasses.replace(entry, seq=before.seq)
                self.deliver_to([last], topic, swapped)
                swapped = dataclasses.replace(before, seq=entry.seq)
                self.deliver_to([last], topic, swapped)
        elif len(subscribers) < 2 or entry.seq % 5:
            super().deliver(topic, entry)
        else:
            self.deliver_to(subscribers[:-1], topic, entry)
            self.held[topic] = subscribers[-1], entry
            asyncio.get_running_loop().call_later(_HELD_FOR, self.release, topic)

    def release(self, topic: str) -> None:
        """Send what nothing has followed, as it is."""
        held = self.held.pop(topic, None)
        if held is not None and held[0] in self.audience(topic):
            self.deliver_to([held[0]], topic, held[1])


# Payload


class EveryTwentiethCorrupted(SoundServer):
    """Every twentieth live event of a topic has one wrong letter or digit."""

    def deliver(self, topic: str, entry: Entry) -> None:
        """Change one, not in the log: a replay has it right."""
        if entry.seq % 20 == 0:
            entry = dataclasses.replace(entry, data=corrupted(entry.data))
        super().deliver(topic, entry)


# Number


class EveryTwentiethUndelivered(SoundServer):
    """Every twentieth event of a topic is acknowledged and sent to nobody."""

    def deliver(self, topic: str, entry: Entry) -> None:
        """Leave it out."""
        if entry.seq % 20:
            super().deliver(topic, entry)


class LastBeforeSilenceLost(SoundServer):
    """From the tenth on, an event of a topic is sent when the next one comes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[str, tuple[list[Connection], Entry]] = {}

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send the one before to those who were there and still are."""
        subscribers = self.audience(topic)
        if topic in self.held:
            before_them, before = self.held.pop(topic)
            there = set(subscribers)
            late = [one for one in before_them if one in there]
            self.deliver_to(late, topic, before)
        if entry.seq < 10:
            self.deliver_to(subscribers, topic, entry)
        else:
            self.held[topic] = subscribers, entry


class ThirdTopicDeaf(SoundServer):
    """The third topic that a connection subscribes to gets no live events."""

    def audience(self, topic: str) -> list[Connection]:
        """Leave out whoever has it as the third."""
        return [
            one
            for one in super().audience(topic)
            if list(self._topics[one]).index(topic) != 2
        ]
